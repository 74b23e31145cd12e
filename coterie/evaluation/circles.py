"""Shoppers by how many of their friends lists could draw on, but reasons could not name."""

import numpy as np

from coterie.data.circle import EVERYBODY, Circle
from coterie.data.dataset import Ints, TrainingSet
from coterie.evaluation.groups import Bands
from coterie.graph.circle import num_unnamed
from coterie.recommend.batches import Community

UNNAMED = "unnamed friends"
"""Kind of group."""


def band_of_unnamed(data: TrainingSet) -> tuple[tuple[str, ...], Ints]:
    """Sort shoppers by their friends with a history who could not be named.

    Returns:
        The bands' labels: none, too few, enough for lists to draw on them; and each shopper's band,
        shape (num_users,).
    """
    everybody = Community.of(data.with_all_friends())
    circle = data.circle or Circle(EVERYBODY, np.ones(data.num_users, np.bool_))
    has_history = np.diff(everybody.histories.offsets) > 0
    counts = num_unnamed(everybody.friends, data.ties, circle, has_history)
    bands = unnamed_bands(circle.rule.min_people)
    return bands.labels, bands.of(counts)


def unnamed_bands(min_people: int) -> Bands:
    """Divide counts where lists begin to draw on people."""
    about = "friends with a history who may not be named"
    if min_people == 1:
        return Bands(UNNAMED, about, ("none", "1+"), (0,))
    few = f"1-{min_people - 1}" if min_people > 2 else "1"
    return Bands(UNNAMED, about, ("none", few, f"{min_people}+"), (0, min_people - 1))
