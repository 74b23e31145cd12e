"""Rows of recent lists as they lie in the online store: read, and written where nobody else did.

Feast's client takes a table apart, looks definitions up and puts a frame together for each push,
which costs ten times what is written. So the two stores that we ship are written as Feast writes
them, byte for byte, and any other through Feast.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Protocol

from coterie import schema
from serving.features.online_store import FeastFeatures, OnlineFeatures
from serving.features.recent import RecentList

_NAMES: Final = (
    schema.RECENT_ITEMS,
    schema.RECENT_KINDS,
    schema.RECENT_TS,
    schema.RECENT_WANTED,
    schema.HAD_ITEMS,
    schema.HAD_KINDS,
    schema.HAD_WANTED,
    schema.ASKED_TS,
)
"""Columns of the view, in the order of a RecentList's fields."""
FIELDS: Final = {name: part.name for name, part in zip(_NAMES, fields(RecentList), strict=True)}
REMEMBERED: Final = 500_000
"""Entries of lists that are remembered: some 60 MB."""
TEXTS: Final = frozenset({schema.RECENT_ITEMS, schema.HAD_ITEMS})
"""Columns of texts; the others are of whole numbers."""


@dataclass(frozen=True, slots=True)
class RecentRow:
    """A shopper's recent list as it is stored."""

    recent: RecentList = field(default_factory=RecentList)
    mark: int = 0
    """What tells whether it is still the one that is stored; only its store can read it."""


class RecentRows(Protocol):
    """The recent lists of an online store; every method may raise UnavailableError."""

    @property
    def shared(self) -> bool:
        """Tell whether several may write at a time: the store compares row by row."""

    def read(self, user_ids: Sequence[str]) -> list[RecentRow]:
        """Read rows, in the order asked; an empty one for a stranger."""

    def write(
        self,
        user_ids: Sequence[str],
        known: Sequence[RecentRow],
        lists: Sequence[RecentList],
        fencing_token: int,
    ) -> list[RecentRow | None]:
        """Put lists in the place of rows that are known.

        Args:
            user_ids: Whose, each once.
            known: As they were read, or written before.
            lists: What they become.
            fencing_token: Of the lock ``PUSH``, microseconds since 1970: the time of the rows.

        Returns:
            Of each the row that is stored now; None where nothing was written, since the store has
            another row than the known one, or none that is older than the new one.
        """


class PushedRows:
    """Recent lists of any store that Feast knows, read and pushed by its client.

    Nothing is compared but what the store compares by itself.
    """

    shared: Final = False

    def __init__(self, features: OnlineFeatures) -> None:
        self._features = features

    def read(self, user_ids: Sequence[str]) -> list[RecentRow]:
        """See RecentRows."""
        return [*map(RecentRow, self._features.recent_lists(user_ids))]

    def write(
        self,
        user_ids: Sequence[str],
        known: Sequence[RecentRow],  # noqa: ARG002
        lists: Sequence[RecentList],
        fencing_token: int,
    ) -> list[RecentRow | None]:
        """See RecentRows; all are said to be written."""
        self._features.push_recent(user_ids, lists, fencing_token)
        return [*map(RecentRow, lists)]


class RememberedRows:
    """Recent lists of shoppers who did something lately, kept in memory, and the store behind them.

    A row that somebody else changed meanwhile is not overwritten: the store compares.
    """

    def __init__(self, rows: RecentRows, most: int = REMEMBERED) -> None:
        """Take a store that compares.

        Args:
            rows: Of the store.
            most: Entries of lists kept, of all shoppers together.
        """
        self._rows, self._most, self._entries = rows, most, 0
        self.shared: Final = rows.shared
        self._known: OrderedDict[str, RecentRow] = OrderedDict()

    def read(self, user_ids: Sequence[str]) -> list[RecentRow]:
        """See RecentRows; it may be a row that is no longer stored, of which ``write`` will say."""
        unknown = [user_id for user_id in user_ids if user_id not in self._known]
        found = dict(zip(unknown, self._rows.read(unknown), strict=True)) if unknown else {}
        return [found.get(user_id) or self._known[user_id] for user_id in user_ids]

    def write(
        self,
        user_ids: Sequence[str],
        known: Sequence[RecentRow],
        lists: Sequence[RecentList],
        fencing_token: int,
    ) -> list[RecentRow | None]:
        """See RecentRows."""
        for user_id in user_ids:
            # Not known, should the store fail in between.
            self._forget(user_id)
        written = self._rows.write(user_ids, known, lists, fencing_token)
        for user_id, row in zip(user_ids, written, strict=True):
            if row is not None:
                self._known[user_id] = row
                self._entries += _entries(row)
        while self._entries > self._most:
            self._forget(next(iter(self._known)))
        return written

    def forget(self, user_id: str) -> None:
        """Let go of a row: its person was erased."""
        self._forget(user_id)

    def _forget(self, user_id: str) -> None:
        if (row := self._known.pop(user_id, None)) is not None:
            self._entries -= _entries(row)


def _entries(row: RecentRow) -> int:
    return 1 + len(row.recent.item_ids) + len(row.recent.had_ids)


def recent_rows(features: OnlineFeatures, most: int = REMEMBERED) -> RecentRows:
    """Open the rows beside the features that lists are made from.

    Args:
        features: Whose.
        most: Entries that are remembered; 0 for who reads each row once.
    """
    if not isinstance(features, FeastFeatures):
        return PushedRows(features)
    # Feast is loaded by whoever made features of it.
    from serving.features.redis_recents import RedisRecents
    from serving.features.sqlite_recents import SqliteRecents

    for kind in (SqliteRecents, RedisRecents):
        if found := kind.of(features.store, *features.recents):
            return RememberedRows(found, most)
    return PushedRows(features)


def to_values(recent: RecentList, columns: Iterable[str]) -> list[bytes]:
    """Write a list as the values of columns, as Feast serialises them."""
    from feast.protos.feast.types.Value_pb2 import Int64List, StringList, Value

    values = []
    for name in columns:
        found: Any = getattr(recent, FIELDS[name])
        if name in TEXTS:
            value = Value(string_list_val=StringList(val=found))
        else:
            value = Value(int64_list_val=Int64List(val=found))
        values.append(value.SerializeToString())
    return values


def from_values(values: Mapping[str, bytes]) -> RecentList:
    """Read a list from the values of columns; one that is missing is empty."""
    from feast.protos.feast.types.Value_pb2 import Value

    found: dict[str, tuple[Any, ...]] = {}
    for name, content in values.items():
        value = Value.FromString(content)
        lists = value.string_list_val if name in TEXTS else value.int64_list_val
        found[FIELDS[name]] = tuple(lists.val)
    return RecentList(**found)
