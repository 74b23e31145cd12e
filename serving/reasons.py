"""From exact parts of a score to a few reasons that a person can read; the sums stay exact."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coterie.recommend.recommender import Reason as Part
from coterie.recommend.recommender import ReasonKind
from coterie.schema import EVENT_KINDS, EventKind
from serving.messages import Reason

MAX_OWN: Final = 3
"""Own items named in an item's reasons; the others are added up in one more."""
MAX_FRIENDS_ITEMS: Final = 3

DID: Final = {
    EventKind.VIEW: "viewed",
    EventKind.CLICK: "looked at",
    EventKind.SHARE: "shared",
    EventKind.CART: "put in the cart",
    EventKind.REVIEW: "reviewed",
    EventKind.RATING: "rated",
    EventKind.PURCHASE: "bought",
}


@dataclass(frozen=True, slots=True)
class Circle:
    """What the reasons' texts need to know of the shopper and their friends."""

    kinds: Mapping[tuple[int, int], int]
    """Place in ``schema.EVENT_KINDS`` by (person, item row); person -1 is the shopper."""
    names: Sequence[str | None]
    """Of each friend, None where they may not be named; friend 1 stands first."""
    title: Callable[[int], str]
    item_id: Callable[[int], str]


def read_reasons(parts: Iterable[Part], shown: int, circle: Circle) -> list[Reason]:
    """The reasons of one shown item, largest share first.

    Args:
        parts: All parts of its score.
        shown: Its row.
        circle: Whose history the parts are from.
    """
    own, friends, popular = (
        [part for part in parts_ if part.kind is kind]
        for parts_ in [list(parts)]
        for kind in (ReasonKind.OWN, ReasonKind.FRIEND, ReasonKind.POPULAR)
    )
    reasons = [
        *_own_reasons(own, circle),
        *_friend_reasons(friends, shown, circle),
        *(_reason(ReasonKind.POPULAR, [part], "Popular with all shoppers") for part in popular),
    ]
    return sorted(reasons, key=lambda reason: -reason.share)


def shares_by_kind(reasons: Iterable[Reason]) -> dict[ReasonKind, float]:
    """Sum of the shares of each kind."""
    totals = dict.fromkeys(ReasonKind, 0.0)
    for reason in reasons:
        totals[reason.kind] += reason.share
    return totals


def _own_reasons(parts: Sequence[Part], circle: Circle) -> list[Reason]:
    ranked = sorted(parts, key=lambda part: -part.contribution)
    named = [part for part in ranked[:MAX_OWN] if part.contribution > 0]
    reasons = [
        _reason(
            ReasonKind.OWN,
            [part],
            f"You {_did(circle, -1, part.item_idx)} {circle.title(part.item_idx)}",
            item_id=circle.item_id(part.item_idx),
        )
        for part in named
    ]
    rest = ranked[len(named) :]
    if rest:
        text = f"{_count(len(rest), 'more item', 'more items')} in your history"
        reasons.append(_reason(ReasonKind.OWN, rest, text))
    return reasons


def _friend_reasons(parts: Sequence[Part], shown: int, circle: Circle) -> list[Reason]:
    groups: dict[tuple[int, str], list[Part]] = {}
    for part in parts:
        did = _did(circle, part.person, part.item_idx)
        groups.setdefault((part.item_idx, did), []).append(part)
    # Friends who had this very item say most to a person, whatever their share.
    ranked = sorted(groups.items(), key=lambda group: (group[0][0] != shown, -_sum(group[1])))
    named = [group for group in ranked[:MAX_FRIENDS_ITEMS] if _sum(group[1]) > 0]
    reasons = [_friends_did(item, did, group, shown, circle) for (item, did), group in named]
    rest = [part for key, group in ranked if (key, group) not in named for part in group]
    if rest:
        num = len({part.person for part in rest})
        text = f"What else {_count(num, 'friend', 'friends')} did lately"
        reasons.append(_reason(ReasonKind.FRIEND, rest, text, num_friends=num))
    return reasons


def _friends_did(item: int, did: str, parts: Sequence[Part], shown: int, circle: Circle) -> Reason:
    ranked = sorted(parts, key=lambda part: -part.contribution)
    people = list(dict.fromkeys(part.person for part in ranked))
    friend = next((circle.names[p - 1] for p in people if circle.names[p - 1] is not None), None)
    what = "this" if item == shown else circle.title(item)
    return _reason(
        ReasonKind.FRIEND,
        parts,
        f"{_who(friend, len(people))} {did} {what}",
        item_id=circle.item_id(item),
        friend=friend,
        num_friends=len(people),
    )


def _who(friend: str | None, num: int) -> str:
    if friend is None:
        return "A friend" if num == 1 else f"{num} friends"
    if num == 1:
        return friend
    return f"{friend} and {_count(num - 1, 'more friend', 'more friends')}"


def _reason(
    kind: ReasonKind,
    parts: Sequence[Part],
    text: str,
    item_id: str | None = None,
    friend: str | None = None,
    num_friends: int | None = None,
) -> Reason:
    return Reason(
        kind=kind,
        share=sum(part.share for part in parts),
        contribution=_sum(parts),
        text=text,
        item_id=item_id,
        friend=friend,
        num_friends=num_friends,
    )


def _did(circle: Circle, person: int, item: int) -> str:
    return DID[EVENT_KINDS[circle.kinds[person, item]]]


def _sum(parts: Iterable[Part]) -> float:
    return sum(part.contribution for part in parts)


def _count(num: int, one: str, many: str) -> str:
    return f"{num} {one if num == 1 else many}"
