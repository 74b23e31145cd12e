"""Kinds of shoppers: by what they had before, and by how many people they know."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints, TrainingSet
from coterie.evaluation.item_sets import ItemSets


@dataclass(frozen=True, slots=True)
class Bands:
    """Consecutive ranges of a count, each with a name."""

    name: str
    about: str
    labels: tuple[str, ...]
    upper: tuple[int, ...]
    """Last count of each band but the last, which is open."""

    def of(self, counts: Ints) -> Ints:
        """Find the band of each count, shape (n,)."""
        return np.searchsorted(np.array(self.upper), counts).astype(np.int64)


ACTIVITY = Bands(
    "activity",
    "items bought, carted, rated or reviewed in training",
    ("cold: none", "light: 1-3", "medium: 4-10", "heavy: 11+"),
    (0, 3, 10),
)
FRIENDS = Bands("friends", "people the shopper follows", ("none", "1-5", "6+"), (0, 5))
BANDS = {bands.name: bands for bands in (ACTIVITY, FRIENDS)}
NEWCOMERS = "newcomers"
"""The group kind of ``coterie.evaluation.newcomers``: no band of the shoppers judged elsewhere."""


def bands_of(data: TrainingSet) -> dict[str, Ints]:
    """Find each shopper's band by activity and by friends, each of shape (num_users,).

    Activity counts distinct items of target kinds that were not turned down: who only looked
    around is cold. Friends
    counts distinct people at the other end of one's own ties; undirected ties are stored twice,
    so they count for both.
    """
    return {
        ACTIVITY.name: ACTIVITY.of(ItemSets.liked(data).sizes),
        FRIENDS.name: FRIENDS.of(num_friends(data)),
    }


def num_friends(data: TrainingSet) -> Ints:
    """Count the people whom each shopper has a tie to, oneself left out, shape (num_users,)."""
    others = data.ties.take(data.ties.src_idx != data.ties.dst_idx)
    pairs = np.unique(others.src_idx * data.num_users + others.dst_idx)
    counts = np.bincount(pairs // max(1, data.num_users), minlength=data.num_users)
    return counts.astype(np.int64)
