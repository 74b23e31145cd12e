"""A training set as one file of plain arrays, so that workers can read it for themselves."""

import hashlib
import io
from dataclasses import fields
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.torch import load, save

from coterie.data.circle import Circle, CircleRule
from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.repurchase import Again
from coterie.data.stores import options_of
from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.training.loop import Start

Columns = dict[str, np.ndarray[Any, Any]]


def pack(data: TrainingSet, path: str) -> None:
    """Write ``data`` to ``path`` (local or remote): whole or not at all."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **_columns(data))
    if "://" in path:
        with fsspec.open(path, "wb", **options_of(path)) as file:
            file.write(content.getbuffer())
        return
    write_atomically(path, content.getbuffer())


def unpack(path: str) -> TrainingSet:
    """Read back what :func:`pack` wrote.

    Raises:
        BadInputError: The file is missing or not such a file.
    """
    try:
        with fsspec.open(path, "rb", **options_of(path)) as file:
            loaded = np.load(io.BytesIO(file.read()), allow_pickle=False)
        num_users, num_items = loaded["shape"].tolist()
        held_out = _read(Interactions, "validation", loaded) if loaded["validates"] else None
        interactions, ties = _read(Interactions, "seen", loaded), _read(Ties, "ties", loaded)
        again, items, circle = _read_again(loaded), _read_items(loaded), _read_circle(loaded)
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(f"{path} holds no training set: {error}") from error
    return TrainingSet(interactions, ties, num_users, num_items, held_out, again, items, circle)


def digest(data: TrainingSet) -> str:
    """Hash a training set: the same for the same data only, hexadecimal."""
    whole = hashlib.blake2b(digest_size=16)
    for name, column in _columns(data).items():
        whole.update(f"{name} {column.dtype} {column.shape}".encode())
        whole.update(np.ascontiguousarray(column).tobytes())
    return whole.hexdigest()


def pack_start(start: Start, path: str) -> None:
    """Write what training goes on from to ``path``, local or remote."""
    with fsspec.open(path, "wb", **options_of(path)) as file:
        file.write(save({name: tensor.contiguous() for name, tensor in start.items()}))


def unpack_start(path: str) -> Start:
    """Read back what :func:`pack_start` wrote.

    Raises:
        BadInputError: The file is missing or not such a file.
    """
    try:
        with fsspec.open(path, "rb", **options_of(path)) as file:
            return load(file.read())
    except (OSError, SafetensorError) as error:
        raise BadInputError(f"{path} holds nothing to start from: {error}") from error


def digest_start(start: Start) -> str:
    """Hash what training goes on from: the same for the same tensors only, hexadecimal."""
    whole = hashlib.blake2b(digest_size=16)
    for name in sorted(start):
        tensor = start[name].detach().cpu().contiguous()
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.numpy().tobytes())
    return whole.hexdigest()


def _columns(data: TrainingSet) -> Columns:
    columns: Columns = {
        "shape": np.array([data.num_users, data.num_items]),
        "validates": np.array(data.validation is not None),
    }
    parts: dict[str, Any] = {
        "seen": data.interactions,
        "ties": data.ties,
        "validation": data.validation,
    }
    for prefix, part in parts.items():
        if part is not None:
            columns |= {f"{prefix}.{f.name}": getattr(part, f.name) for f in fields(part)}
    if data.again is not None:
        columns |= {"again.days": data.again.days, "again.now_ms": np.array(data.again.now_ms)}
    if data.items is not None:
        columns["items"] = _bytes_of(data.items)
    if data.circle is not None:
        rule = data.circle.rule
        columns["circle.rule"] = np.array([rule.min_people, rule.one_sided])
        columns["circle.may_be_named"] = data.circle.may_be_named
    return columns


def _bytes_of(items: pa.Table) -> np.ndarray[Any, Any]:
    """Write a table as Parquet, which depends on its values, not on how Arrow holds them."""
    sink = pa.BufferOutputStream()
    pq.write_table(items, sink)
    return np.frombuffer(sink.getvalue(), np.uint8)


def _read_items(loaded: Any) -> pa.Table | None:
    if "items" not in loaded:
        return None
    return pq.read_table(pa.BufferReader(loaded["items"]))


def _read_again(loaded: Any) -> Again | None:
    if "again.days" not in loaded:
        return None
    return Again(loaded["again.days"], int(loaded["again.now_ms"]))


def _read_circle(loaded: Any) -> Circle | None:
    if "circle.rule" not in loaded:
        return None
    min_people, one_sided = loaded["circle.rule"].tolist()
    return Circle(CircleRule(min_people, bool(one_sided)), loaded["circle.may_be_named"])


def _read(table: type[Any], prefix: str, loaded: Any) -> Any:
    return table(*(loaded[f"{prefix}.{f.name}"] for f in fields(table)))
