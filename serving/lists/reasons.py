"""The reasons of a list, as they go over the wire."""

from collections.abc import Iterable

from coterie.reasons.reader import ToldReason
from coterie.recommend.recommender import ReasonKind
from serving.schemas import Reason

_DIGITS = 6


def as_reason(told: ToldReason) -> Reason:
    """Write a reason as an answer holds it."""
    return Reason(
        kind=told.kind,
        share=told.share,
        contribution=round(told.net, _DIGITS),
        text=told.text,
        item_id=told.item_id,
        item_ids=list(told.item_ids) if told.item_ids else None,
        category=told.category,
        num_items=told.num_items,
        friend=told.friend,
        num_friends=told.num_friends,
        likeness=dict(told.likeness) if told.likeness else None,
        likeness_text=told.likeness_text,
    )


def shares_by_kind(reasons: Iterable[Reason]) -> dict[ReasonKind, float]:
    """Add up the shares of each kind of reason."""
    totals = dict.fromkeys(ReasonKind, 0.0)
    for reason in reasons:
        totals[reason.kind] += reason.share
    return totals
