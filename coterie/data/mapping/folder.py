"""A shop's own folder, read through a mapping as tables of the contract."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from coterie.data.chunks import Chunk
from coterie.data.formats import (
    DELIMITED,
    columns_of,
    form_of,
    no_lists,
    num_rows_at_most,
    read_chunks,
)
from coterie.data.mapping.apply import apply, distinct_items
from coterie.data.mapping.document import refuse
from coterie.data.mapping.model import FileMapping, Mapping
from coterie.data.stores import near, open_store, reaching
from coterie.data.table_files import HIDDEN, PassedOver
from coterie.errors import BadInputError
from coterie.schema import ITEMS, TABLES, TIES, Table

NOT_MAPPED = "named in no part of the mapping"


class MappedFolder:
    """A folder whose files a mapping explains; a ``tables.TableSource``."""

    def __init__(self, mapping: Mapping, names: Sequence[str], paths: dict[str, Path]) -> None:
        self._mapping, self._names, self._paths = mapping, names, paths
        self.dropped: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
        """Rows that the mapping left out, by table and reason, of those that were read so far."""

    @property
    def passed_over(self) -> list[PassedOver]:
        """See TableSource."""
        hidden = [name for name in self._names if _is_hidden(name)]
        read = {name for table in TABLES.values() for name in self.files(table)}
        others = [name for name in self._names if name not in read and not _is_hidden(name)]
        return [PassedOver(name, HIDDEN) for name in hidden] + [
            PassedOver(name, NOT_MAPPED) for name in others
        ]

    @property
    def without(self) -> tuple[str, ...]:
        """See TableSource."""
        return () if self._mapping.ties else (TIES.name,)

    @property
    def notes(self) -> list[str]:
        """What a person should know of the lists that come of this mapping."""
        said = []
        if not self._mapping.ties:
            said.append("no ties: every list draws on its shopper's own history alone")
        if not self._mapping.times:
            said.append("no times: the split is by chance, and the age of an event says nothing")
        if self._mapping.items_of_events is not None:
            said.append("no file of items: they are made from the events, and all are available")
        return said

    def files(self, table: Table) -> list[str]:
        """See TableSource."""
        parts = self._mapping.parts(table.name)
        return list(dict.fromkeys(name for part in parts for name in matching(part, self._names)))

    def unknown_columns(self, table: Table) -> tuple[str, ...]:  # noqa: ARG002 - of the protocol
        """See TableSource: what is in no rule was left out by a person."""
        return ()

    def num_rows_at_most(self, table: Table) -> int:
        """See TableSource."""
        return sum(num_rows_at_most(self._paths[name], name) for name in self.files(table))

    def chunks(self, table: Table) -> Iterator[Chunk]:
        """See TableSource."""
        dropped = self.dropped[table.name]
        dropped.clear()
        made = table is ITEMS and self._mapping.items_of_events is not None
        for part in self._mapping.parts(table.name):
            wanted = set(part.read)
            for name in matching(part, self._names):
                seen: set[str] = set()
                for chunk in read_chunks(self._paths[name], name, part.form, wanted):
                    seen |= set(chunk.columns)
                    found = apply(table, part, chunk, dropped)
                    yield distinct_items(found) if made else found
                if not made:
                    _refuse_unseen(wanted - seen, name)


@contextmanager
def open_mapped(path: str, mapping: Mapping, name: str = "mapping.yaml") -> Iterator[MappedFolder]:
    """Find the files that a mapping names, and see that they have the columns that it needs.

    Args:
        path: A folder, local or of a store.
        mapping: What its files mean.
        name: What errors call the mapping.

    Raises:
        BadInputError: A pattern fits no file, or a file lacks a column: all of it in one error.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(path)
    names = _names(fs, folder, path)
    parts = [
        (table, part)
        for table in TABLES
        for part in mapping.others.get(table, getattr(mapping, table, ()))
    ]
    needed = list(dict.fromkeys(n for _, part in parts for n in matching(part, names)))
    with near(fs, folder, needed) as paths:
        faults = [f for table, part in parts for f in _faults(table, part, names, paths)]
        faults += _faults_of_items(mapping, names, paths)
        refuse(list(dict.fromkeys(faults)), f"{name} does not fit {path}")
        yield MappedFolder(mapping, names, paths)


def matching(part: FileMapping, names: Sequence[str]) -> list[str]:
    """Match names with the patterns of some files, in the order of the patterns."""
    found = [
        name
        for pattern in part.files
        for name in names
        if name == pattern or (fnmatchcase(name, pattern) and not _is_hidden(name))
    ]
    return list(dict.fromkeys(found))


def _refuse_unseen(columns: set[str], name: str) -> None:
    """Refuse columns of JSON Lines that no line has; other files' are looked at beforehand."""
    if columns:
        raise BadInputError(f"no row of {name} has {', '.join(sorted(columns))}: mend the mapping")


def _names(fs: Any, folder: str, path: str) -> list[str]:
    with reaching(path):
        found = sorted(fs.find(folder))
    if not found:
        raise BadInputError(f"{path} is no folder with files: name the one with the export")
    return [file[len(folder) :].lstrip("/") for file in found]


def _faults(
    table: str, part: FileMapping, names: Sequence[str], paths: dict[str, Path]
) -> list[str]:
    faults = []
    for pattern in part.files:
        if not matching(FileMapping((pattern,), part.form, {}), names):
            faults.append(f"{table}: no file is called {pattern}")
    for name in matching(part, names):
        if part.form.each and form_of(name)[0] == DELIMITED:
            faults.append(f"{table}: {no_lists(name, part.form.each)}")
            continue
        try:
            columns = columns_of(paths[name], name, part.form, leaves=True)
        except BadInputError as error:
            faults.append(str(error))
            continue
        lacking = _lacking(part, columns) if not _is_json(name) else []
        faults += [
            f"{table}: {name} has no column {c!r}, only {', '.join(columns)}" for c in lacking
        ]
    return faults


def _faults_of_items(mapping: Mapping, names: Sequence[str], paths: dict[str, Path]) -> list[str]:
    """Find what is told of items in events and stands in none of their files."""
    known: set[str] = set()
    for part in mapping.events:
        for name in matching(part, names):
            try:
                known |= set(columns_of(paths[name], name, part.form, leaves=True))
            except BadInputError:
                return []
            if _is_json(name):
                return []
    told = {c for rule in (mapping.items_of_events or {}).values() for c in rule.read}
    return [f"items: no file of events has a column {c!r}" for c in sorted(told - known)]


def _lacking(part: FileMapping, columns: list[str]) -> list[str]:
    return [name for name in part.read if name not in columns]


def _is_json(name: str) -> bool:
    """Tell whether a file is JSON Lines, whose last line alone may have a key."""
    return ".json" in name.lower() or ".ndjson" in name.lower()


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))
