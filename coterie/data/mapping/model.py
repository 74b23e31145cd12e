"""What a mapping says: from which files and columns each table of the contract comes."""

from collections.abc import Mapping as Table_of
from dataclasses import dataclass, field, replace
from typing import Final

from coterie.data.chunks import FileForm

BAD, DROP = "bad", "drop"
SIGNS: Final = ("negative", "zero", "positive")
PRESENCES: Final = ("given", "empty")
ANY: Final = "any"
"""In place of words: whatever is not empty."""


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """How one column of the contract comes about.

    What is read goes through ``empty``, then ``words``, ``by_sign``, ``by_presence``, or a
    number's, a time's or a list's own fields; what is not set changes nothing.
    """

    columns: tuple[str, ...] = ()
    """Columns of the file; the first that is not empty counts."""
    always: str | None = None
    """The value of every row, in place of columns; None: read from columns."""
    digest: tuple[str, ...] = ()
    """Columns that together tell one event from another, in place of an id."""
    empty: tuple[str, ...] = ()
    """Words that stand for nothing."""
    missing: str = BAD
    """What a row is where nothing is left: bad if the contract needs it, or dropped and counted."""
    words: Table_of[str, str] = field(default_factory=dict)
    """Our word for each of the shop's, in lower case."""
    drop: tuple[str, ...] = ()
    """Words, in lower case, whose rows are dropped and counted."""
    by_sign: Table_of[str, str] = field(default_factory=dict)
    """The word for a number by its sign (``SIGNS``)."""
    by_presence: Table_of[str, str] = field(default_factory=dict)
    """The word for a value that is there, whatever it says, and for none (``PRESENCES``)."""
    scale: tuple[float, float] | None = None
    """Lowest and highest of a rating; they become 1 and 5."""
    divide: float = 1.0
    """What a number is divided by: 100 of a price in cents."""
    absolute: bool = False
    """Whether a number loses its sign."""
    decimal: str = "."
    thousands: str = ""
    strip: str = ""
    """Characters around numbers that are left out, such as a currency's sign."""
    format: str = ""
    """Form of times, as ``strptime`` has it; empty for ISO 8601 and Unix times."""
    zone: str = ""
    """Time zone of times without an offset; empty for UTC."""
    first: str = ""
    """Text between several values of a cell, of which the first counts; empty: it is one."""
    separator: str = ""
    """Text between the levels of a category, or between the texts of a list when joined."""

    @property
    def is_number(self) -> bool:
        """Whether anything is said of how a number is written, or what is made of it."""
        written = self.thousands or self.strip or self.decimal != "."
        return bool(written or self.scale or self.absolute or self.divide != 1.0)

    @property
    def read(self) -> tuple[str, ...]:
        """All columns that it needs."""
        return (*self.columns, *self.digest)


@dataclass(frozen=True, slots=True)
class FileMapping:
    """Some files of one table."""

    files: tuple[str, ...]
    """Names within the folder, or patterns (``events/part-*.csv``)."""
    form: FileForm
    columns: Table_of[str, ColumnRule]
    """A rule for each column, by the contract's name."""
    leave_out: Table_of[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns of the file, and words in them, in lower case, whose rows are left out and counted;
    or ``ANY``."""

    @property
    def read(self) -> tuple[str, ...]:
        """All columns of the file that it needs."""
        names = [name for rule in self.columns.values() for name in rule.read]
        return tuple(dict.fromkeys([*names, *self.leave_out]))


@dataclass(frozen=True, slots=True)
class Mapping:
    """A shop's own files as tables of the contract."""

    events: tuple[FileMapping, ...]
    ties: tuple[FileMapping, ...] = ()
    """None: every list draws on its shopper's own history alone."""
    items: tuple[FileMapping, ...] = ()
    users: tuple[FileMapping, ...] = ()
    items_of_events: Table_of[str, ColumnRule] | None = None
    """Rules for what an event tells of its item, where there is no file of items."""
    times: bool = True
    """Whether events have times; without them the split is by chance."""
    others: Table_of[str, tuple[FileMapping, ...]] = field(default_factory=dict)
    """All other tables of the contract, by name."""

    def parts(self, table: str) -> tuple[FileMapping, ...]:
        """Find the files of a table; of items that come of events, those of the events."""
        if table == "items" and self.items_of_events is not None:
            return tuple(self._of_events(part) for part in self.events)
        found: tuple[FileMapping, ...] = self.others.get(table, getattr(self, table, ()))
        return found

    def _of_events(self, part: FileMapping) -> FileMapping:
        """Map a file of events to items, each titled by its id where nothing else tells it."""
        item_id, told = part.columns["item_id"], dict(self.items_of_events or {})
        title = told.get("title", ColumnRule())
        told["title"] = replace(title, columns=(*title.columns, *item_id.columns))
        return FileMapping(part.files, part.form, {"item_id": item_id, **told})
