"""The goods of a simulated shop: what they are, whom they please, when they are on sale."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.words import MAKERS, SHELVES

TASTE_DIM = 16
"""Dimensions of tastes and items."""
_DEPARTMENTS = [shelf.path.split("/")[0] for shelf in SHELVES]


@dataclass(frozen=True, slots=True)
class Assortment:
    """Items as columns of shape (num_items,); times are days after the shop's first day."""

    shelf: Ints
    """Index in ``words.SHELVES``."""
    style: Ints
    noun: Ints
    detail: Ints
    maker: Ints
    vector: Floats
    """Whom the item pleases, shape (num_items, TASTE_DIM), length 1."""
    appeal: Floats
    """How well known it is at its peak: few items have most of it (Zipf)."""
    arrives: Floats
    peak_days: Floats
    """Days from arrival to peak; the decline takes about twice as long."""
    ends: Floats
    """inf where the item stays."""
    price: Floats
    shelf_vector: Floats
    """Shape (len(SHELVES), TASTE_DIM), length 1."""
    unsaid: Floats
    """What no word tells of ``vector``, shape (num_items, TASTE_DIM), length 1."""

    def on_sale(self, day: int) -> npt.NDArray[np.bool_]:
        """Mask the items that can be had all through a day."""
        return (self.arrives <= day) & (self.ends >= day + 1)

    def pull(self, day: int) -> npt.NDArray[np.float64]:
        """Measure how strongly each item draws visits on a day.

        That is its appeal by its stage of life, 0 if it is not on sale.
        """
        age = np.maximum(day + 0.5 - self.arrives, 0.0) / self.peak_days
        # Rises to 1 at the peak, then declines; a quarter of the fame never fades.
        life = 0.25 + 0.75 * np.where(age < 1, age, np.exp(-(age - 1) / 2))
        return np.where(self.on_sale(day), self.appeal * life, 0.0).astype(np.float64)


def make_assortment(config: ShopConfig, rng: np.random.Generator) -> Assortment:
    """Make items with words, vectors that their words explain, prices and life cycles."""
    n = config.num_items
    shelf = rng.integers(0, len(SHELVES), n)
    words = _choose_words(shelf, rng)
    price_level = rng.normal(0, 0.45, n)
    usual = np.array([s.price for s in SHELVES])[shelf]
    vector, shelf_vector, unsaid = _embed(shelf, words, price_level, rng)
    arrives, peak, ends = _live(config, rng)
    return Assortment(
        shelf,
        *words,
        vector=vector,
        appeal=_zipf(n, rng),
        arrives=arrives,
        peak_days=peak,
        ends=ends,
        price=(np.maximum(np.round(usual * np.exp(price_level)), 3) - 0.05).astype(np.float32),
        shelf_vector=shelf_vector,
        unsaid=unsaid,
    )


def unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """Scale rows to length 1."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(length, 1e-9)).astype(np.float32)
    return scaled


def _choose_words(shelf: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    """Style, noun, detail and maker of each item: no two alike on a shelf while words last."""
    limits = [(len(s.styles), len(s.nouns), len(s.details), 5) for s in SHELVES]
    sizes = np.array(limits)[shelf]
    rank = _rank_within(shelf, rng)
    combos = sizes.prod(axis=1)
    # A stride without common divisor walks through all combinations before it repeats one.
    stride = 7_919
    code = (rank * stride + shelf * 31) % combos
    out = []
    for column in range(4):
        out.append(code % sizes[:, column])
        code = code // sizes[:, column]
    return out[0], out[1], out[2], out[3]


def _rank_within(group: Ints, rng: np.random.Generator) -> Ints:
    """Rank the members of each group 0, 1, ..., in random order."""
    order = np.lexsort((rng.random(len(group)), group))
    counts = np.bincount(group)
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - starts[group[order]]
    return rank


def _embed(
    shelf: Ints,
    words: tuple[Ints, Ints, Ints, Ints],
    price_level: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """Embed items and shelves: department, shelf, style, maker, price, and something unsaid, which
    comes last."""
    _, department = np.unique(_DEPARTMENTS, return_inverse=True)
    size = len(SHELVES)
    departments = unit(rng.normal(size=(len(MAKERS), TASTE_DIM)))
    shelves = unit(0.7 * departments[department] + unit(rng.normal(size=(size, TASTE_DIM))))
    styles = unit(rng.normal(size=(size, 6, TASTE_DIM)))
    makers = unit(rng.normal(size=(len(MAKERS), 5, TASTE_DIM)))
    dear = unit(rng.normal(size=(1, TASTE_DIM)))
    unsaid = unit(rng.normal(size=(len(shelf), TASTE_DIM)))
    item = (
        shelves[shelf]
        + 0.7 * styles[shelf, words[0]]
        + 0.4 * makers[department[shelf], words[3]]
        + 0.4 * price_level[:, None] * dear
        + 0.4 * unsaid
    )
    return unit(item), shelves, unsaid


def _live(config: ShopConfig, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Draw arrival, days to the peak, and end of each item."""
    n, days = config.num_items, config.days
    late = rng.random(n) < config.late_items
    arrives = np.where(late, rng.uniform(0, 0.9 * days, n), -rng.exponential(0.5 * days, n))
    peak = rng.uniform(0.05, 0.25, n) * max(days, 30)
    ending = rng.random(n) < config.ending_items
    least = np.maximum(arrives, 0) + min(7.0, 0.1 * days)
    ends = np.where(ending, rng.uniform(least, np.maximum(least, days)), np.inf)
    return arrives.astype(np.float32), peak.astype(np.float32), ends.astype(np.float32)


def _zipf(n: int, rng: np.random.Generator) -> Floats:
    """Draw appeals by rank, rank^-0.7, in random order; their mean is 1."""
    appeal = np.arange(1, n + 1, dtype=np.float64) ** -0.7
    return rng.permutation(appeal / appeal.mean()).astype(np.float32)
