"""Takes a person out of files on this machine: raw tables, features, lists; and looks for more.

Logs and online stores forget people over HTTP. These files no service watches.
"""

import csv
import gzip
import io
import json
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.ids import normal_id, normal_ids
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.data.suppressed import REFERRING
from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.schema import FRIEND_IDS, FRIEND_WIDTHS, INGEST_REPORT, TABLES

_PERSON: Final = "user_id"
"""Columns whose names end so say whose a row is, but for ``REFERRING``."""

_NOT_PEOPLE: Final = frozenset(
    name for table in TABLES.values() for name in table.arrow.names if not name.endswith(_PERSON)
)
"""Columns of the contract that hold nobody."""


@dataclass(slots=True)
class Forgotten:
    """What became of files."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows that were removed or changed, by file."""
    left: dict[str, str] = field(default_factory=dict)
    """Files that still hold the id, or of which nobody can tell, and what to do."""
    num_files: int = 0
    """Files that were looked at."""


def forget(user_id: str, folders: Sequence[str], keys: PseudonymKeys = NO_KEYS) -> Forgotten:
    """Remove a person from the tables in folders, and look for their id in every other file.

    Tables that ``ingest`` wrote stay as they are, since their digests are written down: they are
    named, and are right after the next ingest.

    Args:
        user_id: Who, as tables write it.
        folders: Of this machine; what lies in folders in them, too.
        keys: Pseudonyms of theirs under these are looked for as well.

    Raises:
        BadInputError: A folder is none, or the id is none.
    """
    names, found = keys.lineage(normal_id(user_id)), Forgotten()
    for name in folders:
        folder = Path(name)
        if not folder.is_dir():
            raise BadInputError(f"{name} is no folder of this machine: name one with files")
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            found.num_files += 1
            for who in names:
                _forget_in(file, who, found)
    return found


def _forget_in(file: Path, who: str, found: Forgotten) -> None:
    made = (file.parent / INGEST_REPORT).exists()
    clean = _CLEANERS.get(file.suffix)
    try:
        if clean is not None and not made and (num := clean(file, who)):
            found.rows[str(file)] = found.rows.get(str(file), 0) + num
        spelt = _spellings(who)
        holds = any(_says(part, one) for part in _texts(file, who) for one in spelt)
    except _DAMAGED as error:
        # Others go on: one file that is spoilt must not keep a person in all that follow.
        found.left[str(file)] = f"it could not be rewritten ({error}): mend it, or remove it"
        return
    if holds:
        found.left[str(file)] = (
            "ingest again" if made else "of no form that is known here: remove it, or rewrite it"
        )


def _spellings(who: str) -> set[str]:
    """Write an id as it may stand in files: plainly, or as JSON and CSV write it in a text."""
    written = (json.dumps(who, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False))
    return {who, *written, who.replace('"', '""')}


def _says(text: str, who: str) -> bool:
    """Tell whether a text holds an id; in a text, a number within a longer one is not that number.

    >>> _says("in 1974", "97"), _says("97,view", "97"), _says("\\0 in 1974", "97")
    (False, True, True)
    """
    if who not in text or not who.isdecimal() or "\0" in text:
        # In bytes, as of a database, one value follows on another with nothing between.
        return who in text
    return re.search(rf"(?<!\d){who}(?!\d)", text) is not None


def _texts(file: Path, who: str) -> Iterator[str]:
    """Yield what a file says, as texts in which an id would be found."""
    if file.suffix == ".parquet":
        for name, column in zip(*_columns(file), strict=True):
            yield unicodedata.normalize("NFC", _text_of(name, column, who))
        return
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    yield unicodedata.normalize("NFC", content.decode("utf-8", "replace"))


def _columns(file: Path) -> tuple[list[str], list[pa.ChunkedArray]]:
    rows = pq.read_table(file)
    return rows.column_names, rows.columns


def _text_of(name: str, column: pa.ChunkedArray, who: str) -> str:
    """Write a column as one text; of numbers only those that are the id, in columns of no table of
    the contract: a price of 42 is not the person 42."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind):
        return "\n".join(map(str, _leaves(column.to_pylist())))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        is_it = name not in _NOT_PEOPLE and pc.any(pc.equal(_ids(column), who)).as_py()
        return who if is_it else ""
    if pa.types.is_null(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
        return ""
    return "\n".join(_leaves(column.unique().to_pylist()))


def _leaves(value: Any) -> Iterator[str]:
    """Yield all texts in a value, at whatever depth."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif value is not None:
        yield str(value)


def _ids(column: pa.ChunkedArray) -> pa.Array:
    """Bring a column into the form that ids have, whatever its type; null where there is none."""
    whole = column.combine_chunks()
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    ids, _ = normal_ids(whole.cast(pa.string()))
    return ids


def _parquet(file: Path, who: str) -> int:
    rows = pq.read_table(file)
    names = [name for name in rows.column_names if name.endswith(_PERSON)]
    left, changed = rows, 0
    for name in names:
        if name not in REFERRING:
            left = left.filter(pc.fill_null(pc.not_equal(_ids(left[name]), who), True))
    for name in REFERRING.intersection(names):
        named = pc.fill_null(pc.equal(_ids(left[name]), who), False)
        changed += pc.sum(named).as_py() or 0
        left = _with(left, name, pc.if_else(named, None, left[name].combine_chunks()))
    if FRIEND_IDS in left.column_names:
        left, num = _without_friend(left, who)
        changed += num
    total: int = rows.num_rows - left.num_rows + changed
    if total:
        content = io.BytesIO()
        pq.write_table(left, content)
        write_atomically(file, content.getvalue())
    return total


def _without_friend(rows: pa.Table, who: str) -> tuple[pa.Table, int]:
    ids = rows[FRIEND_IDS].to_pylist()
    kept = [[place for place, one in enumerate(of or []) if one != who] for of in ids]
    changed = sum(len(of or []) != len(places) for of, places in zip(ids, kept, strict=True))
    for name, width in FRIEND_WIDTHS.items():
        if changed and name in rows.column_names:
            held = zip(rows[name].to_pylist(), kept, strict=True)
            left = [
                of and [of[place * width + at] for place in places for at in range(width)]
                for of, places in held
            ]
            rows = _with(rows, name, pa.array(left, rows[name].type))
    return rows, changed


def _with(rows: pa.Table, name: str, values: Any) -> pa.Table:
    place = rows.column_names.index(name)
    return rows.set_column(place, rows.schema.field(name), values)


def _csv(file: Path, who: str) -> int:
    lines = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
    if not lines:
        return 0
    out, num = io.StringIO(newline=""), 0
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(lines[0])
    for line in lines[1:]:
        # A line may be too short, or too long: that is ingest's to say.
        left = _row(dict(zip(lines[0], line, strict=False)), who)
        if left is None:
            num += 1
            continue
        told = ["" if one is None else one for one in left.values()] + line[len(lines[0]) :]
        num += told != line
        writer.writerow(told)
    if num:
        write_atomically(file, out.getvalue())
    return num


def _jsonl(file: Path, who: str) -> int:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line is no JSON object")
    left = [_row(row, who) for row in rows]
    num: int = sum(before != after for before, after in zip(rows, left, strict=True))
    if num:
        texts = (json.dumps(row, ensure_ascii=False) + "\n" for row in left if row is not None)
        write_atomically(file, "".join(texts))
    return num


def _row(row: dict[str, Any], who: str) -> dict[str, Any] | None:
    """Give what stays of a row: nothing of one that is the person's, and no name of theirs."""
    said = {name: value for name, value in row.items() if name.endswith(_PERSON)}
    named = {name for name, value in said.items() if _is_of(value, who)}
    if named - REFERRING:
        return None
    return {name: None if name in named else value for name, value in row.items()}


def _is_of(value: Any, who: str) -> bool:
    """Tell whether a value of a row is an id, in whatever form ingest takes it."""
    try:
        return normal_id(str(value)) == who
    except BadInputError:
        return False


_DAMAGED: Final = (OSError, EOFError, ValueError, csv.Error, pa.ArrowException, zlib.error)
"""What readers raise of a file that is not what its name says."""
_CLEANERS: Final[dict[str, Callable[[Path, str], int]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
}
