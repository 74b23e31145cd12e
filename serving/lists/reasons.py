"""From exact parts of a score to a few reasons that a person can read; the sums stay exact."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.recommend.content import ALIKE_IN
from coterie.recommend.recommender import Contributions, ReasonKind
from coterie.schema import AGAINST_KINDS, DID, DID_NOT_WANT, EVENT_KINDS
from serving.schemas import Reason

MAX_OWN: Final = 3
"""Own items named in an item's reasons; the others are added up in one more."""
MAX_OWN_AGAINST: Final = 1
"""Own items named that were turned down and speak against an item."""
MAX_FRIENDS_ITEMS: Final = 3
"""The same for what friends did."""

MOSTLY: Final = 0.5
"""Part of what an entry adds above which it is told that items are alike, and in what."""

NEW: Final = "New in the shop"
"""What lifts an item that nobody had yet."""

_DIGITS: Final = 6

Sums = npt.NDArray[np.float64]


class ItemNames(Protocol):
    """Titles and ids of items, by row."""

    def title(self, row: int) -> str:
        """Name the item of a row by its title."""

    def item_id(self, row: int) -> str:
        """Name the item of a row by its id."""

    def had(self, row: int) -> bool:
        """Tell whether anybody had the item of a row when the release was made."""


@dataclass(frozen=True, slots=True)
class _Groups:
    """What g groups of friends did: each, the same with the same item, which they all wanted or
    all did not."""

    item: Ints
    """Shape (g,)."""
    kind: Ints
    """Shape (g,): an index in ``schema.EVENT_KINDS``."""
    against: npt.NDArray[np.bool_]
    """Shape (g,): whether they turned it down."""
    entry: Ints
    """Rows of the parts, shape (n,), group by group; one a friend in each group."""
    offsets: Ints
    """Shape (g + 1,)."""
    net: Sums
    """What each group adds to each listed item, shape (g, s)."""

    @classmethod
    def of(cls, parts: Contributions) -> "_Groups":
        """Group friends' entries by item, kind, and whether they wanted it."""
        entries = np.flatnonzero(parts.person >= 0)
        did = parts.item_idx[entries] * len(EVENT_KINDS) + parts.kind[entries]
        keys = 2 * did + parts.against[entries]
        order = np.argsort(keys, kind="stable")
        found, starts = np.unique(keys[order], return_index=True)
        entry = entries[order]
        item, kind = np.divmod(found // 2, len(EVENT_KINDS))
        net = np.zeros((0, parts.contribution.shape[1]))
        if len(entry):
            net = np.add.reduceat(parts.contribution[entry], starts, axis=0)
        return cls(item, kind, found % 2 == 1, entry, np.append(starts, len(entry)), net)

    def entries(self, group: int) -> Ints:
        """Find the rows of the parts that are one group's."""
        return self.entry[self.offsets[group] : self.offsets[group + 1]]


class ReasonReader:
    """The reasons of one shopper's list; what its items share is worked out once."""

    def __init__(self, parts: Contributions, names: Sequence[str | None], items: ItemNames) -> None:
        """Group the parts of a list's scores.

        Args:
            parts: Of the list.
            names: Of each friend, None where they may not be named; person 1 stands first.
            items: What the rows are called.
        """
        self._parts = parts
        self._names = names
        self._items = items
        self._whole = np.abs(parts.contribution).sum(axis=0) + np.abs(parts.popular)
        self._own = np.flatnonzero(parts.person < 0)
        self._groups = _Groups.of(parts)

    def read(self, position: int, shown: int) -> list[Reason]:
        """Name the reasons of the item at a position: those with an item first, by share."""
        reasons = [*self._own_reasons(position), *self._friend_reasons(position, shown)]
        popular = self._parts.popular[position : position + 1]
        if popular[0]:
            text = NEW if self._is_new(shown) and popular[0] > 0 else "Popular with all shoppers"
            reasons.append(self._reason(ReasonKind.POPULAR, position, popular, text))
        return sorted(reasons, key=lambda reason: (reason.item_id is None, -reason.share))

    def _is_new(self, shown: int) -> bool:
        # Only where content counts are items that nobody had lifted among others.
        return bool(self._parts.alike) and not self._items.had(shown)

    def _own_reasons(self, position: int) -> list[Reason]:
        column = self._parts.contribution[self._own, position]
        against = self._parts.against[self._own]
        speaks = np.where(against, -column, column) > 0
        order = np.argsort(-np.where(speaks, np.abs(column), -np.inf), kind="stable")
        # What was turned down is no reason for anything, even where it adds to the score.
        named = np.concatenate(
            [
                order[~against[order] & speaks[order]][:MAX_OWN],
                order[against[order] & speaks[order]][:MAX_OWN_AGAINST],
            ]
        )
        reasons = []
        for entry in named:
            item, did = self._entry(self._own[entry])
            alike = self._likeness(self._own[[entry]], position)
            reasons.append(
                self._reason(
                    ReasonKind.OWN,
                    position,
                    column[[entry]],
                    f"You {did.format(self._items.title(item))}{_in_what(alike)}",
                    item_id=self._items.item_id(item),
                    likeness=alike,
                )
            )
        rest = np.setdiff1d(np.arange(len(column)), named)
        if len(rest):
            text = f"{_count(len(rest), 'more item', 'more items')} in your history"
            reasons.append(self._reason(ReasonKind.OWN, position, column[rest], text))
        return reasons

    def _friend_reasons(self, position: int, shown: int) -> list[Reason]:
        speaks = ~self._groups.against
        net = np.where(speaks, self._groups.net[:, position], 0.0)
        same = speaks & (self._groups.item == shown)
        # Friends who had this very item say most to a person, whatever their share.
        first = np.lexsort((-net, ~same))[:MAX_FRIENDS_ITEMS]
        named = first[net[first] > 0]
        reasons = [self._friends_did(group, position, shown) for group in named.tolist()]
        others = np.ones(len(self._groups.entry), dtype=np.bool_)
        for group in named.tolist():
            others[self._groups.offsets[group] : self._groups.offsets[group + 1]] = False
        rest = self._groups.entry[others]
        if len(rest):
            num = int(np.count_nonzero(np.bincount(self._parts.person[rest])))
            text = f"What else {_count(num, 'friend', 'friends')} did lately"
            column = self._parts.contribution[rest, position]
            reasons.append(self._reason(ReasonKind.FRIEND, position, column, text, num_friends=num))
        return reasons

    def _friends_did(self, group: int, position: int, shown: int) -> Reason:
        entries, item = self._groups.entries(group), int(self._groups.item[group])
        column = self._parts.contribution[entries, position]
        people = self._parts.person[entries[np.argsort(-column, kind="stable")]].tolist()
        named = (self._names[person - 1] for person in people)
        friend = next((name for name in named if name is not None), None)
        did = _did(int(self._groups.kind[group]), against=False)
        alike = self._likeness(entries, position)
        text = f"{_who(friend, len(people))} {did.format(self._title(item, shown))}"
        return self._reason(
            ReasonKind.FRIEND,
            position,
            column,
            f"{text}{_in_what(alike)}",
            item_id=self._items.item_id(item),
            friend=friend,
            num_friends=len(people),
            likeness=alike,
        )

    def _likeness(self, entries: Ints, position: int) -> dict[str, float] | None:
        """Say in what items are alike where that is most of what entries add: shares of 1."""
        if not self._parts.alike:
            return None
        of_kind = {
            ALIKE_IN[kind]: float(parts[entries, position].sum())
            for kind, parts in self._parts.alike.items()
        }
        there = {name: part for name, part in of_kind.items() if part > 0}
        whole = sum(there.values())
        # What was turned down takes away: it is told as such, whatever it was alike in.
        if whole <= MOSTLY * float(np.abs(self._parts.contribution[entries, position]).sum()):
            return None
        return {name: round(part / whole, _DIGITS) for name, part in there.items()}

    def _title(self, item: int, shown: int) -> str:
        return "this" if item == shown else self._items.title(item)

    def _entry(self, entry: int) -> tuple[int, str]:
        did = _did(int(self._parts.kind[entry]), bool(self._parts.against[entry]))
        return int(self._parts.item_idx[entry]), did

    def _reason(
        self,
        kind: ReasonKind,
        position: int,
        parts: Sums,
        text: str,
        item_id: str | None = None,
        friend: str | None = None,
        num_friends: int | None = None,
        likeness: dict[str, float] | None = None,
    ) -> Reason:
        share = float(np.abs(parts).sum() / (self._whole[position] or 1.0))
        # Numbers are ours: no need to check them again, and there are many.
        return Reason.model_construct(
            kind=kind,
            share=round(share, _DIGITS),
            contribution=round(float(parts.sum()), _DIGITS),
            text=text,
            item_id=item_id,
            friend=friend,
            num_friends=num_friends,
            likeness=likeness,
        )


def shares_by_kind(reasons: Iterable[Reason]) -> dict[ReasonKind, float]:
    """Add up the shares of each kind of reason."""
    totals = dict.fromkeys(ReasonKind, 0.0)
    for reason in reasons:
        totals[reason.kind] += reason.share
    return totals


def _did(code: int, against: bool) -> str:
    kind = EVENT_KINDS[code]
    says_so = not against or kind in AGAINST_KINDS
    return DID[kind] if says_so else DID_NOT_WANT.format(DID[kind])


def _who(friend: str | None, num: int) -> str:
    if friend is None:
        return "A friend" if num == 1 else f"{num} friends"
    if num == 1:
        return friend
    return f"{friend} and {_count(num - 1, 'more friend', 'more friends')}"


def _in_what(likeness: dict[str, float] | None) -> str:
    """Go on with what items are alike in: kinds of a percent and more, the largest first."""
    if not likeness:
        return ""
    percents = {name: round(100 * share) for name, share in likeness.items()}
    order = sorted((name for name in percents if percents[name]), key=lambda n: -percents[n])
    if len(order) == 1:
        return f", and this is like it in {order[0]}"
    told = ", ".join(f"in {name} {percents[name]} %" for name in order)
    return f", and this is like it: {told}"


def _count(num: int, one: str, many: str) -> str:
    return f"{num} {one if num == 1 else many}"
