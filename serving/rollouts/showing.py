"""What is counted, and kept, of a list that goes to its shopper."""

import hashlib
import time
from dataclasses import dataclass
from typing import Final

from coterie.impressions.table import ShownList
from coterie.recommend.recommender import ReasonKind
from serving.ingestion.impression_writer import ImpressionWriter
from serving.lists.reasons import shares_by_kind
from serving.rollouts.attribution import Impressions, new_list_id
from serving.rollouts.experiment_arms import IN_NONE, Assigned
from serving.rollouts.list_request import ListRequest
from serving.rollouts.loaded_release import LoadedRelease
from serving.schemas import ListedItem, RecommendationList
from serving.telemetry.arm_metrics import ArmName
from serving.telemetry.metrics import ServingMetrics

_SHORT: Final = 12
"""Digits of the digest of rules that impressions tell."""


@dataclass(frozen=True, slots=True)
class ServedList:
    """A list that goes to its shopper, and how it came about."""

    answer: RecommendationList
    seconds: float
    arm: ArmName | None
    """Of a rollout; None: an experiment's release made it, which no rollout counts."""
    assigned: Assigned = IN_NONE
    shielded: bool = False
    """Whether the release of its experiment could not make it."""
    teams: tuple[str, ...] = ()
    """Of each item, the arm that put it there; empty: the list is of one arm."""
    credits: tuple[float, ...] = ()
    """Of each item, what a click on it says of these arms."""


class ListDelivery:
    """Gives lists their ids, and counts what they show; of one replica."""

    def __init__(
        self,
        impressions: Impressions,
        metrics: ServingMetrics,
        writer: ImpressionWriter | None,
    ) -> None:
        """Begin without any.

        Args:
            impressions: Where lists wait for clicks.
            metrics: Where it is counted.
            writer: Keeps what was shown; nothing is kept if None.
        """
        self._impressions, self._metrics, self._writer = impressions, metrics, writer

    def show(self, shown: ServedList, by: LoadedRelease, asked: ListRequest) -> RecommendationList:
        """Give a list that goes to its shopper an id, and count what it shows."""
        now, answer = time.time(), shown.answer
        digest = by.ref.digest
        if shown.arm is not None:
            self._impressions.note(shown.arm, now)
        else:
            # Else clicks on it would count for a rollout whose arm has that release as well.
            digest = hashlib.blake2b(f"experiment/{digest}".encode()).hexdigest()
        answer.list_id = new_list_id(digest, now)
        self._count(answer, by, asked, now)
        self._keep(shown, asked, now)
        return answer

    def _count(
        self, answer: RecommendationList, by: LoadedRelease, asked: ListRequest, now: float
    ) -> None:
        reasons = [r for item in answer.items for r in item.reasons or ()]
        if reasons and asked.known.has_friends:
            self._metrics.lists.befriended.inc()
        self._metrics.lists.count_list(answer.source, len(answer.items), shares_by_kind(reasons))
        rows = by.maker.catalogue.rows([item.item.item_id for item in answer.items])
        asked.wanted.explorer.note_shown(one.item.item_id for one in answer.items)
        self._metrics.lists.explored.inc(sum(one.explored is True for one in answer.items))
        # What is newer than the release counts in neither: nobody could have had it. Nor does what
        # another release put into the list.
        rows = [row for row in rows if 0 <= row < len(by.bits)]
        self._metrics.lists.novelty.inc(float(by.bits[rows].sum()))
        self._metrics.lists.coverage.set(by.coverage.note(rows))
        tenth = by.checks.tenth(answer) if asked.wanted.plain else None
        if tenth is not None:
            self._metrics.lists.count_best_score(tenth)
        if asked.known.row.recent.ts_ms:
            age = now - max(asked.known.row.recent.ts_ms) / 1000
            self._metrics.lists.feature_age.observe(max(age, 0.0))

    def _keep(self, shown: ServedList, asked: ListRequest, now: float) -> None:
        """Put what a list shows where it is written from, if it is to be kept."""
        answer, assigned = shown.answer, shown.assigned
        if assigned.experiments:
            self._metrics.experiments.lists.inc()
        if self._writer is None or not answer.items:
            return
        if not assigned.experiments and not self._writer.keeps(answer.user_id):
            return
        rules = asked.wanted.rules
        named = assigned.rules_name or (rules.digest[:_SHORT] if rules else "")
        chances = answer.propensities()
        # The lot is drawn before the first place; what stands there tells of it, and the rest
        # follows.
        chances[0] *= assigned.chance
        self._writer.note(
            ShownList(
                list_id=answer.list_id,
                user_id=answer.user_id,
                shown_ts_ms=int(now * 1000),
                surface=asked.wanted.surface,
                release=answer.release,
                rules=named,
                experiment=assigned.experiments,
                arm=assigned.arms,
                item_ids=tuple(item.item.item_id for item in answer.items),
                propensities=tuple(chances),
                first_position=answer.items[0].rank - 1,
                made_ms=round(shown.seconds * 1000, 3),
                shielded=shown.shielded,
                teams=shown.teams,
                credits=shown.credits,
                by_friends=tuple(_by_friends(item) for item in answer.items),
            )
        )


def _by_friends(item: ListedItem) -> float | None:
    """Tell which share of an item's score friends brought, as far as its reasons say so."""
    if item.reasons is None:
        return None
    # To the hundredth, which takes a byte in a file instead of eight.
    return round(shares_by_kind(item.reasons)[ReasonKind.FRIEND], 2)
