"""One shopper's list with what it shows to learn of it, and how likely that was."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.recommend.exploration import CANDIDATES, promised
from coterie.recommend.rerank import RuleEffect, selected
from coterie.recommend.rules import Explore, Selection
from coterie.recommend.terms import Asked
from serving.lists.exploring import PLACE, Explorer
from serving.lists.ranked import RankedList
from serving.lists.served_items import ServedItems
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import Wanted

POOL: Final = 100
"""A shopper's best items, of which those that were rarely shown may be."""
_SCORED: Final = 200
"""New items that are scored for one list."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a list is explored with."""

    ranked: RankedList
    """As the release and rules made it."""
    items: ServedItems
    known: ShopperFeatures
    asked: Asked
    allowed: npt.NDArray[np.bool_]
    wanted: Wanted

    def made(self) -> tuple[RankedList, float]:
        """Show one new or rarely shown item on the first page, of those whose lists explore.

        Returns:
            The list, and how likely it was that its place ``PLACE`` holds what it holds.
        """
        explorer, surface = self.wanted.explorer, self.wanted.surface
        rule = self.wanted.rules.explore(surface)
        share = explorer.share_at(surface, rule)
        rows = self.ranked.lists.item_idx[0]
        if not share or self.wanted.shown or len(rows) <= PLACE:
            return self.ranked, 1.0
        rule = rule or Explore(share)
        new, below = self._new(explorer, rule), self._below(explorer, rule)
        explores = explorer.explores(self.known.user_id, share)
        # Others are looked for among all items, so not for lists that would not show one.
        needed = explores or not len(new) + len(below)
        could = np.union1d(new, np.union1d(below, self._rare(explorer, rule) if needed else below))
        if not len(could):
            return self.ranked, 1.0
        if not explores:
            return self.ranked, 1.0 - share
        scores = self.items.recommender.score(self.asked, could).score[0].astype(np.float64)
        best = np.argsort(-scores, kind="stable")[:CANDIDATES]
        could, scores = could[best], scores[best]
        there = self.ranked.lists.score[0].astype(np.float64)
        odds = promised(scores, float(there[PLACE]), float(there.std()), explorer.usual())
        ids = [self.items.catalogue.item_id(row) for row in could.tolist()]
        pick = explorer.pick(self.known.user_id, ids, odds.tolist())
        assert pick is not None
        at = ids.index(pick.item_id)
        effect = RuleEffect.EXPLORED if could[at] >= self.items.num_released else RuleEffect.RARE
        explored = self.ranked.exploring(int(could[at]), float(scores[at]), PLACE, effect)
        return explored, share * pick.chance

    def _new(self, explorer: Explorer, rule: Explore) -> Ints:
        """Find rows of new items that may be explored."""
        first = self.items.num_released
        rows = first + np.flatnonzero((self.allowed & self._named(rule))[first:])
        rows = self._unseen(rows)
        if len(rows) > _SCORED:
            rows = np.random.default_rng(len(rows)).choice(rows, _SCORED, replace=False)
        return np.asarray(rows[explorer.open(self._ids(rows))], np.int64)

    def _below(self, explorer: Explorer, rule: Explore) -> Ints:
        """Find rows of rarely shown items further down in the list."""
        if not rule.rare:
            return np.zeros(0, np.int64)
        rows = self.ranked.lists.item_idx[0][PLACE + 1 :]
        return self._open(rows[rows >= 0], self.allowed & self._named(rule), explorer, rule.rare)

    def _rare(self, explorer: Explorer, rule: Explore) -> Ints:
        """Find rows of rarely shown items among a shopper's best."""
        allowed = self.allowed & self._named(rule)
        if not rule.rare or not allowed.any():
            return np.zeros(0, np.int64)
        pool = self.items.recommender.recommend(self.asked, POOL, allowed).item_idx[0]
        return self._open(pool[pool >= 0], allowed, explorer, rule.rare)

    def _open(
        self, rows: Ints, allowed: npt.NDArray[np.bool_], explorer: Explorer, below: int
    ) -> Ints:
        rows = self._unseen(rows[(rows < self.items.num_released) & allowed[rows]])
        return np.asarray(rows[explorer.open(self._ids(rows), below)], np.int64)

    def _unseen(self, rows: Ints) -> Ints:
        """Leave out what a shopper had, and what stands in the list that far up anyway."""
        recent = self.known.row.recent
        had = set(recent.item_ids) | set(recent.had_ids)
        rows = rows[~np.isin(rows, self.ranked.lists.item_idx[0][: PLACE + 1])]
        return rows[[one not in had for one in self._ids(rows)]] if had else rows

    def _named(self, rule: Explore) -> npt.NDArray[np.bool_]:
        if rule.selection == Selection():
            return np.ones(len(self.allowed), np.bool_)
        catalogue = self.items.catalogue
        return selected(rule.selection, catalogue.columns, catalogue.rows)

    def _ids(self, rows: Ints) -> list[str]:
        return [self.items.catalogue.item_id(row) for row in rows.tolist()]
