"""One shopper's list with what the shop's rules did to it, and rules ready for a catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.recommend.columns import ItemColumns
from coterie.recommend.recommender import Lists
from coterie.recommend.rerank import TO_LEARN, CompiledRules, Doubles, Reranked, RuleEffect
from coterie.recommend.rules import ListRules
from serving.lists.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class RankedList:
    """One shopper's list, before words are found for it."""

    lists: Lists
    moves: Mapping[RuleEffect, Doubles]
    """What each cause did to the scores, each as long as the list."""
    sponsored: npt.NDArray[np.bool_]
    """See ``Reranked``."""
    best: float | None
    """The best score that the release gave, whatever rules did then; None: there is no item."""

    @classmethod
    def plain(cls, lists: Lists) -> Self:
        """Take a list that no rule touched."""
        return cls(lists, {}, np.zeros(lists.item_idx.shape[1], np.bool_), _best(lists))

    @classmethod
    def by_rules(cls, made: Reranked, pool: Lists) -> Self:
        """Take a list that rules made of a pool."""
        score = made.score[None].astype(np.float32)
        lists = Lists(made.item_idx[None], score, pool.source)
        return cls(lists, made.moves, made.sponsored, _best(pool))

    def take(self, places: Ints) -> Self:
        """Keep the items at some places."""
        lists = self.lists
        kept = Lists(lists.item_idx[:, places], lists.score[:, places], lists.source)
        moves = {cause: moved[places] for cause, moved in self.moves.items()}
        return type(self)(kept, moves, self.sponsored[places], self.best)

    def cut(self, k: int) -> tuple[Self, bool]:
        """Keep the first k items, and tell whether there are more."""
        num = self.lists.item_idx.shape[1]
        return self.take(np.arange(min(k, num))), num > k

    def exploring(
        self, row: int, own: float, place: int, effect: RuleEffect = RuleEffect.EXPLORED
    ) -> Self:
        """Show an item at a place where its own score would not bring it.

        Its score becomes that of what follows it, so a list stays in the order of its scores; what
        that added is told as what it is. Nothing is done to a list that is too short, or has the
        item there or above.

        Args:
            row: Of the item.
            own: Its score.
            place: Where it is shown, from 0.
            effect: What that is called: new, or rarely shown.
        """
        rows, scores = self.lists.item_idx[0], self.lists.score[0]
        at = np.flatnonzero(rows == row)
        if len(rows) <= place or (len(at) and at[0] <= place):
            return self
        others = np.delete(np.arange(len(rows)), at)
        base = float(scores[at[0]]) if len(at) else own
        score = max(base, float(scores[place]))
        if place:
            score = min(score, float(scores[place - 1]))
        moves = {
            cause: np.insert(moved[others], place, moved[at[0]] if len(at) else 0.0)
            for cause, moved in self.moves.items()
        }
        moves[effect] = np.zeros(len(others) + 1)
        moves[effect][place] = score - base
        lists = Lists(
            np.insert(rows[others], place, row)[None],
            np.insert(scores[others], place, score)[None],
            self.lists.source,
        )
        paid = self.sponsored[at[0]] if len(at) else False
        sponsored = np.insert(self.sponsored[others], place, paid)
        return type(self)(lists, moves, sponsored, self.best)

    @property
    def all_explored(self) -> list[int]:
        """Find the positions of items that are there to be explored."""
        moved = [self.moves[one] for one in TO_LEARN if one in self.moves]
        return np.flatnonzero(np.any(moved, axis=0)).tolist() if moved else []

    def moves_at(self, position: int) -> dict[RuleEffect, float]:
        """Say what rules did to the item at a position; of what is paid for also where that was
        nothing."""
        moved = {cause: float(of[position]) for cause, of in self.moves.items() if of[position]}
        return {RuleEffect.SPONSORED: 0.0, **moved} if self.sponsored[position] else moved


_COMPILED: Final = 32
"""Rules of a surface that are kept compiled: the shop's own, and those of experiments."""


class CompiledCache:
    """The rules of each surface, compiled once for a catalogue as it is at the moment."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[ListRules, ItemColumns, CompiledRules | None]] = {}

    def of(self, rules: ListRules, surface: str, catalogue: Catalogue) -> CompiledRules | None:
        """Give the rules of a surface; None: there are none. Several threads may ask."""
        key, columns = (surface, rules.digest), catalogue.columns
        found = self._made.get(key)
        if found is None or found[0] is not rules or found[1] is not columns:
            listed = rules.at(surface)
            made = CompiledRules.of(listed, columns, catalogue.rows) if listed else None
            if len(self._made) >= _COMPILED:
                self._made.clear()
            found = self._made[key] = rules, columns, made
        return found[2]


def _best(lists: Lists) -> float | None:
    there = lists.item_idx[0] >= 0
    return float(lists.score[0][there].max()) if there.any() else None
