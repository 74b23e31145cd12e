"""A release as a folder: written whole or not at all, read only when every byte is as it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

import coterie
from coterie.data.repurchase import RepurchaseRule
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError, UnavailableError
from coterie.files import atomic_folder
from coterie.privacy.promise import Promise
from coterie.release.described import pack_statements, unpack_statements
from coterie.release.encoders import ReleasedEncoder
from coterie.release.files import ReleaseFiles, read_files
from coterie.release.kept import let_go
from coterie.release.manifest import (
    CATALOGUE,
    CONTENT,
    DESCRIBED,
    MANIFEST,
    PARAMETERS,
    POPULARITY,
    FileDigest,
    Manifest,
    check_version,
)
from coterie.release.tensors import tensors_of
from coterie.release.vectors import Vectors, pack_vectors, unpack_vectors
from coterie.schema import RELEASED_ITEMS, SCHEMA_VERSION

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class ReleaseContent:
    """What goes into a release."""

    version: str
    parameters: Tensors
    """All of the recommender's state."""
    catalogue: pa.Table
    """``schema.ITEMS``, of which ``schema.RELEASED_ITEMS`` are kept: row i describes item i."""
    popularity: npt.NDArray[np.float32]
    """Shape (num_items,)."""
    metrics: Mapping[str, Any]
    data_fingerprint: str
    limits: Mapping[str, float]
    repurchase: Mapping[str, float | None] = field(default_factory=dict)
    """When what was bought may be listed again: ``RepurchaseRule.days``."""
    vectors: Vectors = field(default_factory=dict)
    """What encoders made of items, by kind: float16 of shape (num_items, width), zeros where
    nothing is known; none where the shop encodes nothing."""
    encoders: Mapping[str, ReleasedEncoder] = field(default_factory=dict)
    """What made the vectors of each kind."""
    described: pa.Table | None = None
    """What a language model said of items: ``described.STATEMENTS``; None: nothing."""
    bound: Promise | None = None
    """What is promised of any one person whose events it was made of; None: nothing."""
    code_version: str = coterie.__version__
    schema_version: int = SCHEMA_VERSION
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Release:
    """A release that was read and found whole."""

    manifest: Manifest
    parameters: dict[str, torch.Tensor]
    catalogue: pa.Table
    popularity: npt.NDArray[np.float32]
    items: Vocab
    """Ids of the catalogue's rows."""
    digest: str
    """SHA-256 of the manifest, and through it of everything: the release's fingerprint."""
    vectors: Vectors = field(default_factory=dict)
    """What encoders made of items, by kind (``text``, ``image``, ``audio``): float16 of shape
    (num_items, width), row i of item i of the catalogue, of length 1, or zeros where nothing is
    known; ``manifest.encoders`` says what made them. Empty in a release without content."""
    described: pa.Table | None = None
    """What a language model said of items: ``described.STATEMENTS``; None: nothing."""

    @property
    def version(self) -> str:
        """The name that its maker gave it."""
        return self.manifest.version

    @property
    def available(self) -> npt.NDArray[np.bool_]:
        """Which items may be shown, shape (num_items,); true where nothing is said."""
        said = self.catalogue.column("available").to_pylist()
        return np.array([yes is not False for yes in said], dtype=np.bool_)

    @property
    def days_until_again(self) -> npt.NDArray[np.float32]:
        """After which what was had may be listed again, shape (num_items,); inf: never."""
        rule = RepurchaseRule(self.manifest.repurchase)
        return rule.for_items(self.catalogue.column("category"))


def write_release(folder: str, content: ReleaseContent) -> Release:
    """Write a release into a new local folder, whole or not at all.

    Args:
        folder: Must not exist: a release is never changed.
        content: What to write; it is checked as a reader would check it.

    Returns:
        What a reader of ``folder`` gets.

    Raises:
        BadInputError: The folder exists, or the content contradicts itself.
        UnavailableError: The disk refused.
    """
    target = Path(folder)
    if target.exists():
        raise BadInputError(f"{folder} exists: a release is never overwritten, choose a new folder")
    try:
        # Should a release have appeared there meanwhile, renaming onto it fails.
        with atomic_folder(target) as beside:
            for name, data in _to_files(content, folder).items():
                (beside / name).write_bytes(data)
            release = load_release(str(beside))
    except OSError as error:
        raise UnavailableError(f"cannot write a release to {folder}: {error}") from error
    return release


def load_release(folder: str) -> Release:
    """Read a release after checking that it is ours, whole and consistent.

    Args:
        folder: A local folder or any URL that fsspec opens (``s3://shop/releases/v7``).

    Raises:
        BadInputError: Files are missing, extra, truncated, changed, or do not fit each other; or
            it is no release of ours, or one of a newer schema.
        UnavailableError: The store did not answer.
    """
    return _parse(read_files(folder), folder)


def _parse(files: ReleaseFiles, where: str) -> Release:
    manifest, content = files.manifest, files.content
    held = content[PARAMETERS]
    held = bytearray(held) if isinstance(held, bytes) else held
    parameters = tensors_of(held, f"{where}/{PARAMETERS}")
    popularity = _tensors(bytes(content[POPULARITY]), f"{where}/{POPULARITY}").get("popularity")
    if popularity is None:
        raise BadInputError(f"{where}/{POPULARITY} holds no tensor named popularity")
    catalogue = _catalogue(bytes(content[CATALOGUE]), manifest.num_items, f"{where}/{CATALOGUE}")
    popular = popularity.to(torch.float32).numpy()
    _check_fit(parameters, manifest.per_item, catalogue, popular, where)
    let_go(held)
    ids = catalogue.column("item_id").combine_chunks()
    return Release(
        manifest=manifest,
        parameters=parameters,
        catalogue=catalogue,
        popularity=popular,
        items=Vocab(ids),
        digest=files.digest,
        vectors=_vectors(files, where),
        described=_described(files, where),
    )


def _described(files: ReleaseFiles, where: str) -> pa.Table | None:
    if DESCRIBED not in files.content:
        return None
    data, rows = bytes(files.content[DESCRIBED]), files.manifest.num_items
    return unpack_statements(data, rows, f"{where}/{DESCRIBED}")


def _vectors(files: ReleaseFiles, where: str) -> Vectors:
    if CONTENT not in files.content:
        return {}
    manifest = files.manifest
    data = bytes(files.content[CONTENT])
    return unpack_vectors(data, manifest.encoders, manifest.num_items, f"{where}/{CONTENT}")


def _tensors(data: bytes, where: str) -> dict[str, torch.Tensor]:
    try:
        return safetensors.load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise BadInputError(f"{where} is no safetensors file: {error}") from error


def _catalogue(data: bytes, num_items: int, where: str) -> pa.Table:
    try:
        file = pq.ParquetFile(BytesIO(data))
        # Known from the footer, before a small file may unfold into a huge table.
        if file.metadata.num_rows != num_items:
            raise BadInputError(
                f"{where} has {file.metadata.num_rows} items, its manifest says {num_items}"
            )
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(f"{where} is no Parquet table: {error}") from error
    return _as_items(table, where)


def _as_items(table: pa.Table, where: str) -> pa.Table:
    names = list(RELEASED_ITEMS.names)
    if table.column_names != names:
        raise BadInputError(f"{where} has the columns {table.column_names}, expected {names}")
    try:
        return table.cast(RELEASED_ITEMS)
    except (pa.ArrowException, ValueError) as error:
        raise BadInputError(f"{where}: {error}") from error


def _to_files(content: ReleaseContent, where: str) -> dict[str, bytes]:
    """Write the release's files by name, the manifest last."""
    kept = [name for name in content.catalogue.column_names if name in RELEASED_ITEMS.names]
    catalogue = _as_items(content.catalogue.select(kept), "the catalogue")
    popularity = np.ascontiguousarray(content.popularity, np.float32)
    rows = catalogue.num_rows
    per_item = tuple(sorted(n for n, t in content.parameters.items() if t.shape[:1] == (rows,)))
    _check_fit(content.parameters, per_item, catalogue, popularity, where)
    files = {
        PARAMETERS: safetensors.save(
            {n: t.detach().cpu().clone().contiguous() for n, t in content.parameters.items()}
        ),
        POPULARITY: safetensors.save({"popularity": torch.from_numpy(popularity)}),
        CATALOGUE: _parquet(catalogue),
    }
    if set(content.vectors) != set(content.encoders):
        raise BadInputError(
            f"{where}: there are vectors of {sorted(content.vectors)} and encoders of "
            f"{sorted(content.encoders)}: each kind needs both"
        )
    if content.vectors:
        files[CONTENT] = pack_vectors(content.vectors, rows, where)
    if content.described is not None:
        files[DESCRIBED] = pack_statements(content.described, rows, where)
    manifest = Manifest(
        version=check_version(content.version),
        schema_version=content.schema_version,
        created_at=content.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        code_version=content.code_version,
        data_fingerprint=content.data_fingerprint,
        num_items=rows,
        per_item=per_item,
        metrics=content.metrics,
        limits=content.limits,
        repurchase=dict(RepurchaseRule(content.repurchase).days),
        files={name: FileDigest.of(data) for name, data in files.items()},
        encoders=content.encoders,
        bound=content.bound,
    )
    return files | {MANIFEST: manifest.to_json()}


def _parquet(table: pa.Table) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _check_fit(
    parameters: Tensors,
    per_item: tuple[str, ...],
    catalogue: pa.Table,
    popularity: npt.NDArray[np.float32],
    where: str,
) -> None:
    """Refuse parts that do not belong together."""
    rows = catalogue.num_rows
    ids = catalogue.column("item_id")
    if ids.null_count or len(ids.unique()) != rows:
        raise BadInputError(f"{where}: the item table's ids are not unique: {rows} rows")
    shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    wrong = {n: shapes.get(n, "absent") for n in per_item if shapes.get(n, ())[:1] != (rows,)}
    if wrong or not per_item:
        raise BadInputError(
            f"{where}: the item table has {rows} rows, but parameters have {wrong or shapes}: "
            "were both made from the same data?"
        )
    if popularity.shape != (rows,):
        raise BadInputError(
            f"{where}: popularity has shape {popularity.shape}, the item table {rows} rows"
        )
    for name, tensor in {**parameters, "popularity": torch.from_numpy(popularity)}.items():
        if not _is_finite(tensor):
            raise BadInputError(
                f"{where}: {name} holds numbers that are not finite: training diverged; "
                "do not release it"
            )


def _is_finite(tensor: torch.Tensor) -> bool:
    """Tell whether all numbers are finite: by the least and the greatest, which one pass finds."""
    # A NaN is both of them. Marking each number and asking all marks took seventy times as long.
    return not tensor.numel() or all(math.isfinite(one) for one in torch.aminmax(tensor))
