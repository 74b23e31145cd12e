"""From a shopper's features to an answer: recommender asked, words found. No web in here."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from coterie.content.encoder import ContentEncoder
from coterie.data.changes import RowState
from coterie.data.polarity import speaks_against
from coterie.data.repurchase import Again
from coterie.languages.texts import texts_for
from coterie.reasons.discretion import Discretion
from coterie.reasons.reader import ReasonReader
from coterie.recommend.batches import Recent, shopper_from_features
from coterie.recommend.recommender import Lists, Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.release.bundle import Release
from coterie.schema import EVENT_KINDS
from coterie.search.index import Found
from serving.features.online_store import Friends, OnlineFeatures, ShopperRow
from serving.features.recent import RecentList
from serving.lists.catalogue import Catalogue
from serving.lists.new_rows import StandIns, grow
from serving.lists.reasons import as_reason
from serving.lists.search import By, ItemSearch
from serving.schemas import (
    FoundItem,
    Friend,
    HistoryEntry,
    ListedItem,
    RecommendationList,
    SearchParts,
    SearchResults,
    Shopper,
    SimilarItem,
    SimilarItems,
)
from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.traces import span


@dataclass(frozen=True, slots=True)
class ShopperFeatures:
    """What is known of a shopper right now: read once a request, whatever is made of it."""

    user_id: str
    row: ShopperRow
    friends: Sequence[RecentList]
    """Of ``row.friends``, in their order."""


def gather(features: OnlineFeatures, user_id: str) -> ShopperFeatures:
    """Read what is known of a shopper.

    Raises:
        UnavailableError: The feature store did not answer.
    """
    row = features.shopper(user_id)
    return ShopperFeatures(user_id, row, features.recent_lists(row.friends.ids, had=False))


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
        self.num_available = int(release.available.sum())
        self._days_until_again = release.days_until_again
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
            new = self.catalogue.change(states)
            self._show()
        return new

    def add_items(self, states: Mapping[str, RowState]) -> None:
        """Add items that entered the shop after the release was made; safe while lists are made.

        It takes some tenths of a second where items are many: do it in a thread of its own.
        """
        with self._adding:
            new = {i: state for i, state in states.items() if self.catalogue.row(i) < 0}
            if new:
                grown = grow(self.release, new, self._stand_ins, self.searcher)
                hidden = np.append(self.catalogue.shown, np.zeros(len(new), np.bool_))
                recommender = Recommender(grown.parameters, grown.popularity, hidden)
                days = grown.days_until_again[len(self.catalogue) :]
                with self._changing:
                    self._days_until_again = np.concatenate([self._days_until_again, days])
                    # Before the catalogue, so that whatever that names is known here.
                    self.release, self._recommender = grown, recommender
                    self.catalogue.add(new)
            self.change_items(states)

    def _show(self) -> None:
        """Let lists, likeness and search have what may be shown."""
        shown = self.catalogue.shown
        self._recommender.show(shown)
        self.searcher.show(shown[: self.searcher.num_items])
        self.num_available = int(shown.sum())

    def recommend(self, user_id: str, k: int, explain: bool) -> RecommendationList:
        """Read a shopper's features, and make their list.

        Raises:
            UnavailableError: The feature store did not answer.
        """
        return self.make(self.gather(user_id), k, explain)

    def gather(self, user_id: str) -> ShopperFeatures:
        """Read what is known of a shopper, and time it."""
        with self._timed("features"):
            return gather(self.features, user_id)

    def make(self, known: ShopperFeatures, k: int, explain: bool) -> RecommendationList:
        """Make the list of a shopper of whom all is known; safe in several threads at once."""
        with self._timed("recommend"):
            shoppers = self._shoppers(known.row, known.friends)
            lists = self._recommender.recommend(shoppers, k)
        items = self._listed(lists)
        if explain:
            with self._timed("explain"):
                self._explain(items, shoppers, lists, known.row.friends)
        return RecommendationList(
            user_id=known.user_id,
            source=lists.source[0],
            release=self.release.version,
            items=items,
        )

    def search(
        self, known: ShopperFeatures, query: str, k: int, explain: bool
    ) -> tuple[SearchResults, bool]:
        """Find items for a shopper; safe in several threads at once.

        Returns:
            What fits the query, and whether its meaning had to be left out.
        """
        with self._metrics.search.timed("taste"):
            taste = self._taste(known)
        found, left_out = self.searcher.find(query, k, taste)
        return self._found(known.user_id, query, found, explain), left_out

    def similar(self, row: int, k: int, by: By = "taste") -> SimilarItems:
        """List items like the one in a row, best first.

        Raises:
            BadInputError: By looks, and the release does not know how items look.
        """
        if by == "taste":
            rows, alike = self._recommender.similar(row, k)
        elif by == "looks":
            rows, alike = self.searcher.alike_in_looks(row, k)
        else:
            rows, alike = self.searcher.alike_in_words(row, self.catalogue.words(row), k)
        items = [
            SimilarItem(item=self.catalogue.item(other), similarity=round(float(value), 6))
            for other, value in zip(rows.tolist(), alike, strict=True)
        ]
        return SimilarItems(item=self.catalogue.item(row), items=items)

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

    def _found(self, user_id: str, query: str, found: Found, explain: bool) -> SearchResults:
        parts = np.column_stack([found.words, found.meaning, found.taste]).astype(np.float64)
        items = []
        for place, (words, meaning, taste) in enumerate(parts.round(6).tolist()):
            split = SearchParts(words=words, meaning=meaning, taste=taste)
            items.append(
                FoundItem(
                    rank=place + 1,
                    score=round(words + meaning + taste, 6),
                    item=self.catalogue.item(int(found.item_idx[place])),
                    matched=found.matched(place),
                    parts=split if explain else None,
                )
            )
        return SearchResults(
            user_id=user_id, query=query, release=self.release.version, items=items
        )

    def _recent(self, recent: RecentList) -> Recent:
        return Recent(
            self._known_rows(recent.item_ids),
            recent.kinds,
            recent.ts_ms,
            recent.wanted_ms,
            self._known_rows(recent.had_ids),
            recent.had_wanted_ms,
        )

    def _known_rows(self, item_ids: Sequence[str]) -> list[int]:
        """Find rows; -1 also for items that are only just being added."""
        most = self._recommender.num_items
        return [row if row < most else -1 for row in self.catalogue.rows(item_ids)]

    def _listed(self, lists: Lists) -> list[ListedItem]:
        rows = lists.item_idx[0]
        return [
            ListedItem(rank=rank, score=score, item=self.catalogue.item(item))
            for rank, (item, score) in enumerate(
                zip(rows[rows >= 0].tolist(), lists.score[0].tolist(), strict=False), 1
            )
        ]

    def _explain(
        self, items: Sequence[ListedItem], shoppers: Shoppers, lists: Lists, friends: Friends
    ) -> None:
        """Fill in the reasons of listed items."""
        names = [
            friend if named else None
            for friend, named in zip(friends.ids, friends.named, strict=True)
        ]
        parts = self._recommender.contributions(shoppers, lists)
        shown = lists.item_idx[0, : len(items)]
        reader = ReasonReader(
            parts, names, self.catalogue, shown, texts_for(None), self._discretion
        )
        for position, listed in enumerate(items):
            listed.reasons = [as_reason(told) for told in reader.read(position)]

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
