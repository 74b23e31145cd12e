"""From a block of shoppers to their lists, as a table: the lists that serving would answer with."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.all_lists.everyone import Everyone
from coterie.all_lists.kernel import BatchKernel, knows
from coterie.data.circle import Bools
from coterie.data.dataset import Ints
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError
from coterie.progress import Progress, silent
from coterie.reasons.rounding import coarsely
from coterie.recommend.columns import ItemColumns
from coterie.recommend.recommender import Lists, Recommender
from coterie.recommend.rerank import DEPTH, CompiledRules, Pool
from coterie.recommend.rules import NO_RULES, ListRules
from coterie.release.bundle import Release

LISTS: Final = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("item_ids", pa.list_(pa.string()), nullable=False),
        pa.field("scores", pa.list_(pa.float64()), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("release", pa.string(), nullable=False),
    ]
)
"""A row a shopper: items best first, a score each, what the list could draw on (``own``,
``friends``, ``popular``), and the version of the release."""
SURFACE: Final = "home"
"""Rules of this place in the shop are applied."""
_BLOCK: Final = 256
"""Shoppers at a time for the recommender, where that makes lists."""
MAX_K: Final = 500


@dataclass(frozen=True, slots=True)
class ListsWanted:
    """What is asked for of everybody alike."""

    k: int = 20
    """Items of a list, at most."""
    rules: ListRules = field(default=NO_RULES)
    """The shop's."""
    now_ms: int = 0
    """When lists are made, milliseconds since 1970, UTC: it decides what may be listed again, and
    what is fresh."""

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise BadInputError(f"lists of {self.k} items: expected 1 to {MAX_K}")


class RecommenderBlocks:
    """Makes lists of releases that ``BatchKernel`` does not know: as it does, but slower."""

    def __init__(self, release: Release, everyone: Everyone, allowed: Bools) -> None:
        self._recommender = Recommender(release.parameters, release.popularity)
        self._everyone, self._allowed = everyone, allowed

    def block(self) -> int:
        """See ``BatchKernel``."""
        return _BLOCK

    def recommend(self, first: int, stop: int, k: int) -> Lists:
        """See ``BatchKernel``."""
        return self._recommender.recommend(self._everyone.shoppers(first, stop), k, self._allowed)

    def pool(self, first: int, stop: int, num: int, also: Ints) -> Lists:
        """See ``BatchKernel``."""
        shoppers = self._everyone.shoppers(first, stop)
        return self._recommender.pool(shoppers, num, self._allowed, also)


class BlockLists:
    """A release at work over everybody; several threads may ask at once."""

    def __init__(
        self,
        release: Release,
        everyone: Everyone,
        wanted: ListsWanted,
        told: Progress = silent,
    ) -> None:
        """Make a release ready to be asked.

        Args:
            release: Whose lists. Of one whose score has terms that ``kernel`` does not know, they
                are made by the recommender alone, which takes longer.
            everyone: Whom they are for.
            wanted: What is asked for.
            told: How far it is.

        Raises:
            BadInputError: Its parameters are not a recommender's.
        """
        self.everyone, self._wanted = everyone, wanted
        self._ids, self._version = release.items.ids, release.version
        columns = ItemColumns.of(release.catalogue, release.available)
        self._maker: BatchKernel | RecommenderBlocks = (
            BatchKernel(release, everyone, columns.available, told)
            if knows(release)
            else RecommenderBlocks(release, everyone, columns.available)
        )
        self._rules: CompiledRules | None = None
        if rules := wanted.rules.at(SURFACE):
            rows = release.items.rows
            self._rules = CompiledRules.of(rules, columns, lambda ids: rows(ids).tolist())
            recommender = Recommender(release.parameters, release.popularity)
            self._directions = recommender.directions(np.arange(len(release.items)))
        self.block = self._maker.block()
        """Shoppers to ask for at a time."""

    def table(self, first: int, stop: int) -> pa.Table:
        """Make the lists of the shoppers from row ``first`` to before row ``stop``."""
        lists = self._lists(first, stop)
        there = lists.item_idx >= 0
        rows = Ragged.of(there.sum(axis=1))
        offsets = pa.array(rows.offsets.astype(np.int32))
        scores = lists.score.astype(np.float64)
        for row in np.flatnonzero(self.everyone.counts_unnamed[first:stop]):
            scores[row] = [coarsely(score) for score in scores[row].tolist()]
        items = self._ids.take(pa.array(lists.item_idx[there]))
        return pa.table(
            [
                self.everyone.ids.slice(first, stop - first),
                pa.ListArray.from_arrays(offsets, items),
                pa.ListArray.from_arrays(offsets, pa.array(scores[there])),
                pa.array([source.value for source in lists.source], pa.string()),
                pa.repeat(pa.scalar(self._version, pa.string()), stop - first),
            ],
            schema=LISTS,
        )

    def _lists(self, first: int, stop: int) -> Lists:
        k = self._wanted.k
        if self._rules is None:
            return self._maker.recommend(first, stop, k)
        pool = self._maker.pool(first, stop, DEPTH, self._rules.pinned)
        items = np.full((stop - first, k), -1, np.int64)
        scores = np.full((stop - first, k), -np.inf, np.float32)
        for row in range(stop - first):
            made_items, made_scores = self._reranked(pool, row, self._rules)
            items[row, : len(made_items)], scores[row, : len(made_items)] = made_items, made_scores
        return Lists(items, scores, pool.source)

    def _reranked(
        self, pool: Lists, row: int, rules: CompiledRules
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Let the shop's rules choose from one shopper's best items, as serving does."""
        rows = pool.item_idx[row][pool.item_idx[row] >= 0]
        score = pool.score[row][: len(rows)].astype(np.float64)
        own = Pool(rows, score, self._directions[rows])
        made = rules.rerank(own, self._wanted.k, self._wanted.now_ms)
        return made.item_idx, made.score
