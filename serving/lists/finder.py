"""From a query, or an item, to the items that fit it: indices asked, answers put together."""

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.search.index import Found
from serving.lists.search import By
from serving.lists.served_items import ServedItems, next_page
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, Wanted
from serving.schemas import FoundItem, SearchParts, SearchResults, SimilarItem, SimilarItems
from serving.telemetry.metrics import ServingMetrics


class ItemFinder:
    """Searches one release's items, and compares them; safe in several threads at once."""

    def __init__(self, items: ServedItems, metrics: ServingMetrics) -> None:
        """Find among these items, and time it."""
        self._items, self._metrics = items, metrics

    def search(
        self,
        known: ShopperFeatures,
        query: str,
        k: int,
        explain: bool,
        wanted: Wanted = PLAIN,
        words_alone: bool = False,
    ) -> tuple[SearchResults, bool]:
        """Find items for a shopper; with ``words_alone`` no encoder is asked.

        Returns:
            What fits the query, and whether its meaning had to be left out.
        """
        with self._metrics.search.timed("taste"):
            taste = self._taste(known) if wanted.own_taste else None
        num = k + len(wanted.shown) + 1
        allowed = self._items.catalogue.allowed(wanted)
        found, left_out = self._items.searcher.find(query, num, taste, allowed, words_alone)
        fresh = np.flatnonzero(self._items.fresh(found.item_idx, wanted))
        items = self._found(found, fresh[:k], explain, 1 + len(wanted.shown))
        return SearchResults(
            user_id=known.user_id,
            query=query,
            release=self._items.release.version,
            items=items,
            next=next_page((one.item for one in items), wanted) if len(fresh) > k else None,
        ), left_out

    def similar(self, row: int, k: int, by: By = "taste", wanted: Wanted = PLAIN) -> SimilarItems:
        """List items like the one in a row, best first.

        Raises:
            BadInputError: By looks, and the release does not know how items look.
        """
        catalogue, searcher = self._items.catalogue, self._items.searcher
        allowed, num = catalogue.allowed(wanted), k + len(wanted.shown) + 1
        if by == "taste":
            rows, alike = self._items.recommender.similar(row, num, allowed)
        elif by == "looks":
            rows, alike = searcher.alike_in_looks(row, num, allowed)
        else:
            rows, alike = searcher.alike_in_words(row, catalogue.words(row), num, allowed)
        fresh = np.flatnonzero(self._items.fresh(rows, wanted))
        items = [
            SimilarItem(item=catalogue.item(other), similarity=round(float(value), 6))
            for other, value in zip(rows[fresh[:k]].tolist(), alike[fresh[:k]], strict=True)
        ]
        return SimilarItems(
            item=catalogue.item(row),
            items=items,
            next=next_page((one.item for one in items), wanted) if len(fresh) > k else None,
        )

    def _taste(self, known: ShopperFeatures) -> npt.NDArray[np.float32] | None:
        """Score all items for a shopper; None for a stranger."""
        recommender = self._items.recommender
        shoppers = self._items.shoppers(known.row, known.friends)
        if float(recommender.newness(shoppers)[0]) >= 1.0:
            return None
        scores: npt.NDArray[np.float32] = recommender.scores(shoppers)[0].numpy()
        return scores

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
                    item=self._items.catalogue.item(int(found.item_idx[place])),
                    matched=found.matched(place),
                    parts=split if explain else None,
                )
            )
        return items
