"""How much each place of a shown list counts for the policy that is judged.

All come from the ratio of both policies' probabilities at each place, given the shopper and what
stood above. They differ in what they assume of shoppers, from nothing to much: the less is assumed,
the more the weights spread.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coterie.offpolicy.logged import LoggedLists, Matrix


class ListModel(StrEnum):
    """What is assumed of how a list earns, from the least to the most."""

    LIST = "list"
    """Nothing: each place's reward may depend on the whole list. The weight is the product of all
    places' ratios."""
    CASCADE = "cascade"
    """A place's reward depends on its item and on what stood above (McInerney and others, 2020).
    The weight is the product of the ratios down to the place."""
    PSEUDO_INVERSE = "pseudo_inverse"
    """A list's reward is a sum of parts, one a place (Swaminathan and others, 2017). Where places
    are filled independently the weight is 1 plus the sum of all ratios less 1; else
    ``LoggedLists.whole`` says it."""
    POSITION = "position"
    """A place's reward depends on its item alone (Li and others, 2018). The weight is its ratio.
    Where that is conditional on what stood above, what stood above is the log's."""


@dataclass(frozen=True, slots=True)
class ListWeights:
    """ListWeights of each place."""

    here: Matrix
    """Shape (n, k): for what the place earned; 0 where nothing stood."""
    above: Matrix
    """Shape (n, k): for what was foreseen there, before the place's own choice counts."""

    def effective(self) -> Matrix:
        """Count the lists that would tell as much if all counted alike, of each place, (k,)."""
        total, squares = self.here.sum(axis=0), (self.here**2).sum(axis=0)
        return np.where(squares > 0, total**2 / np.where(squares > 0, squares, 1.0), 0.0)

    def clipped(self, most: float) -> "ListWeights":
        """Bound weights from above: less variance for some bias towards 0."""
        return ListWeights(np.minimum(self.here, most), np.minimum(self.above, most))

    def share_over(self, most: float) -> float:
        """Give the share of weights over a bound."""
        return float((self.here > most).mean())


def weigh(logged: LoggedLists, model: ListModel) -> ListWeights:
    """Weigh each place of each list under what is assumed of shoppers."""
    ratio: Matrix = np.ones(logged.shown.shape)
    np.divide(logged.target, logged.propensity, out=ratio, where=logged.shown)
    down = _running(ratio, model)
    above: Matrix = np.concatenate([np.ones((len(ratio), 1)), down[:, :-1]], axis=1)
    here = down
    if model is ListModel.POSITION:
        above = np.ones_like(ratio)
    elif model is ListModel.PSEUDO_INVERSE and logged.whole is not None:
        here, above = np.repeat(logged.whole[:, None], ratio.shape[1], axis=1), np.ones_like(ratio)
    elif model is not ListModel.CASCADE:
        here = np.repeat(down[:, -1:], ratio.shape[1], axis=1)
    return ListWeights(np.where(logged.shown, here, 0.0), np.where(logged.shown, above, 0.0))


def _running(ratio: Matrix, model: ListModel) -> Matrix:
    """Weigh what stands down to each place, shape (n, k)."""
    if model is ListModel.POSITION:
        return ratio
    if model is ListModel.PSEUDO_INVERSE:
        return np.asarray(1.0 + np.cumsum(ratio - 1.0, axis=1), dtype=np.float64)
    return np.asarray(np.cumprod(ratio, axis=1), dtype=np.float64)


def usual_clip(num_lists: int) -> float:
    """Bound weights by the square root of the number of lists (Ionides, 2008).

    The bias that it brings vanishes faster than the spread of the estimate.
    """
    return float(np.sqrt(num_lists))
