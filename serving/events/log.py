"""Where events and changes are kept until features know of them and pipelines can read them.

One protocol, two logs: a SQLite file on one machine, a Redis stream on a cluster. A URL chooses.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from coterie.data.locks import WAIT_S

if TYPE_CHECKING:  # the consumer opens a log before it loads what takes seconds
    from coterie.data.changes import Change, RowState
    from serving.events.event import Entry, Event


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Entries of a log, oldest first, and where it keeps each."""

    offsets: tuple[str, ...] = ()
    """Where the log has each, as texts that sort in its order."""
    entries: tuple["Entry", ...] = ()
    log: str = ""
    """Which log it is: random, made with it."""

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
class ChangedRows:
    """Rows of items and users that changed after some version of them all."""

    version: int
    """Up to which these are."""
    items: Mapping[str, "RowState"]
    users: Mapping[str, "RowState"]


class LiveRows(Protocol):
    """What changes made of ties, items and people: of each row the state after all of them.

    Every method may raise UnavailableError.
    """

    def version(self) -> int:
        """Read the version of all rows: it grows with every change that is kept."""

    def since(self, version: int) -> ChangedRows:
        """Read the items and users that changed after a version; 0: all that ever changed."""

    def ties_of(self, user_id: str) -> Mapping[tuple[str, str], "RowState"]:
        """Read the changed ties of a follower, by followee and kind."""

    def turned_to(self, user_id: str, others: Sequence[str]) -> frozenset[str]:
        """Find those of some people whose own tie to a person changed, one way: made or ended."""

    def close(self) -> None:
        """Let go of file or connection."""


class EventLog(Protocol):
    """A durable log: an entry is in it once, and known to be pushed and exported, or not.

    A change is in effect for every reader of ``LiveRows`` as soon as it is in the log: both are one
    transaction. Events are pushed to features after.

    Every method may raise UnavailableError: the log does not answer, or refuses.
    """

    def append(self, entries: Sequence["Entry"]) -> list[bool]:
        """Add all events or none, and all changes or none.

        Returns:
            Of each entry, whether it is new; an id that is known stays as it was.

        Raises:
            UnavailableError: They may not have been kept: send them again, which adds none twice.
        """

    def lock(self, name: str, wait_s: float = WAIT_S) -> AbstractContextManager[int]:
        """Hold the lock of a name among all processes, for ``LOCK_TTL_S`` seconds at most.

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

    def ping(self) -> None:
        """Answer, if only that nothing is known."""

    def close(self) -> None:
        """Let go of file or connection."""
