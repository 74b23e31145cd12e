"""From a shopper's features to an answer: recommender asked, words found. No web in here."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from coterie.content.encoder import ContentEncoder
from coterie.data.changes import RowState
from coterie.data.dataset import Ints
from coterie.data.polarity import speaks_against
from coterie.data.repurchase import Again
from coterie.languages.texts import Texts, languages
from coterie.reasons.discretion import Discretion
from coterie.reasons.reader import ReasonReader
from coterie.reasons.rounding import coarsely
from coterie.reasons.rules import with_rules
from coterie.recommend.batches import Recent, shopper_from_features
from coterie.recommend.recommender import Lists, Recommender
from coterie.recommend.rerank import DEPTH, Pool
from coterie.recommend.shoppers import Shoppers
from coterie.release.bundle import Release
from coterie.schema import EVENT_KINDS
from coterie.search.index import Found
from serving.features.online_store import OnlineFeatures, ShopperRow
from serving.features.recent import RecentList
from serving.lists.catalogue import Catalogue
from serving.lists.new_rows import StandIns, grow
from serving.lists.ranked import CompiledCache, RankedList
from serving.lists.reasons import as_reason
from serving.lists.search import By, ItemSearch
from serving.lists.shopper_features import ShopperFeatures, gather, in_context
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import (
    FoundItem,
    Friend,
    HistoryEntry,
    ListedItem,
    RecommendationList,
    SearchParts,
    SearchResults,
    Shopper,
    ShopperItem,
    SimilarItem,
    SimilarItems,
)
from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.traces import span

_Shows = ListedItem | FoundItem | SimilarItem


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
            release: With vectors of its items, if it has any, which search indexes; they are not
                kept beside that.
            features: What is known of shoppers.
            metrics: Where it is counted.
            text_encoder: What made the release's vectors of texts, for queries; None: there are no
                such vectors, or nothing here reads queries as they were read.
            discretion: How much reasons tell; the default if not given.

        Raises:
            BadInputError: Its parameters are not a recommender's.
        """
        # What search compares is its own; to keep the others too would take 3.7 KB an item.
        self.release = replace(release, vectors={})
        self.text_encoder = text_encoder
        self.catalogue = Catalogue(release)
        self.features = features
        self._metrics = metrics
        self._discretion = discretion or Discretion()
        self._recommender = Recommender(release.parameters, release.popularity, release.available)
        self.searcher = ItemSearch(release, text_encoder, metrics)
        self._days_until_again = release.days_until_again
        self._compiled = CompiledCache()
        self.version = 0
        """Of changes: up to which this has been told of them."""
        self._stand_ins = StandIns.of(release)
        self._changing, self._adding = threading.Lock(), threading.Lock()

    def change_items(self, states: Mapping[str, RowState]) -> dict[str, RowState]:
        """Take changes of items in: the next list knows; quick, and safe while lists are made.

        Returns:
            Those of items that this does not know: they are for ``add_items``.
        """
        with self._changing:
            return self.catalogue.change(states)

    def add_items(self, states: Mapping[str, RowState]) -> None:
        """Add items that entered the shop after the release was made; safe while lists are made.

        It takes some tenths of a second where items are many: do it in a thread of its own.
        """
        with self._adding:
            new = {i: state for i, state in states.items() if self.catalogue.row(i) < 0}
            if new:
                grown = grow(self.release, new, self._stand_ins, self.searcher)
                recommender = Recommender(grown.parameters, grown.popularity)
                days = grown.days_until_again
                with self._changing:
                    # Lists ask the catalogue first, so whatever that names has to be known here.
                    self._days_until_again, self._recommender = days, recommender
                    self.release = grown
                    self.catalogue.add(new)
            self.change_items(states)

    @property
    def num_available(self) -> int:
        """Items that may be listed at this moment."""
        return int(self.catalogue.columns.available.sum())

    def num_allowed(self, wanted: Wanted) -> int:
        """Count the items that a list could be made of; those that its shopper had are among
        them."""
        allowed = int(np.count_nonzero(self.catalogue.allowed(wanted)))
        return max(allowed - len(wanted.shown), 0)

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
            shoppers = self._shoppers(row, known.friends)
            # One more than is shown tells whether there is a next page.
            num = k + len(wanted.shown) + 1
            ranked = self._ranked(shoppers, num, allowed, wanted)
            ranked, more = ranked.take(self._unshown(ranked.lists, wanted)).cut(k)
        lists = ranked.lists
        items = self._listed(lists, 1 + len(wanted.shown))
        if explain:
            with self._timed("explain"):
                self._explain(items, shoppers, ranked, known, languages()[wanted.language])
        if known.counts_unnamed:
            for item in items:
                item.score = coarsely(item.score)
        answer = RecommendationList(
            user_id=known.user_id,
            source=lists.source[0],
            release=self.release.version,
            items=items,
            next=self._next(items, wanted) if more else None,
        )
        answer.note_best_score(ranked.best)
        return answer

    def about(self, known: ShopperFeatures, row: int, texts: Texts) -> ShopperItem:
        """Say what one item is to a shopper, whether they had it or not: as reasons would."""
        shoppers = self._shoppers(known.row, known.friends)
        lists = self._recommender.score(shoppers, np.array([row], np.int64))
        [listed] = items = self._listed(lists, 1)
        self._explain(items, shoppers, RankedList.plain(lists), known, texts)
        return ShopperItem(
            user_id=known.user_id,
            source=lists.source[0],
            release=self.release.version,
            score=coarsely(listed.score) if known.counts_unnamed else listed.score,
            item=listed.item,
            reasons=listed.reasons or [],
        )

    def search(
        self, known: ShopperFeatures, query: str, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> tuple[SearchResults, bool]:
        """Find items for a shopper; safe in several threads at once.

        Returns:
            What fits the query, and whether its meaning had to be left out.
        """
        with self._metrics.search.timed("taste"):
            taste = self._taste(known)
        num = k + len(wanted.shown) + 1
        allowed = self.catalogue.allowed(wanted)
        found, left_out = self.searcher.find(query, num, taste, allowed)
        fresh = np.flatnonzero(self._fresh(found.item_idx, wanted))
        items = self._found(found, fresh[:k], explain, 1 + len(wanted.shown))
        return SearchResults(
            user_id=known.user_id,
            query=query,
            release=self.release.version,
            items=items,
            next=self._next(items, wanted) if len(fresh) > k else None,
        ), left_out

    def similar(self, row: int, k: int, by: By = "taste", wanted: Wanted = PLAIN) -> SimilarItems:
        """List items like the one in a row, best first.

        Raises:
            BadInputError: By looks, and the release does not know how items look.
        """
        allowed, num = self.catalogue.allowed(wanted), k + len(wanted.shown) + 1
        if by == "taste":
            rows, alike = self._recommender.similar(row, num, allowed)
        elif by == "looks":
            rows, alike = self.searcher.alike_in_looks(row, num, allowed)
        else:
            words = self.catalogue.words(row)
            rows, alike = self.searcher.alike_in_words(row, words, num, allowed)
        fresh = np.flatnonzero(self._fresh(rows, wanted))
        items = [
            SimilarItem(item=self.catalogue.item(other), similarity=round(float(value), 6))
            for other, value in zip(rows[fresh[:k]].tolist(), alike[fresh[:k]], strict=True)
        ]
        return SimilarItems(
            item=self.catalogue.item(row),
            items=items,
            next=self._next(items, wanted) if len(fresh) > k else None,
        )

    def shopper(self, user_id: str, most: int) -> Shopper:
        """Show a shopper's history and friends; those who may not be named are only counted."""
        row = self.features.shopper(user_id)
        named = [f for f, yes in zip(row.friends.ids, row.friends.named, strict=True) if yes]
        histories = self.features.recent_lists(named, had=False)
        return Shopper(
            user_id=user_id,
            history=self._history(row.recent, most, against=True),
            friends=[
                # What they did not want is nobody else's business.
                Friend(user_id=friend, history=self._history(recent, most, against=False))
                for friend, recent in zip(named, histories, strict=True)
            ],
            num_friends=len(row.friends.ids),
        )

    def _shoppers(self, row: ShopperRow, friends: Sequence[RecentList]) -> Shoppers:
        return shopper_from_features(
            self._recent(row.recent),
            [self._recent(friend) for friend in friends],
            row.friends.strengths,
            Again.at(self._days_until_again, int(time.time() * 1000)),
        )

    def _taste(self, known: ShopperFeatures) -> npt.NDArray[np.float32] | None:
        """Score all items for a shopper; None for a stranger."""
        shoppers = self._shoppers(known.row, known.friends)
        if float(self._recommender.newness(shoppers)[0]) >= 1.0:
            return None
        scores: npt.NDArray[np.float32] = self._recommender.scores(shoppers)[0].numpy()
        return scores

    def _fresh(self, rows: Ints, wanted: Wanted) -> npt.NDArray[np.bool_]:
        """Tell which of these rows no earlier page showed."""
        return wanted.shown.misses([self.catalogue.item_id(row) for row in rows.tolist()])

    def _unshown(self, lists: Lists, wanted: Wanted) -> Ints:
        """Find the places of one shopper's list whose items no earlier page showed."""
        kept = lists.item_idx[0] >= 0
        if wanted.shown:
            kept[kept] = self._fresh(lists.item_idx[0][kept], wanted)
        return np.flatnonzero(kept)

    def _ranked(
        self, shoppers: Shoppers, num: int, allowed: npt.NDArray[np.bool_], wanted: Wanted
    ) -> RankedList:
        """List the best items, as the shop's rules leave them."""
        rules = self._compiled.of(wanted.rules, wanted.surface, self.catalogue)
        if rules is None:
            return RankedList.plain(self._recommender.recommend(shoppers, num, allowed))
        lists = self._recommender.pool(shoppers, DEPTH, allowed, rules.pinned)
        rows = lists.item_idx[0][lists.item_idx[0] >= 0]
        score = lists.score[0][: len(rows)].astype(np.float64)
        pool = Pool(rows, score, self._recommender.directions(rows))
        made = rules.rerank(pool, num, int(time.time() * 1000))
        return RankedList.by_rules(made, lists)

    def _next(self, items: Sequence[_Shows], wanted: Wanted) -> str | None:
        """Make the token of the page after one that shows these items."""
        return wanted.shown.next_page((one.item.item_id for one in items), wanted.about)

    def _found(self, found: Found, places: Ints, explain: bool, first_rank: int) -> list[FoundItem]:
        columns = np.column_stack([found.words, found.meaning, found.taste])[places]
        parts = columns.astype(np.float64).round(6).tolist()
        items: list[FoundItem] = []
        for place, (words, meaning, taste) in zip(places.tolist(), parts, strict=True):
            split = SearchParts(words=words, meaning=meaning, taste=taste)
            items.append(
                FoundItem(
                    rank=first_rank + len(items),
                    score=round(words + meaning + taste, 6),
                    item=self.catalogue.item(int(found.item_idx[place])),
                    matched=found.matched(place),
                    parts=split if explain else None,
                )
            )
        return items

    def _recent(self, recent: RecentList) -> Recent:
        return Recent(
            self.catalogue.rows(recent.item_ids),
            recent.kinds,
            recent.ts_ms,
            recent.wanted_ms,
            self.catalogue.rows(recent.had_ids),
            recent.had_wanted_ms,
        )

    def _listed(self, lists: Lists, first_rank: int) -> list[ListedItem]:
        rows = lists.item_idx[0]
        return [
            ListedItem(rank=rank, score=score, item=self.catalogue.item(item))
            for rank, (item, score) in enumerate(
                zip(rows[rows >= 0].tolist(), lists.score[0].tolist(), strict=False), first_rank
            )
        ]

    def _explain(
        self,
        items: Sequence[ListedItem],
        shoppers: Shoppers,
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
        parts = self._recommender.contributions(shoppers, ranked.lists)
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
        coarse = known.counts_unnamed
        for position, listed in enumerate(items):
            told = with_rules(
                reader.read(position),
                ranked.moves_at(position),
                texts,
                coarsely(listed.score) if coarse else None,
            )
            listed.reasons = [as_reason(one) for one in told]

    def _history(self, recent: RecentList, most: int, against: bool) -> list[HistoryEntry]:
        """List the newest entries of a history, with what was turned down or without."""
        rows = self.catalogue.rows(recent.item_ids)
        turned_down = speaks_against(np.array(recent.kinds, np.int8), np.array(recent.wanted_ms))
        entries = zip(rows, recent.kinds, turned_down.tolist(), recent.ts_ms, strict=True)
        known = [entry for entry in entries if entry[0] >= 0 and (against or not entry[2])]
        return [
            HistoryEntry(
                item=self.catalogue.item(item),
                event=EVENT_KINDS[kind],
                turned_down=unwanted,
                ts=datetime.fromtimestamp(ts / 1000, UTC),
            )
            for item, kind, unwanted, ts in known[:most]
        ]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        with span(stage):
            yield
        self._metrics.lists.time_stage(stage, time.perf_counter() - began)
