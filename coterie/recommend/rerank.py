"""A shop's rules at work on one list: which items stand where, and what each rule did to a score.

A rule adds to a score, or takes from it, so a list is still in the order of its scores, and the
reasons of an item add up to its score with the rules among them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.recommend.columns import ItemColumns
from coterie.recommend.rules import Cap, Diversity, Freshness, Label, Lift, Pin, Rule, Selection

DEPTH: Final = 600
"""A shopper's best items that rules move; what is pinned is among them wherever it ranks."""
_UNIT_OF: Final = 100
"""Best scores whose standard deviation is the unit of rules."""
_DAY_MS: Final = 86_400_000

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]


class RuleEffect(StrEnum):
    """What a rule did to an item."""

    SPONSORED = "sponsored"
    CHOSEN = "chosen"
    BURIED = "buried"
    FRESH = "fresh"
    DIVERSE = "diverse"
    """Lost for being like what stands above it."""
    CAPPED = "capped"
    """Stands lower, since enough of its brand or category stand above."""
    EXPLORED = "explored"
    """New, and shown to learn whom it pleases."""
    RARE = "rare"
    """Rarely shown so far, and shown to learn the same."""


TO_LEARN: Final = (RuleEffect.EXPLORED, RuleEffect.RARE)
"""What brings an item to a place to learn of it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One shopper's candidates, n items, best first."""

    item_idx: Ints
    score: Doubles
    vectors: Doubles
    """Of length 1, shape (n, d): what is alike has products near 1."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """The list that rules leave, m items."""

    item_idx: Ints
    score: Doubles
    """With what rules did; never rising."""
    moves: Mapping[RuleEffect, Doubles]
    """What each cause did to the scores, each of shape (m,)."""
    sponsored: npt.NDArray[np.bool_]
    """Whether each stands where it is paid to, even where its own score had it, shape (m,)."""


@dataclass(frozen=True, slots=True)
class _CapOf:
    """A cap, and of each item what is counted."""

    rule: Cap
    codes: Codes
    missing: npt.NDArray[np.bool_]
    """Items that have no brand, or category: nothing is common to them."""


class CompiledRules:
    """The rules of one surface, over the items of one catalogue."""

    def __init__(
        self,
        pins: Mapping[int, tuple[int, RuleEffect]],
        lifts: Mapping[RuleEffect, Doubles],
        caps: Sequence[_CapOf],
        diversity: float,
        freshness: tuple[Freshness, Ints] | None,
    ):
        self._pins, self._lifts, self._caps = pins, lifts, caps
        self._diversity, self._freshness = diversity, freshness

    @classmethod
    def of(
        cls,
        rules: Sequence[Rule],
        columns: ItemColumns,
        rows: Callable[[Sequence[str]], Sequence[int]],
    ) -> Self:
        """Look up what rules name.

        Args:
            rules: Of one surface.
            columns: Of the catalogue.
            rows: Finds the rows of ids; -1 where the catalogue lacks one: then nothing is done.
        """
        pins: dict[int, tuple[int, RuleEffect]] = {}
        lifts: dict[RuleEffect, Doubles] = {}
        for rule in rules:
            if isinstance(rule, Pin):
                for place, row in enumerate(rows(rule.items), rule.position - 1):
                    if row >= 0:
                        pins[place] = row, _lifted_as(rule.label, 1.0)
            elif isinstance(rule, Lift):
                cause = _lifted_as(rule.label, rule.by)
                added = lifts.setdefault(cause, np.zeros(len(columns.price)))
                added[selected(rule.selection, columns, rows)] += rule.by
        caps = [
            _CapOf(rule, column.codes, column.missing())
            for rule in rules
            if isinstance(rule, Cap)
            for column in [columns.brand if rule.of == "brand" else columns.category]
        ]
        weight = sum(rule.weight for rule in rules if isinstance(rule, Diversity))
        fresh = next((rule for rule in rules if isinstance(rule, Freshness)), None)
        return cls(pins, lifts, caps, weight, (fresh, columns.entered_ms) if fresh else None)

    @property
    def pinned(self) -> Ints:
        """Rows of the pinned items."""
        return np.array([row for row, _ in self._pins.values()], np.int64)

    def rerank(self, pool: Pool, num: int, now_ms: int) -> Reranked:
        """Make a list of up to ``num`` items; a shorter one is the beginning of a longer one."""
        unit = max(float(pool.score[:_UNIT_OF].std()), 1e-9) if len(pool.score) else 1.0
        moves = {cause: unit * added[pool.item_idx] for cause, added in self._lifts.items()}
        if self._freshness is not None:
            moves[RuleEffect.FRESH] = unit * self._gained_by_age(pool.item_idx, now_ms)
        value = pool.score + sum(moves.values(), np.zeros(len(pool.score)))
        order, pinned_as, lost = self._greedy(pool, value, unit, num)
        value = value[order] - lost
        moves = {cause: added[order] for cause, added in moves.items()}
        if self._diversity:
            moves[RuleEffect.DIVERSE] = -lost
        score = _descending(value, np.array([cause is not None for cause in pinned_as], np.bool_))
        for cause in (RuleEffect.SPONSORED, RuleEffect.CHOSEN, RuleEffect.CAPPED):
            of_cause = np.array([(c or RuleEffect.CAPPED) is cause for c in pinned_as], np.bool_)
            moved = np.where(of_cause, score - value, 0.0)
            if moved.any():
                moves[cause] = moves.get(cause, np.zeros(len(order))) + moved
        sponsored = np.array([cause is RuleEffect.SPONSORED for cause in pinned_as], np.bool_)
        return Reranked(pool.item_idx[order], score, moves, sponsored)

    def _gained_by_age(self, rows: Ints, now_ms: int) -> Doubles:
        assert self._freshness is not None
        rule, entered_ms = self._freshness
        entered = entered_ms[rows]
        days = np.maximum(now_ms - entered, 0) / _DAY_MS
        return np.where(entered < 0, 0.0, rule.by * 0.5 ** (days / rule.days))

    def _greedy(
        self, pool: Pool, value: Doubles, unit: float, num: int
    ) -> tuple[Ints, list[RuleEffect | None], Doubles]:
        """Choose position by position.

        Returns:
            Places in the pool, as what each was pinned (None: it was not), and what each lost for
            being like those above.
        """
        free, alike = np.ones(len(value), np.bool_), np.zeros(len(value))
        place_of = {int(row): place for place, row in enumerate(pool.item_idx.tolist())}
        counts = [np.zeros(int(cap.codes.max(initial=0)) + 1, np.int64) for cap in self._caps]
        order: list[int] = []
        pinned_as: list[RuleEffect | None] = []
        lost: list[float] = []
        for position in range(min(num, len(value))):
            for cap, count in zip(self._caps, counts, strict=True):
                if position % cap.rule.within == 0:
                    count[:] = 0
            row, cause = self._pins.get(position, (-1, None))
            place = place_of.get(row, -1)
            if place < 0 or not free[place]:
                now = value - self._diversity * unit * alike if self._diversity else value
                place, cause = self._best(now, free, pool.item_idx, counts), None
            free[place] = False
            order.append(place)
            pinned_as.append(cause)
            lost.append(self._diversity * unit * float(alike[place]))
            for cap, count in zip(self._caps, counts, strict=True):
                count[cap.codes[pool.item_idx[place]]] += 1
            if self._diversity:
                alike = np.maximum(alike, pool.vectors @ pool.vectors[place])
        return np.array(order, np.int64), pinned_as, np.array(lost, np.float64)

    def _best(
        self, value: Doubles, free: npt.NDArray[np.bool_], rows: Ints, counts: list[Ints]
    ) -> int:
        """Find the best place that no cap bars; where caps bar all of them, the best of all."""
        open_ = free
        for cap, count in zip(self._caps, counts, strict=True):
            below = count[cap.codes[rows]] < cap.rule.number
            open_ = open_ & (below | cap.missing[rows])
        if not open_.any():
            open_ = free
        return int(np.where(open_, value, -np.inf).argmax())


def _descending(value: Doubles, pinned: npt.NDArray[np.bool_]) -> Doubles:
    """Bring values into an order that never rises: what is pinned is raised to what follows it,
    everything else lowered to what stands above it."""
    score = value.copy()
    score[~pinned] = np.minimum.accumulate(value[~pinned])
    below = -np.inf
    for place in range(len(score) - 1, -1, -1):
        if pinned[place]:
            score[place] = max(score[place], below)
        below = score[place] if np.isfinite(score[place]) else below
    return np.minimum.accumulate(score)


def _lifted_as(label: Label, by: float) -> RuleEffect:
    if by < 0:
        return RuleEffect.BURIED
    return RuleEffect.SPONSORED if label is Label.SPONSORED else RuleEffect.CHOSEN


def selected(
    chosen: Selection, columns: ItemColumns, rows: Callable[[Sequence[str]], Sequence[int]]
) -> npt.NDArray[np.bool_]:
    """Mask the items that a rule names, shape (items,)."""
    found = columns.category.below(chosen.categories) | columns.brand.among(chosen.brands)
    found[[row for row in rows(chosen.items) if row >= 0]] = True
    return found
