"""From exact parts of a score to a few reasons that a person can read; the sums stay exact."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from coterie.data.dataset import Ints
from coterie.recommend.content import ALIKE_IN
from coterie.recommend.recommender import Contributions, ReasonKind
from coterie.schema import AGAINST_KINDS, DID, DID_NOT_WANT, EVENT_KINDS
from serving.lists.reason_parts import FriendGroups, OwnParts
from serving.schemas import Reason

MOSTLY: Final = 0.5
"""Part of what an entry adds above which it is told that items are alike, and in what."""

NEW: Final = "New in the shop"
"""What lifts an item that nobody had yet."""

_DIGITS: Final = 6


class ItemNames(Protocol):
    """Titles and ids of items, by row."""

    def title(self, row: int) -> str:
        """Name the item of a row by its title."""

    def item_id(self, row: int) -> str:
        """Name the item of a row by its id."""

    def had(self, row: int) -> bool:
        """Tell whether anybody had the item of a row when the release was made."""


class ReasonReader:
    """The reasons of one shopper's list; what its items share is worked out once."""

    def __init__(
        self,
        parts: Contributions,
        names: Sequence[str | None],
        items: ItemNames,
        shown: Ints,
    ) -> None:
        """Choose what is told of a list's scores.

        Args:
            parts: Of the list.
            names: Of each friend, None where they may not be named; person 1 stands first.
            items: What the rows are called.
            shown: Rows of the listed items, shape (s,).
        """
        self._parts = parts
        self._names = names
        self._items = items
        self._shown = shown.tolist()
        self._whole = (np.abs(parts.contribution).sum(axis=0) + np.abs(parts.popular)).tolist()
        self._own = OwnParts.of(parts)
        self._groups = FriendGroups.of(parts, shown)

    def read(self, position: int) -> list[Reason]:
        """Name the reasons of the item at a position: those with an item first, by share."""
        reasons = [*self._own_reasons(position), *self._friend_reasons(position)]
        popular = float(self._parts.popular[position])
        if popular:
            new = popular > 0 and self._is_new(self._shown[position])
            text = NEW if new else "Popular with all shoppers"
            reasons.append(self._reason(ReasonKind.POPULAR, position, popular, abs(popular), text))
        return sorted(reasons, key=lambda reason: (reason.item_id is None, -reason.share))

    def _is_new(self, shown: int) -> bool:
        # Only where content counts are items that nobody had lifted among others.
        return bool(self._parts.alike) and not self._items.had(shown)

    def _own_reasons(self, position: int) -> Iterator[Reason]:
        for place in self._own.named[:, position].tolist():
            if place >= 0:
                yield self._own_did(int(self._own.entry[place]), position)
        rest = self._own.rest
        num = int(rest.count[position])
        if num:
            text = f"{_count(num, 'more item', 'more items')} in your history"
            net, gross = float(rest.net[position]), float(rest.gross[position])
            yield self._reason(ReasonKind.OWN, position, net, gross, text)

    def _own_did(self, entry: int, position: int) -> Reason:
        parts = self._parts
        item, added = int(parts.item_idx[entry]), float(parts.contribution[entry, position])
        did = _did(int(parts.kind[entry]), bool(parts.against[entry]))
        of_kind = {kind: float(part[entry, position]) for kind, part in parts.alike.items()}
        alike = _likeness(of_kind, abs(added))
        text = f"You {did.format(self._items.title(item))}{_in_what(alike)}"
        return self._reason(
            ReasonKind.OWN,
            position,
            added,
            abs(added),
            text,
            item_id=self._items.item_id(item),
            likeness=alike,
        )

    def _friend_reasons(self, position: int) -> Iterator[Reason]:
        groups = self._groups
        for group in groups.named[:, position].tolist():
            if group >= 0:
                yield self._friends_did(group, position)
        if groups.has_rest[position]:
            num = int(groups.rest.count[position])
            text = f"What else {_count(num, 'friend', 'friends')} did lately"
            net, gross = float(groups.rest.net[position]), float(groups.rest.gross[position])
            yield self._reason(ReasonKind.FRIEND, position, net, gross, text, num_friends=num)

    def _friends_did(self, group: int, position: int) -> Reason:
        groups, item = self._groups, int(self._groups.item[group])
        entries = groups.entries(group)
        if len(entries) > 1:
            column = self._parts.contribution[entries, position]
            entries = entries[np.argsort(-column, kind="stable")]
        people = self._parts.person[entries].tolist()
        named = (self._names[person - 1] for person in people)
        friend = next((name for name in named if name is not None), None)
        did = _did(int(groups.kind[group]), against=False)
        gross = float(groups.gross[group, position])
        of_kind = {kind: float(part[group, position]) for kind, part in groups.alike.items()}
        alike = _likeness(of_kind, gross)
        title = "this" if item == self._shown[position] else self._items.title(item)
        return self._reason(
            ReasonKind.FRIEND,
            position,
            float(groups.net[group, position]),
            gross,
            f"{_who(friend, len(people))} {did.format(title)}{_in_what(alike)}",
            item_id=self._items.item_id(item),
            friend=friend,
            num_friends=len(people),
            likeness=alike,
        )

    def _reason(
        self,
        kind: ReasonKind,
        position: int,
        net: float,
        gross: float,
        text: str,
        item_id: str | None = None,
        friend: str | None = None,
        num_friends: int | None = None,
        likeness: dict[str, float] | None = None,
    ) -> Reason:
        return Reason(
            kind=kind,
            share=round(gross / (self._whole[position] or 1.0), _DIGITS),
            contribution=round(net, _DIGITS),
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


def _likeness(of_kind: Mapping[str, float], gross: float) -> dict[str, float] | None:
    """Say in what items are alike where that is most of what entries add: shares of 1.

    Args:
        of_kind: What comes of being alike, by kind of content.
        gross: All that the entries add, without signs.
    """
    there = {ALIKE_IN[kind]: part for kind, part in of_kind.items() if part > 0}
    whole = sum(there.values())
    # What was turned down takes away: it is told as such, whatever it was alike in.
    if not there or whole <= MOSTLY * gross:
        return None
    return {name: round(part / whole, _DIGITS) for name, part in there.items()}


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
