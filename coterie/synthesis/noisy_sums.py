"""What a bounded generator sees of people: five sums, to each of which one person adds little.

Of a person's own rows, that is their events and the ties that they have themselves, each sum takes
a vector that is no longer than is said, on a grid (``coterie.privacy.noise``); ties tell of others
as well, so of them few count, and how much one person can change of these is worked out below.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import sparse
from scipy.special import ndtri

from coterie.data.dataset import Ints, Ties
from coterie.privacy.noise import Noise
from coterie.privacy.sums import ENTRY_BITS, counts
from coterie.schema import TIE_KINDS, UNDIRECTED_TIES
from coterie.synthesis.clock import DAY_MS, HOUR_MS
from coterie.synthesis.doings import KINDS, RATED
from coterie.synthesis.source import Doubles, HadPairs, SourceShop

SUMS: Final = ("items", "doings", "columns", "together", "ties")
"""Names, in the order in which the budget is shared."""
SHARES: Final = (0.3, 0.15, 0.25, 0.2, 0.1)
ITEM_LENGTH: Final = 4.0
"""Of a person's items: 16 count whole."""
DOING_LENGTH: Final = 20.0
SCORE_LENGTH: Final = 5.0
"""Of a person's normal scores."""
MOST_TIES: Final = 8
"""Ties of a person that count, of those that they have, and of those to them."""
TIE_LENGTH: Final = MOST_TIES * (3 * 3**0.5 + 2)
"""What one person can change of the sum over ties: see ``kept_ties``."""
WAYS: Final = 2 << KINDS
TASTE_EDGES: Final = np.concatenate(
    [[-1.001, -0.5, -0.2, -0.05, -0.001, 0.001], np.linspace(0.05, 1.001, 20)]
)
COUNT_EDGES: Final = np.log1p(
    np.concatenate([np.arange(13) - 0.5, [15.5, 20.5, 30.5, 50.5, 80.5, 130.5, 250.5, 999.5]]).clip(
        0.0
    )
)
SPAN_EDGES: Final = np.linspace(-0.001, 1.001, 16)
UNDIRECTED: Final = [at for at, kind in enumerate(TIE_KINDS) if kind in UNDIRECTED_TIES]
_STEP: Final = 2.0**-ENTRY_BITS


@dataclass(frozen=True, slots=True)
class NoisyEyes:
    """Looks at sums, each with its noise."""

    noise: Noise
    multipliers: dict[str, float]
    """Of each of ``SUMS``, noise over what one person can change."""

    def items(self, pairs: HadPairs, num_people: int, num_items: int) -> tuple[Doubles, Doubles]:
        """Count people by item that they wanted, and that they looked at alone."""
        column = pairs.item + np.where(pairs.wanted, 0, num_items)
        shape = (num_people, 2 * num_items)
        had = sparse.csr_matrix((np.ones(len(column)), (pairs.person, column)), shape)
        deviation = self.multipliers["items"] * ITEM_LENGTH
        found = counts(had, ITEM_LENGTH) + self.noise.gaussian(2 * num_items, deviation)
        # Of many that nobody has some would be had by noise alone.
        found = np.where(found > deviation, found, 0.0)
        return found[:num_items], found[num_items:]

    def doings(self, source: SourceShop, pairs: HadPairs, begin_ms: int, days: int) -> Doubles:
        """Add up what people do: ``doing_rows`` tells the columns."""
        rows = _on_grid(doing_rows(source, pairs, begin_ms, days), DOING_LENGTH)
        sums = np.asarray(rows.sum(axis=0)).ravel() * _STEP
        return sums + self.noise.gaussian(len(sums), self.multipliers["doings"] * DOING_LENGTH)

    def columns(self, table: Doubles, edges: list[Doubles]) -> list[Doubles]:
        """Count people by column and bin: each is in one bin of every column."""
        deviation = self.multipliers["columns"] * float(np.sqrt(len(edges)))
        found = []
        for at, borders in enumerate(edges):
            place = np.clip(
                np.searchsorted(borders, table[:, at], "right") - 1, 0, len(borders) - 2
            )
            seen = np.bincount(place, minlength=len(borders) - 1)
            found.append(seen + self.noise.gaussian(len(seen), deviation))
        return found

    def deviation(self, edges: list[Doubles]) -> float:
        """Give the noise's deviation in each bin of ``columns``."""
        return self.multipliers["columns"] * float(np.sqrt(len(edges)))

    def together(self, scores: Doubles) -> Doubles:
        """Add up products of normal scores, shape (columns, columns)."""
        rows = _on_grid(sparse.csr_matrix(scores), SCORE_LENGTH)
        sums = np.asarray((rows.T @ rows).todense()) * _STEP**2
        return sums + self.noise.symmetric(
            len(sums), self.multipliers["together"] * SCORE_LENGTH**2
        )

    def ties(self, ties: Ties, taste: Doubles) -> Doubles:
        """Add up ties by kind, directed ones that are returned, and how alike the people are."""
        kept = kept_ties(ties, len(taste))
        n = len(taste)
        one_way = ~np.isin(kept.kind, UNDIRECTED)
        back = one_way & np.isin(
            kept.dst_idx * n + kept.src_idx, (kept.src_idx * n + kept.dst_idx)[one_way]
        )
        cosine = (taste[kept.src_idx] * taste[kept.dst_idx]).sum(axis=1)
        alike = np.floor(np.clip(cosine, 0.0, 1.0) / _STEP).astype(np.int64).sum() * _STEP
        kinds = np.bincount(kept.kind, minlength=len(TIE_KINDS))
        sums = np.concatenate([kinds, [back.sum(), alike]])
        return sums + self.noise.gaussian(len(sums), self.multipliers["ties"] * TIE_LENGTH)


def kept_ties(ties: Ties, num_people: int) -> Ties:
    """Leave each person few of the ties that they have, and then few of those to them.

    Which is settled by the two of a tie alone. So without a person, whose tastes and own ties are
    gone, at most ``MOST_TIES`` ties are gone, as many others take their place, and of as many to
    that person nobody tells how alike they are: 3 ``MOST_TIES`` ties of length sqrt(3) at most, and
    2 ``MOST_TIES`` others that are returned or no longer.
    """
    kept = _first_of(ties, ties.src_idx, num_people)
    return _first_of(kept, kept.dst_idx, num_people)


def _first_of(ties: Ties, end: Ints, num_people: int) -> Ties:
    low, high = np.minimum(ties.src_idx, ties.dst_idx), np.maximum(ties.src_idx, ties.dst_idx)
    key = (low * num_people + high).astype(np.uint64) + np.uint64(1)
    # A mixer of bits (splitmix64): an order by chance that no other tie has a say in.
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    order = np.lexsort((ties.kind, key ^ (key >> np.uint64(31)), end))
    sorted_end = end[order]
    begins = np.searchsorted(sorted_end, sorted_end)
    return ties.take(np.sort(order[np.arange(len(order)) - begins < MOST_TIES]))


def doing_rows(source: SourceShop, pairs: HadPairs, begin_ms: int, days: int) -> Any:
    """Lay out what each did, (people, columns), in the order in which ``bounded_shop`` reads them.

    Ways to deal with an item; of each kind events, items, those with stars, with a price and that
    somebody told of; half stars; hours; days; items; and visits.
    """
    events, n = source.events, source.num_people
    kind = events.kind.astype(np.int64)
    day = np.clip((events.ts_ms - begin_ms) // DAY_MS, 0, days - 1)
    rated = np.isin(kind, RATED) & (events.value > 0)
    priced = np.isfinite(events.value) & ~np.isin(kind, RATED)
    half = np.clip(np.rint(2 * np.nan_to_num(events.value)), 1, 10).astype(np.int64) - 1
    has = [np.flatnonzero((pairs.kinds >> at) & 1) for at in range(KINDS)]
    first = np.full(len(pairs.person), np.iinfo(np.int64).max)
    np.minimum.at(first, pairs.of_event, day)
    visit = np.unique(pairs.person * days + first) // days
    blocks = [
        (pairs.person, pairs.kinds + (pairs.wanted << KINDS), WAYS),
        (events.user_idx, kind, KINDS),
        (
            np.concatenate([pairs.person[one] for one in has]),
            np.repeat(np.arange(KINDS), [len(one) for one in has]),
            KINDS,
        ),
        (events.user_idx[rated], kind[rated], KINDS),
        (events.user_idx[priced], kind[priced], KINDS),
        (events.user_idx[events.referrer_idx >= 0], kind[events.referrer_idx >= 0], KINDS),
        (events.user_idx[rated], half[rated], 10),
        (events.user_idx, events.ts_ms % DAY_MS // HOUR_MS, 24),
        (events.user_idx, day, days),
        (pairs.person, 0 * pairs.person, 1),
        (visit, 0 * visit, 1),
    ]
    return sparse.hstack(
        [sparse.csr_matrix((np.ones(len(row)), (row, at)), (n, k)) for row, at, k in blocks]
    ).tocsr()


def _on_grid(rows: Any, length: float) -> Any:
    """Scale rows that are longer, in whole multiples of 2 ** -12 towards 0."""
    own = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    # A hair less than the length, for sums of squares are rounded.
    scale = np.minimum(1.0, length * (1 - 1e-9) / np.maximum(own, 1e-12))
    scaled = sparse.diags_array(scale) @ rows
    return sparse.csr_matrix(
        (np.trunc(scaled.data / _STEP).astype(np.int64), scaled.indices, scaled.indptr), rows.shape
    )


def noisy_scores(table: Doubles, edges: list[Doubles], bins: list[Doubles]) -> Doubles:
    """Turn columns into normal scores by noisy counts alone, shape of ``table``."""
    found = np.empty_like(table)
    for at, (borders, seen) in enumerate(zip(edges, bins, strict=True)):
        share = np.concatenate([[0.0], np.cumsum(seen) / max(float(seen.sum()), 1e-12)])
        place = np.clip(np.searchsorted(borders, table[:, at], "right") - 1, 0, len(borders) - 2)
        found[:, at] = ndtri(np.clip((share[place] + share[place + 1]) / 2, 0.006, 0.994))
    return found
