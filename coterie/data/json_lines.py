"""JSON Lines: one object a line, every value as text or with the reason why it is none."""

import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from coterie.data.chunks import BOOLEAN, INEXACT, LIST_MARK, MOST_EXACT, NOT_ONE_VALUE, TWICE, Chunk
from coterie.data.encodings import utf8_chunks
from coterie.errors import BadInputError

_SAMPLE_LINES = 1_000
_AN_ARRAY: Final = "line {} is an array: write one object a line"
_MAX_LINE_BYTES = 1 << 26
_TYPES: Final = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def json_columns(file: Path, name: str, each: str = "", leaves: bool = False) -> list[str]:
    """Read the keys of the first 1,000 lines; see ``formats.columns_of``."""
    lines = next(_blocks(file, name), b"").split(b"\n")[:_SAMPLE_LINES]
    keys: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            found = _pairs(line, name, number)
            rows = _entries(_leaves("", found), each) if leaves else [found]
            keys.update(dict.fromkeys(key for row in rows for key, _ in row))
    return list(keys)


def json_lists(file: Path, name: str) -> list[str]:
    """Find the lists of objects in the first 1,000 lines; see ``formats.lists_of``."""
    lines = next(_blocks(file, name), b"").split(b"\n")[:_SAMPLE_LINES]
    keys: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        for key, value in _leaves("", _pairs(line, name, number)) if line.strip() else ():
            if type(value) is list and value and isinstance(value[0], _Pairs):
                keys[key] = None
    return list(keys)


def json_chunks(
    file: Path, name: str, wanted: Collection[str] | None, each: str = ""
) -> Iterator[Chunk]:
    """Read the rows; see ``formats.read_chunks``.

    Blocks whose keys each hold values of one type are read by Arrow, others value by value: a
    number and a text in one column are both right, and only then is a list in it seen as well.
    """
    row, line = 1, 1
    kinds: dict[str, pa.DataType] | None = None
    for block in _blocks(file, name):
        if kinds is None:
            kinds = _kinds(block, name)
        table = None if each else _quick(block, kinds)
        if table is not None:
            rows, chunk = table.num_rows, _chunk(name, row, table, wanted)
        else:
            rows, chunk = _slow(block, name, row, line, wanted, each)
        row, line = row + rows, line + block.count(b"\n")
        yield chunk


def _blocks(file: Path, name: str) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines."""
    rest = b""
    for chunk in utf8_chunks(file, name):
        lines, mark, rest = (rest + chunk).rpartition(b"\n")
        if len(rest) > _MAX_LINE_BYTES:
            raise BadInputError(
                f"{name} has a line of over {_MAX_LINE_BYTES >> 20} MiB: write one object a line"
            )
        if lines or mark:
            yield lines + mark
    if rest.strip():
        yield rest


def _pairs(line: bytes, name: str, number: int) -> list[tuple[str, Any]]:
    """Read the keys and values of one object, also those that are there twice."""
    try:
        found = json.loads(line, object_pairs_hook=_Pairs)
        if b"\\u" in line:
            # Half a character passes as JSON and is in no text: encoding finds it.
            json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        if number == 1 and line.lstrip().startswith(b"["):
            raise BadInputError(f"{name} cannot be read: {_AN_ARRAY.format(number)}") from error
        raise BadInputError(
            f"{name} cannot be read: line {number}, column {error.colno}: {error.msg}"
        ) from error
    except (UnicodeEncodeError, RecursionError, ValueError) as error:
        raise BadInputError(f"{name} cannot be read: line {number}: {error}") from error
    if not isinstance(found, _Pairs):
        what = _AN_ARRAY if type(found) is list else "line {} is no JSON object"
        raise BadInputError(f"{name} cannot be read: {what.format(number)}")
    return found


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def _kinds(block: bytes, name: str) -> dict[str, pa.DataType]:
    """Guess each key's type by its values in the first lines.

    Only types are told that text can be made of without loss.
    """
    seen: dict[str, set[type]] = {}
    for number, line in enumerate(block.split(b"\n", _SAMPLE_LINES)[:_SAMPLE_LINES], 1):
        for key, value in _pairs(line, name, number) if line.strip() else ():
            seen.setdefault(key, set()).add(type(value))
    told = {key: found - {type(None)} or {str} for key, found in seen.items()}
    return {
        key: _TYPES[next(iter(types))]
        for key, types in told.items()
        if len(types) == 1 and types <= _TYPES.keys()
    }


def _quick(block: bytes, kinds: dict[str, pa.DataType]) -> pa.Table | None:
    """Read rows with Arrow; None where they have to be looked at closer."""
    try:
        table = pajson.read_json(
            io.BytesIO(block),
            pajson.ReadOptions(use_threads=False, block_size=len(block) + 1),
            pajson.ParseOptions(
                explicit_schema=pa.schema(list(kinds.items())), unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    lines = sum(1 for line in block.split(b"\n") if line.strip())
    return table if table.num_rows == lines else None


def _chunk(name: str, row: int, table: pa.Table, wanted: Collection[str] | None) -> Chunk:
    """Make a chunk of what Arrow read, as if it had been read value by value."""
    columns, faults = {}, {}
    for key in table.column_names:
        if wanted is not None and key not in wanted:
            continue
        found = table[key].combine_chunks()
        if pa.types.is_boolean(found.type):
            faults[key] = pc.if_else(pc.is_valid(found), BOOLEAN, pa.scalar(None, pa.string()))
        if pa.types.is_floating(found.type):
            whole = pc.and_(pc.equal(found, pc.round(found)), pc.less(pc.abs(found), MOST_EXACT))
            faults[key] = pc.if_else(
                pc.fill_null(whole, True), pa.scalar(None, pa.string()), INEXACT
            )
        columns[key] = found if pa.types.is_integer(found.type) else found.cast(pa.string())
    return Chunk(name, np.arange(row, row + table.num_rows), columns, faults)


def _leaves(prefix: str, found: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """List the values of an object with those of the objects in it, their names with dots."""
    leaves: list[tuple[str, Any]] = []
    for key, value in found:
        leaves.append((prefix + key, value))
        if isinstance(value, _Pairs):
            leaves += _leaves(f"{prefix}{key}.", value)
    return leaves


def _entries(leaves: list[tuple[str, Any]], each: str) -> list[list[tuple[str, Any]]]:
    """Make a row of each entry of a list, and behind it what stands around the list."""
    if not each:
        return [leaves]
    around = [(key, value) for key, value in leaves if key != each]
    found = next((value for key, value in leaves if key == each), None)
    entries = found if type(found) is list else [] if found is None else [found]
    return [
        (_leaves(f"{each}.", one) if isinstance(one, _Pairs) else [(each, one)]) + around
        for one in entries
    ]


def _slow(
    block: bytes, name: str, row: int, first: int, wanted: Collection[str] | None, each: str
) -> tuple[int, Chunk]:
    """Read rows value by value: how many there are, and what is in them."""
    found: list[list[tuple[str, Any]]] = [
        _pairs(line, name, number)
        for number, line in enumerate(block.split(b"\n"), first)
        if line.strip()
    ]
    rows = np.arange(row, row + len(found))
    num_rows = len(rows)
    if each or (wanted is not None and any("." in key for key in wanted)):
        split = [_entries(_leaves("", pairs), each) for pairs in found]
        rows = np.repeat(rows, [len(entries) for entries in split])
        found = [entry for entries in split for entry in entries]
    keys = dict.fromkeys(key for pairs in found for key, _ in pairs)
    keys = {key: None for key in keys if wanted is None or key in wanted}
    texts: dict[str, list[str | None]] = {key: [None] * len(found) for key in keys}
    faults: dict[str, list[str | None]] = {key: [None] * len(found) for key in keys}
    for number, pairs in enumerate(found):
        told = set()
        for key, value in pairs:
            if key not in texts:
                continue
            text, fault = as_text(value)
            texts[key][number] = text
            faults[key][number] = TWICE if key in told else fault
            told.add(key)
    return num_rows, Chunk(
        name,
        rows,
        {key: pa.array(column, pa.string()) for key, column in texts.items()},
        {key: pa.array(column, pa.string()) for key, column in faults.items() if any(column)},
    )


def as_text(value: Any) -> tuple[str | None, str | None]:
    """Turn a JSON value into what a file of text would have, or say why it is none."""
    if value is None or isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return ("true" if value else "false"), BOOLEAN
    if isinstance(value, int):
        return str(value), None
    if isinstance(value, float):
        return str(value), None if value.is_integer() and abs(value) < MOST_EXACT else INEXACT
    if type(value) is list and all(isinstance(part, str) for part in value):
        return LIST_MARK + LIST_MARK.join(value), NOT_ONE_VALUE
    return json.dumps(_unpaired(value), ensure_ascii=False), NOT_ONE_VALUE


def _unpaired(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _unpaired(part) for key, part in value}
    return [_unpaired(part) for part in value] if isinstance(value, list) else value
