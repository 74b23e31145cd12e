"""One shopper's list with what the shop's rules did to it, and rules ready for a catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from coterie.data.dataset import Ints
from coterie.recommend.columns import ItemColumns
from coterie.recommend.recommender import Lists
from coterie.recommend.rerank import CompiledRules, Doubles, Reranked, RuleEffect
from coterie.recommend.rules import ListRules
from serving.lists.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class RankedList:
    """One shopper's list, before words are found for it."""

    lists: Lists
    moves: Mapping[RuleEffect, Doubles]
    """What each cause did to the scores, each as long as the list."""
    best: float | None
    """The best score that the release gave, whatever rules did then; None: there is no item."""

    @classmethod
    def plain(cls, lists: Lists) -> Self:
        """Take a list that no rule touched."""
        return cls(lists, {}, _best(lists))

    @classmethod
    def by_rules(cls, made: Reranked, pool: Lists) -> Self:
        """Take a list that rules made of a pool."""
        score = made.score[None].astype(np.float32)
        return cls(Lists(made.item_idx[None], score, pool.source), made.moves, _best(pool))

    def take(self, places: Ints) -> Self:
        """Keep the items at some places."""
        lists = self.lists
        kept = Lists(lists.item_idx[:, places], lists.score[:, places], lists.source)
        return type(self)(kept, {c: moved[places] for c, moved in self.moves.items()}, self.best)

    def cut(self, k: int) -> tuple[Self, bool]:
        """Keep the first k items, and tell whether there are more."""
        num = self.lists.item_idx.shape[1]
        return self.take(np.arange(min(k, num))), num > k

    def moves_at(self, position: int) -> dict[RuleEffect, float]:
        """Say what rules did to the item at a position."""
        return {cause: float(moved[position]) for cause, moved in self.moves.items()}


class CompiledCache:
    """The rules of each surface, compiled once for a catalogue as it is at the moment."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[ListRules, ItemColumns, CompiledRules | None]] = {}

    def of(self, rules: ListRules, surface: str, catalogue: Catalogue) -> CompiledRules | None:
        """Give the rules of a surface; None: there are none. Several threads may ask."""
        found, columns = self._made.get(surface), catalogue.columns
        if found is None or found[0] is not rules or found[1] is not columns:
            listed = rules.at(surface)
            made = CompiledRules.of(listed, columns, catalogue.rows) if listed else None
            found = self._made[surface] = rules, columns, made
        return found[2]


def _best(lists: Lists) -> float | None:
    there = lists.item_idx[0] >= 0
    return float(lists.score[0][there].max()) if there.any() else None
