"""What it is to forget a person in a log: which entries go, and what stays of others'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from coterie.data.changes import Change, RowState, is_there, people_of
from coterie.data.suppressed import Suppressed
from coterie.schema import ERASED
from serving.events.event import Entry, Event


@dataclass(frozen=True, slots=True)
class ErasedEntries:
    """What a log had of a person, and has no more."""

    erased_ms: int
    """Since when they are forgotten, milliseconds since 1970."""
    again: bool
    """Whether they were forgotten before: then this may have found nothing."""
    events: int = 0
    """Events of theirs."""
    referrals: int = 0
    """Events of others that named them, as who referred or was invited; they stay without that
    name."""
    changes: int = 0
    """Changes of their ties, in both directions, and of their consents."""
    rows: int = 0
    """States of ties and consents."""


def spared(entry: Entry, gone: Suppressed) -> Entry | None:
    """Give what may be kept of an entry: nothing of who is forgotten, and no name of theirs."""
    if not gone:
        return entry
    if isinstance(entry, Change):
        return None if any(one in gone for one in people_of(entry)) else entry
    if entry.user_id in gone:
        return None
    referrer, invited = entry.referrer_user_id, entry.invited_user_id
    if referrer is not None and referrer in gone:
        entry = replace(entry, referrer_user_id=None)
    if invited is not None and invited in gone:
        entry = replace(entry, invited_user_id=None)
    return entry


def without(entry: Entry, user_id: str) -> Entry | None:
    """Give what stays of an entry when a person goes."""
    if isinstance(entry, Change):
        return None if user_id in people_of(entry) else entry
    if entry.user_id == user_id:
        return None
    if entry.referrer_user_id == user_id:
        entry = replace(entry, referrer_user_id=None)
    if entry.invited_user_id == user_id:
        entry = replace(entry, invited_user_id=None)
    return entry


class Marks:
    """Who is forgotten, as a log knows it, and what is said of them next."""

    def __init__(self) -> None:
        self._states: Mapping[str, RowState] = {}
        self.people = Suppressed()

    def adopt(self, states: Mapping[str, RowState]) -> None:
        """Take the states of all marks."""
        self._states, self.people = states, Suppressed.of(states)

    def erasing(self, user_id: str, now_ms: int) -> tuple[int, Change | None]:
        """Tell since when a person is forgotten, and make the change that says so; None: it was
        said before."""
        mark = self.people.mark_for(user_id)
        if is_there(self._states.get(mark, {})):
            return self._said_ms(mark), None
        change = self._say(mark, now_ms, True)
        return change.ts_ms, change

    def lifting(self, user_id: str, now_ms: int) -> list[Change]:
        """Make the changes by which a person may come back; none where they may already."""
        return [self._say(mark, now_ms, False) for mark in self.people.marks_of(user_id)]

    def _say(self, mark: str, now_ms: int, exists: bool) -> Change:
        # Later than what was said before, whatever the clock does: the last word holds.
        ts_ms = max(now_ms, self._said_ms(mark) + 1)
        return Change(f"{mark}@{ts_ms}", ERASED.name, (mark,), ts_ms, exists)

    def _said_ms(self, mark: str) -> int:
        return max((said[1] for said in self._states.get(mark, {}).values()), default=0)


def is_about(entry: Entry, user_id: str) -> bool:
    """Tell whether an entry is of a person: theirs, or one that names them."""
    if isinstance(entry, Event):
        return user_id in (entry.user_id, entry.referrer_user_id, entry.invited_user_id)
    return user_id in people_of(entry)


def count_gone(before: Sequence[Entry], user_id: str) -> tuple[int, int, int]:
    """Count events, referrals and changes among entries that are about a person."""
    events = [entry for entry in before if isinstance(entry, Event)]
    own = sum(event.user_id == user_id for event in events)
    return own, len(events) - own, len(before) - len(events)
