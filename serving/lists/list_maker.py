"""From a shopper's features to an answer: recommender asked, words found. No web in here."""

import itertools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.content.encoder import ContentEncoder
from coterie.data.changes import RowState
from coterie.data.dataset import Ints
from coterie.languages.texts import Texts, languages
from coterie.reasons.discretion import Discretion
from coterie.reasons.reader import ReasonReader
from coterie.reasons.rounding import coarsely
from coterie.reasons.rules import with_rules
from coterie.recommend.recommender import Lists
from coterie.recommend.rerank import DEPTH, Pool
from coterie.recommend.retrieval import LEAST_RECALL
from coterie.recommend.terms import Asked
from coterie.release.bundle import Release
from serving.features.online_store import OnlineFeatures
from serving.lists.explored import Exploration
from serving.lists.exploring import PLACE
from serving.lists.finder import ItemFinder
from serving.lists.histories import shown_shopper
from serving.lists.ranked import CompiledCache, RankedList
from serving.lists.reasons import ReasonBodies, unchecked
from serving.lists.search import By
from serving.lists.served_items import ServedItems, next_page
from serving.lists.shopper_features import ShopperFeatures, gather, in_context
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import (
    ListedItem,
    Reason,
    RecommendationList,
    SearchResults,
    Shopper,
    ShopperItem,
    SimilarItems,
)
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.traces import span

CHECKED: Final = 200
"""One list in so many is compared with what reading all vectors brings."""
log = logging.getLogger(LOGGER)


class ListMaker:
    """One release at work, over what is known of whoever asks."""

    def __init__(
        self,
        release: Release,
        features: OnlineFeatures,
        metrics: ServingMetrics,
        text_encoder: ContentEncoder | None = None,
        discretion: Discretion | None = None,
    ) -> None:
        """Make a release ready to be asked.

        Args:
            release: With vectors of its items, if it has any; see ``ServedItems``.
            features: What is known of shoppers.
            metrics: Where it is counted.
            text_encoder: What made the release's vectors of texts, for queries; None: there are no
                such vectors, or nothing here reads queries as they were read.
            discretion: How much reasons tell; the default if not given.

        Raises:
            BadInputError: Its parameters are not a recommender's.
        """
        self.items = ServedItems(release, text_encoder, metrics)
        self.catalogue, self.searcher = self.items.catalogue, self.items.searcher
        self.text_encoder = text_encoder
        self.features = features
        self._finder = ItemFinder(self.items, metrics)
        self._metrics = metrics
        self._discretion = discretion or Discretion()
        self.compiled = CompiledCache()
        self._made = itertools.count(1)

    @property
    def release(self) -> Release:
        """The release, with rows for what entered the shop after it was made."""
        return self.items.release

    @property
    def num_available(self) -> int:
        """Items that may be listed at this moment."""
        return self.items.num_available

    def add_items(self, states: Mapping[str, RowState]) -> None:
        """Add items that entered the shop after the release was made; see ``ServedItems.add``."""
        self.items.add(states)

    def recommend(
        self, user_id: str, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> RecommendationList:
        """Read a shopper's features, and make their list.

        Raises:
            UnavailableError: The feature store did not answer.
        """
        return self.make(self.gather(user_id), k, explain, wanted)

    def gather(self, user_id: str) -> ShopperFeatures:
        """Read what is known of a shopper, and time it."""
        with self._timed("features"):
            known = gather(self.features, user_id)
            return known.drawn_on(self._discretion.circle, self.catalogue.row)

    def make(
        self, known: ShopperFeatures, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> RecommendationList:
        """Make the list of a shopper of whom all is known; safe in several threads at once."""
        with self._timed("recommend"):
            row = in_context(known.row, wanted)
            allowed = self.catalogue.allowed(wanted)
            asked = self.items.read(row, known.friends)
            # One more than is shown tells whether there is a next page.
            num = k + len(wanted.shown) + 1
            ranked = self._ranked(asked, num, allowed, wanted)
            ranked = ranked.take(self._unshown(ranked.lists, wanted))
            ranked, chance = Exploration(ranked, self.items, known, asked, allowed, wanted).made()
            ranked, more = ranked.cut(k)
        lists = ranked.lists
        items = self._listed(lists, 1 + len(wanted.shown))
        for position in ranked.all_explored:
            items[position].explored = True
        if explain:
            with self._timed("explain"):
                self._explain(items, asked, ranked, known, languages()[wanted.language])
        if known.counts_unnamed:
            for item in items:
                item.score = coarsely(item.score)
        answer = RecommendationList(
            user_id=known.user_id,
            source=lists.source[0],
            release=self.release.version,
            items=items,
            next=next_page((one.item for one in items), wanted) if more else None,
        )
        answer.note_best_score(ranked.best)
        if len(items) > PLACE:
            answer.note_chance(PLACE, chance)
        return answer

    def about(self, known: ShopperFeatures, row: int, texts: Texts) -> ShopperItem:
        """Say what one item is to a shopper, whether they had it or not: as reasons would."""
        asked = self.items.read(known.row, known.friends)
        lists = self.items.recommender.score(asked, np.array([row], np.int64))
        [listed] = items = self._listed(lists, 1)
        self._explain(items, asked, RankedList.plain(lists), known, texts)
        return ShopperItem(
            user_id=known.user_id,
            source=lists.source[0],
            release=self.release.version,
            score=coarsely(listed.score) if known.counts_unnamed else listed.score,
            item=listed.item,
            reasons=listed.reasons or [],
        )

    def reasons(
        self, known: ShopperFeatures, item_ids: Sequence[str], texts: Texts
    ) -> dict[str, list[Reason]]:
        """Say of some items of the release, by id, why they would suit a shopper."""
        rows = np.array([row for row in self.catalogue.rows(item_ids) if row >= 0], np.int64)
        if not len(rows):
            return {}
        asked = self.items.read(known.row, known.friends)
        lists = self.items.recommender.score(asked, rows)
        listed = self._listed(lists, 1)
        self._explain(listed, asked, RankedList.plain(lists), known, texts)
        return {one.item.item_id: one.reasons or [] for one in listed}

    def search(
        self,
        known: ShopperFeatures,
        query: str,
        k: int,
        explain: bool,
        wanted: Wanted = PLAIN,
        words_alone: bool = False,
    ) -> tuple[SearchResults, bool]:
        """Find items for a shopper; see ``ItemFinder``."""
        return self._finder.search(known, query, k, explain, wanted, words_alone)

    def similar(self, row: int, k: int, by: By = "taste", wanted: Wanted = PLAIN) -> SimilarItems:
        """List items like the one in a row; see ``ItemFinder``."""
        return self._finder.similar(row, k, by, wanted)

    def shopper(self, user_id: str, most: int) -> Shopper:
        """Show a shopper's history and friends; those who may not be named are only counted."""
        return shown_shopper(self.features, self.catalogue, user_id, most)

    def _unshown(self, lists: Lists, wanted: Wanted) -> Ints:
        """Find the places of one shopper's list whose items no earlier page showed."""
        kept = lists.item_idx[0] >= 0
        if wanted.shown:
            kept[kept] = self.items.fresh(lists.item_idx[0][kept], wanted)
        return np.flatnonzero(kept)

    def _ranked(
        self, asked: Asked, num: int, allowed: npt.NDArray[np.bool_], wanted: Wanted
    ) -> RankedList:
        """List the best items, as the shop's rules leave them."""
        rules = self.compiled.of(wanted.rules, wanted.surface, self.catalogue)
        recommender = self.items.recommender
        if rules is None:
            lists = recommender.recommend(asked, num, allowed)
            if next(self._made) % CHECKED == 0:
                self._check(asked, lists, allowed)
            return RankedList.plain(lists)
        lists = recommender.pool(asked, DEPTH, allowed, rules.pinned)
        rows = lists.item_idx[0][lists.item_idx[0] >= 0]
        score = lists.score[0][: len(rows)].astype(np.float64)
        pool = Pool(rows, score, recommender.directions(rows))
        made = rules.rerank(pool, num, int(time.time() * 1000))
        return RankedList.by_rules(made, lists)

    def _check(self, asked: Asked, lists: Lists, allowed: npt.NDArray[np.bool_]) -> None:
        """Count how many of the best items a list has, and say so where codes are given up."""
        recall = self.items.recommender.check(asked, lists, allowed)
        if recall is None:
            return
        self._metrics.lists.count_check(recall.best, recall.found)
        if recall.ended:
            release = self.release.version
            log.warning(
                "codes missed too many of the best items: all vectors are read from now on",
                extra={"fields": {"release": release, "least_recall": LEAST_RECALL}},
            )

    def _listed(self, lists: Lists, first_rank: int) -> list[ListedItem]:
        rows = lists.item_idx[0]
        return [
            unchecked(
                ListedItem,
                {
                    "rank": rank,
                    "score": score,
                    "item": self.catalogue.item(item),
                    "explored": None,
                    "reasons": None,
                    "sentence": None,
                },
            )
            for rank, (item, score) in enumerate(
                zip(rows[rows >= 0].tolist(), lists.score[0].tolist(), strict=False), first_rank
            )
        ]

    def _explain(
        self,
        items: Sequence[ListedItem],
        asked: Asked,
        ranked: RankedList,
        known: ShopperFeatures,
        texts: Texts,
    ) -> None:
        """Fill in the reasons of listed items."""
        friends = known.row.friends
        names = [
            friend if named else None
            for friend, named in zip(friends.ids, friends.named, strict=True)
        ]
        parts = self.items.recommender.contributions(asked, ranked.lists)
        shown = ranked.lists.item_idx[0, : len(items)]
        reader = ReasonReader(
            parts,
            names,
            self.catalogue,
            shown,
            texts,
            self._discretion,
            friends.mutual or None,
            known.counts_unnamed,
        )
        coarse, bodies = known.counts_unnamed, ReasonBodies()
        for position, listed in enumerate(items):
            told = with_rules(
                reader.read(position),
                ranked.moves_at(position),
                texts,
                coarsely(listed.score) if coarse else None,
            )
            listed.reasons = bodies.of(told)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        with span(stage):
            yield
        self._metrics.lists.time_stage(stage, time.perf_counter() - began)
