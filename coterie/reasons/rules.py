"""What rules of the shop did to an item, told as what it is, beside the reasons of its score."""

from collections.abc import Mapping, Sequence
from typing import Final

from coterie.languages.texts import Texts
from coterie.reasons import sentences
from coterie.reasons.rounding import in_steps, in_units, step_of
from coterie.reasons.told import ReasonAbout, ToldReason
from coterie.recommend.recommender import ReasonKind
from coterie.recommend.rerank import RuleEffect

_DIGITS: Final = 6


def with_rules(
    reasons: Sequence[ToldReason],
    moves: Mapping[RuleEffect, float],
    texts: Texts,
    coarse_score: float | None = None,
) -> list[ToldReason]:
    """Put what rules did in front of an item's reasons, and share the score out anew.

    However little it is, it is told: nobody may take what is paid for for a friend's taste.

    Args:
        reasons: Of the item's own score.
        moves: What each cause added to it, of those that are to be told.
        texts: The language to tell it in.
        coarse_score: What all adds up to, where numbers are rounded; None: they are exact.
    """
    told = [
        ToldReason(
            ReasonAbout(_kind(cause), texts.say(sentences.BY_RULE[cause])), added, abs(added)
        )
        for cause, added in moves.items()
    ]
    if not told:
        return [*reasons]
    told.sort(key=lambda one: (one.kind is not ReasonKind.SPONSORED, -one.gross))
    whole = [*told, *reasons]
    gross = [one.gross for one in whole]
    for reason, share in zip(
        whole, in_units(gross, _DIGITS if coarse_score is None else 2), strict=True
    ):
        reason.share = share
    if coarse_score is not None:
        added = in_steps([one.net for one in whole], coarse_score, step_of(sum(gross)))
        for reason, net in zip(whole, added, strict=True):
            reason.net = net
    return whole


def _kind(cause: RuleEffect) -> ReasonKind:
    return ReasonKind.SPONSORED if cause is RuleEffect.SPONSORED else ReasonKind.SHOP
