"""Shown lists as arrays: what every estimate of another policy is computed from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import BadInputError

Matrix = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LoggedLists:
    """n lists of at most k places, and what another policy would have done in their stead."""

    shown: Bools
    """Shape (n, k): whether something stood at this place; what follows a gap is a gap."""
    reward: Matrix
    """Shape (n, k): what each place earned; ignored where nothing stood."""
    propensity: Matrix
    """Shape (n, k), in (0, 1]: probability that this item stood at this place, given the shopper
    and what stood above; ignored where nothing stood."""
    target: Matrix
    """Shape (n, k), in [0, 1]: the same probability under the policy that is judged."""
    shopper: Ints
    """Shape (n,): who was shown the list; lists of one shopper are not independent."""
    predicted: Matrix | None = None
    """Shape (n, k): reward of the shown item at its place, foreseen by a model that did not learn
    from this shopper; doubly robust estimates alone ask for it."""
    expected: Matrix | None = None
    """Shape (n, k): the model's mean over what the judged policy would show there, given the same
    items above."""
    whole: Matrix | None = None
    """Shape (n,): weights of whole lists by the pseudo-inverse, where places are not filled
    independently (``slates.pseudo_inverse_weights``); None: they are."""

    def __post_init__(self) -> None:
        shape = self.shown.shape
        columns = (self.reward, self.propensity, self.target, self.predicted, self.expected)
        if any(one is not None and one.shape != shape for one in columns):
            raise BadInputError(
                f"columns of shown lists differ in shape from {shape}: give each place one value"
            )
        if len(shape) != 2 or self.shopper.shape != shape[:1]:
            raise BadInputError(
                f"{self.shopper.shape} shoppers for lists of shape {shape}: give each list one"
            )
        if not self.shown.any():
            raise BadInputError("the log holds no shown item: was anything logged in that time?")
        if (self.shown[:, 1:] & ~self.shown[:, :-1]).any():
            raise BadInputError("a list has a gap before its end: close it, or drop the list")
        _check_range("propensity", self.propensity[self.shown], above_zero=True)
        _check_range("target probability", self.target[self.shown], above_zero=False)
        if not np.isfinite(self.reward[self.shown]).all():
            raise BadInputError("a reward is not a number: join what was done with items again")

    @property
    def num_lists(self) -> int:
        """Number of lists."""
        return len(self.shown)

    def take(self, rows: Ints | Bools) -> "LoggedLists":
        """Take the lists of an index or a mask, in that order."""
        return LoggedLists(
            self.shown[rows],
            self.reward[rows],
            self.propensity[rows],
            self.target[rows],
            self.shopper[rows],
            None if self.predicted is None else self.predicted[rows],
            None if self.expected is None else self.expected[rows],
            None if self.whole is None else self.whole[rows],
        )


def _check_range(what: str, values: Matrix, above_zero: bool) -> None:
    """Refuse probabilities that are none."""
    good = np.isfinite(values) & (values <= 1.0 + 1e-9) & (values >= 0.0)
    if above_zero:
        good &= values > 0.0
    if not good.all():
        worst = float(values[~good][0])
        asked = "(0, 1]" if above_zero else "[0, 1]"
        raise BadInputError(
            f"a {what} is {worst:g}, which is not in {asked}: {int((~good).sum()):,} of "
            f"{len(values):,} places are so; log the probability that each item stood at its place"
        )
