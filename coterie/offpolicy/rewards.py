"""What an item earns at a place, foreseen from the same log without looking at who is judged."""

import numpy as np

from coterie.errors import BadInputError
from coterie.offpolicy.logged import Bools, Ints, Matrix

FOLDS = 5
_PRIOR = 20.0
"""Impressions that a place's mean counts as for an item that was never shown."""


class RewardModel:
    """An item's mean reward times a place's, shrunk to the whole's, fitted in folds of shoppers.

    Simple on purpose: doubly robust estimates are right whatever it says, and narrower the better
    it is. Each shopper is foreseen by a model that did not see them.
    """

    def __init__(self, shown: Ints, reward: Matrix, shopper: Ints, num_items: int) -> None:
        """Fit one model a fold.

        Args:
            shown: Shape (n, k): items; -1 pads.
            reward: Shape (n, k).
            shopper: Shape (n,).
            num_items: All items are below it.

        Raises:
            BadInputError: An item is not.
        """
        if shown.size and shown.max() >= num_items:
            raise BadInputError(f"item {shown.max()} was shown, but there are {num_items} items")
        self.fold: Ints = np.unique(shopper, return_inverse=True)[1] % FOLDS
        there = shown >= 0
        others = [there & (self.fold != one)[:, None] for one in range(FOLDS)]
        parts = [_fit(shown, reward, used, num_items) for used in others]
        self._item = np.stack([item for item, _ in parts])
        self._place = np.stack([place for _, place in parts])

    def of_items(self, items: Ints) -> Matrix:
        """Foresee what items earn at a usual place.

        Args:
            items: Shape (n, m), of the n lists that the model was fitted on; -1 pads, which earn 0.

        Returns:
            Shape (n, m).
        """
        found = self._item[self.fold[:, None], np.maximum(items, 0)]
        return np.where(items >= 0, found, 0.0)

    @property
    def of_places(self) -> Matrix:
        """What a place earns, relative to a usual one, shape (n, k)."""
        return self._place[self.fold]


def _fit(shown: Ints, reward: Matrix, used: Bools, num_items: int) -> tuple[Matrix, Matrix]:
    """Give each item's mean reward, and each place's relative to it, of the used cells."""
    count, total = used.sum(axis=0), np.where(used, reward, 0.0).sum(axis=0)
    mean = float(total.sum() / max(count.sum(), 1))
    place = (total + _PRIOR * mean) / (count + _PRIOR)
    relative = place / mean if mean > 0 else np.ones_like(place)
    exposure = np.where(used, relative, 0.0)
    seen = np.bincount(shown[used], exposure[used], minlength=num_items)
    earned = np.bincount(shown[used], reward[used], minlength=num_items)
    return (earned + _PRIOR * mean) / (seen + _PRIOR), relative
