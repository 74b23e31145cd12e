"""Where events and changes are kept until features know of them and pipelines can read them.

One protocol, two logs: a SQLite file on one machine, a Redis stream on a cluster. A URL chooses.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from coterie.data.locks import WAIT_S

if TYPE_CHECKING:  # the consumer opens a log before it loads what takes seconds
    from coterie.data.changes import Change, RowState
    from coterie.data.suppressed import Suppressed
    from serving.events.erasure import ErasedEntries
    from serving.events.event import Entry, Event
    from serving.events.old_entries import OldEntries


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Entries of a log, oldest first, and where it keeps each."""

    offsets: tuple[str, ...] = ()
    """Where the log has each, as texts that sort in its order."""
    entries: tuple["Entry", ...] = ()
    log: str = ""
    """Which log it is: random, made with it."""

    @classmethod
    def of(cls, kept: Sequence[tuple[str, "Entry"]]) -> "LogBatch":
        """Put offsets and their entries together."""
        return cls(tuple(offset for offset, _ in kept), tuple(entry for _, entry in kept))

    @property
    def events(self) -> tuple["Event", ...]:
        """What shoppers did, of the entries."""
        found = (entry for entry in self.entries if hasattr(entry, "event_id"))
        return cast('tuple["Event", ...]', tuple(found))

    @property
    def changes(self) -> tuple["Change", ...]:
        """What the shop changed, of the entries."""
        found = (entry for entry in self.entries if hasattr(entry, "change_id"))
        return cast('tuple["Change", ...]', tuple(found))

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def name(self) -> str:
        """File name: the same for the same events of the same log, in any process."""
        return f"{self.log}-{self.offsets[0]}-{self.offsets[-1]}"


@dataclass(frozen=True, slots=True)
class KeptEntries:
    """What a log made of entries that were added."""

    fresh: list[bool]
    """Of each, whether it is new."""
    unpushed: LogBatch
    """The new events, which features are not told of yet."""


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """Rows of items and users that changed after some version of them all."""

    version: int
    """Up to which these are."""
    items: Mapping[str, "RowState"]
    users: Mapping[str, "RowState"]
    erased: Mapping[str, "RowState"] = field(default_factory=dict)
    """Marks of people who were forgotten, or may come back (``coterie.data.suppressed``)."""


class LiveRows(Protocol):
    """What changes made of ties, items and people: of each row the state after all of them.

    Every method may raise UnavailableError.
    """

    def version(self) -> int:
        """Read the version of all rows: it grows with every change that is kept."""

    def since(self, version: int) -> ChangedRows:
        """Read the items, users and marks that changed after a version; 0: all that ever did."""

    def ties_of(self, user_id: str) -> Mapping[tuple[str, str], "RowState"]:
        """Read the changed ties of a follower, by followee and kind."""

    def ties_to(self, user_id: str) -> list[tuple[str, "RowState"]]:
        """Read the changed ties of others to a person, each with its kind; whose they are is not
        told, since it is not the person's to know."""

    def turned_to(self, user_id: str, others: Sequence[str]) -> frozenset[str]:
        """Find those of some people whose own tie to a person changed, one way: made or ended."""

    def ties_around(
        self, user_id: str, others: Sequence[str]
    ) -> tuple[Mapping[tuple[str, str], "RowState"], frozenset[str]]:
        """Read what ``ties_of`` and ``turned_to`` do, at one go."""

    def close(self) -> None:
        """Let go of file or connection."""


class EventLog(Protocol):
    """A durable log: an entry is in it once, and known to be pushed and exported, or not.

    A change is in effect for every reader of ``LiveRows`` as soon as it is in the log: both are one
    transaction. Events are pushed to features after. Nothing is kept of who is forgotten: that is
    looked up in the same transaction, so no entry slips in beside an erasure.

    Every method may raise UnavailableError: the log does not answer, or refuses.
    """

    def append(self, entries: Sequence["Entry"]) -> list[bool]:
        """Add entries as ``keep`` does; return of each whether it is new."""

    def keep(self, entries: Sequence["Entry"]) -> KeptEntries:
        """Add all events or none, and all changes or none; an id that is known stays as it was.

        What is about a person who is forgotten is not kept, as if it were known; of an event that
        names one as who referred, all but that name is.

        Raises:
            UnavailableError: They may not have been kept: send them again, which adds none twice.
        """

    def lock(
        self, name: str, wait_s: float = WAIT_S, shared: bool = False
    ) -> AbstractContextManager[int]:
        """Hold the lock of a name among all processes, for ``LOCK_TTL_S`` seconds at most.

        Args:
            name: Of the lock.
            wait_s: For so long it is waited for.
            shared: Others who share it may hold it too, where the log can tell them apart.

        Yields:
            The fencing token: microseconds since 1970, above that of every holder before.

        Raises:
            LockTakenError: Somebody else had it for all of ``wait_s`` seconds.
        """

    def unpushed(self, limit: int) -> LogBatch:
        """Read events that features were not told of, oldest first."""

    def mark_pushed(self, batch: LogBatch) -> None:
        """Remember that features know of these.

        Raises:
            UnavailableError: The lock is lost, or the log refuses: they will be pushed again, which
                changes nothing.
        """

    def count_unpushed(self) -> int:
        """Count events that features were not told of."""

    def oldest_unpushed_s(self) -> float:
        """Tell how many seconds the log has had the oldest event that was not pushed; 0: none."""

    def unexported(self, most: int, least: int = 1, age_s: float = 0.0) -> LogBatch:
        """Read the next entries to export; the same ones in every process until they are marked.

        Args:
            most: Entries at most.
            least: No batch is begun with fewer,
            age_s: unless the log has had the oldest of them for so many seconds.
        """

    def mark_exported(self, batch: LogBatch) -> None:
        """Remember that these are exported, and let go of what was also pushed.

        It does nothing where they were marked before.
        """

    def oldest_unexported_s(self) -> float:
        """Tell how many seconds the log has had the oldest event that was not exported; 0: none."""

    def suppressed(self) -> "Suppressed":
        """Read who is forgotten at this moment."""

    def erase(self, user_id: str) -> "ErasedEntries":
        """Forget a person: keep their mark, and remove what is about them. Nothing of theirs is
        kept from then on. Again, it changes nothing.

        The caller holds the lock of exports: what one of them has read would be written.

        Raises:
            UnavailableError: Some may be left: do it again.
        """

    def remove_older(self, oldest_ms: int, after: str = "", most: int = 5000) -> "OldEntries":
        """Remove events that happened before a time, whether they were exported or not; changes
        stay.

        The caller holds the lock of exports, as for ``erase``.

        Args:
            oldest_ms: Milliseconds since 1970.
            after: Where the look before ended; empty: from the first entry on.
            most: Entries that are looked at, or fewer.

        Raises:
            UnavailableError: Do it again.
        """

    def compact(self) -> None:
        """Write what is kept anew, so that files of the log hold nothing that was removed; a Redis
        that lets us not do so does it by itself, later."""

    def lift(self, user_id: str) -> bool:
        """Let a person who is forgotten come back; return whether they were."""

    def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """Read entries about a person, oldest first.

        Args:
            user_id: Who.
            after: The offset of the last one that was read; empty: from the first on.
            most: Entries.
        """

    def ping(self) -> None:
        """Answer, if only that nothing is known."""

    def close(self) -> None:
        """Let go of file or connection."""
