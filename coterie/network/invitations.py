"""What becomes of invitations: who was asked to look at something and then did, as counts alone."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints
from coterie.data.vocab import Vocab
from coterie.network.people import Bools
from coterie.schema import AGAINST_KINDS, TARGET_KINDS, EventKind

LEAST_PEOPLE: Final = 5
"""People who were invited to a category, of fewer than whom it is not told by itself."""
OTHER: Final = "other"
"""All categories together that are not told by themselves."""
NO_CATEGORY: Final = "no category"
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class InvitationCounts:
    """What became of invitations, each person and item counted once, however often asked."""

    category: str
    """First part of the items' category."""
    people: int
    """Who was invited, each once."""
    invited: int
    """Pairs of a person and an item."""
    opened: int
    """Of these, where the person did anything with the item within the time that is given."""
    through: int
    """Of these, where they came by the link of who invited them (``referrer_user_id``)."""
    taken: int
    """Of ``invited``, where they bought, rated or reviewed it, or put it in the cart."""


@dataclass(frozen=True, slots=True)
class Invitations:
    """All invitations of a log whose time to be followed has passed."""

    days: float
    """For so long after it, what somebody does is of an invitation."""
    waiting: int
    """Pairs of a person and an item whose time has not passed: they are not counted yet."""
    had_it: int
    """Pairs where the person had taken the item before: they are not counted either."""
    whole: InvitationCounts
    categories: tuple[InvitationCounts, ...]
    """Those of most people first, ``OTHER`` last; none tells of fewer than ``LEAST_PEOPLE``."""

    def figures(self) -> dict[str, Any]:
        """Tell the counts as they stand in ``network.json``."""
        return asdict(self)


def count_invitations(tables: dict[str, pa.Table], days: float) -> Invitations | None:
    """Count what became of shares that name a person.

    Args:
        tables: Clean tables: ``events`` (those without times are passed over), ``items``, ``users``
            (nobody counts who may not be used, on either side).
        days: How long after an invitation what somebody does is of it.

    Returns:
        None where nobody was invited, or fewer than ``LEAST_PEOPLE`` people.
    """
    events = _usable(tables["events"], tables["users"])
    asked = events.filter(pc.is_valid(events["invited_user_id"]))
    if not len(asked):
        return None
    found = _Followed.of(events, asked, days)
    if len(np.unique(found.person[found.counts])) < LEAST_PEOPLE:
        return None
    names = _categories(tables["items"], found.items)
    told = found.told(names)
    return Invitations(
        days,
        int(found.waiting.sum()),
        int((found.had_it & ~found.waiting).sum()),
        found.counted("", found.counts),
        tuple(found.counted(name, of) for name, of in told),
    )


@dataclass(frozen=True, slots=True)
class _Followed:
    """n pairs of a person and an item that they were invited to, and what they did."""

    items: Vocab
    person: Ints
    """Shape (n,), as all that follows."""
    item: Ints
    waiting: Bools
    had_it: Bools
    opened: Bools
    through: Bools
    taken: Bools

    @property
    def counts(self) -> Bools:
        """Tell which pairs count: their time has passed, and they did not have the item."""
        return ~self.waiting & ~self.had_it

    @classmethod
    def of(cls, events: pa.Table, asked: pa.Table, days: float) -> "_Followed":
        """Find what invited people did, of all events (with times) and of those that invite."""
        people = Vocab.of(asked["invited_user_id"])
        items = Vocab.of(asked["item_id"])
        inviters = Vocab.of(asked["user_id"])
        times = _micros(asked)
        pair = people.rows(asked["invited_user_id"]) * len(items) + items.rows(asked["item_id"])
        keys, place = np.unique(pair, return_inverse=True)
        first = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(first, place, times)
        who, what = people.rows(events["user_id"]), items.rows(events["item_id"])
        key, at = who * len(items) + what, _micros(events)
        row = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        theirs = (who >= 0) & (what >= 0) & (keys[row] == key)
        row, at = row[theirs], at[theirs]
        kind = events["event"].filter(pa.array(theirs))
        passed = first + int(days * _DAY_US)
        within = (at >= first[row]) & (at <= passed[row]) & ~_is_in(kind, AGAINST_KINDS)
        takes = _is_in(kind, TARGET_KINDS)
        by = inviters.rows(events["referrer_user_id"].filter(pa.array(theirs)))
        named = place * len(inviters) + inviters.rows(asked["user_id"])
        came = within & (by >= 0) & np.isin(row * len(inviters) + by, named)

        def some(which: Bools) -> Bools:
            return np.bincount(row[which], minlength=len(keys)) > 0

        return cls(
            items,
            keys // len(items),
            keys % len(items),
            passed > _micros(events).max(),
            some(takes & (at < first[row])),
            some(within),
            some(came),
            some(within & takes),
        )

    def counted(self, category: str, which: Bools) -> InvitationCounts:
        """Count some of the pairs."""
        return InvitationCounts(
            category,
            len(np.unique(self.person[which])),
            int(which.sum()),
            int((self.opened & which).sum()),
            int((self.through & which).sum()),
            int((self.taken & which).sum()),
        )

    def told(self, names: list[str]) -> list[tuple[str, Bools]]:
        """Choose categories to tell of, and which pairs are theirs: the smallest ones go together
        until nothing tells of fewer than ``LEAST_PEOPLE``."""
        name = np.array(names, np.object_)[self.item]
        of = [(one, (name == one) & self.counts) for one in sorted(set(names))]
        size = {one: len(np.unique(self.person[which])) for one, which in of}
        kept = sorted((p for p in of if size[p[0]]), key=lambda pair: (-size[pair[0]], pair[0]))
        rest = np.zeros(len(self.person), np.bool_)
        while kept and (
            size[kept[-1][0]] < LEAST_PEOPLE or 0 < len(np.unique(self.person[rest])) < LEAST_PEOPLE
        ):
            rest |= kept.pop()[1]
        return [*kept, (OTHER, rest)] if rest.any() else kept


def _usable(events: pa.Table, users: pa.Table) -> pa.Table:
    """Keep events with times, of people who may be used, and no word of others who may not."""
    refused = users.filter(pc.invert(users["may_be_used"]))["user_id"].combine_chunks()
    fine = pc.and_(
        pc.is_valid(events["ts"]),
        pc.and_(
            pc.invert(pc.is_in(events["user_id"], value_set=refused)),
            pc.invert(pc.is_in(events["invited_user_id"], value_set=refused)),
        ),
    )
    return events.filter(fine)


def _categories(items: pa.Table, asked: Vocab) -> list[str]:
    """Name the first part of each asked item's category."""
    place = Vocab(items["item_id"].combine_chunks()).rows(asked.ids)
    known = items["category"].take(pa.array(place, mask=place < 0)).to_pylist()
    return [(one or "").split("/")[0].split(">")[0].strip() or NO_CATEGORY for one in known]


def _is_in(column: pa.ChunkedArray, kinds: frozenset[EventKind]) -> Bools:
    values = pa.array(sorted(kind.value for kind in kinds), column.type)
    return np.asarray(pc.is_in(column, value_set=values).to_numpy(), np.bool_)


def _micros(events: pa.Table) -> Ints:
    return np.asarray(events["ts"].cast(pa.int64()).to_numpy(), np.int64)
