"""Linear with friends: EASE's closed form, over what shoppers had and what their friends had.

A ridge regression from the inputs of ``coterie.recommend.linear`` (own x and friends' f, columns
scaled by popularity ** -item_power) to what shoppers had, with a prior that an item's own and
friends' weights resemble each other. It is solved in its dual form, where the matrix to invert has
a row for each shopper (kernel ridge regression)::

    K = X X' + g F F' + tau sqrt(g) (X F' + F X'),    A = (K + l2 W^-1)^-1 Y
    own = (X + tau sqrt(g) F)' A,                      friend = (g F + tau sqrt(g) X)' A

W weighs shoppers by history_length ** -history_discount. As in EASE (Steck, 2019) an item is not
explained by itself: own's diagonal is left out and its columns are divided by what it left
unexplained, here to the power ``residual_power`` (0: ridge, 1: EASE).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

from coterie.data.dataset import Ints, TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.progress import Progress, silent
from coterie.recommend.batches import Community
from coterie.recommend.linear import InputWeights, LinearPart, strongest
from coterie.schema import EVENT_KINDS, MAX_FRIENDS, MAX_RECENT

Dense = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SocialLinearConfig:
    """Regularisation, and what counts how much. Defaults are about right on every public set."""

    l2: float = 12.0
    """In units of the mean squared length of a shopper's input."""
    friends: float = 0.1
    """g: how much friends' items matter beside one's own; 0 for not at all."""
    alike: float = 0.3
    """tau, 0 to 1: how much own and friends' weights of an item resemble each other."""
    history_discount: float = 0.5
    """0: a shopper counts as such; 1: in inverse proportion to the length of the history."""
    item_power: float = 0.15
    residual_power: float = 0.5
    popularity_discount: float = 0.05
    """Scores are divided by popularity to this power."""
    friend_power: float = 0.75
    """Of the number of friends: 0 adds their inputs up, 1 takes the mean."""
    history_power: float = 0.5
    """Of the length of a friend's history, likewise."""
    rate: float = 0.3
    """An entry's weight falls with (1 + age in days) to this power."""
    use_ties: bool = True
    neighbours: int = 300
    """Sources that each item keeps, of each kind."""
    max_shoppers: int = 14_000
    """Most to learn from, drawn at random where there are more: 14,000 take 2 GB and a minute."""
    max_items: int = MAX_RECENT
    max_friends: int = MAX_FRIENDS
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.l2 > 0 or self.friends < 0 or not 0 <= self.alike <= 1:
            raise BadInputError(f"l2 must be over 0, friends not below 0, alike a share: {self}")
        if min(self.neighbours, self.max_shoppers) < 1:
            raise BadInputError(f"neighbours and max_shoppers must be over 0, found {self}")


class SocialLinear:
    """Closed form; scores through the same sums as serving."""

    name: ClassVar[str] = "social_linear"

    def __init__(self, config: SocialLinearConfig = SocialLinearConfig()):
        self.config = config
        self._part: LinearPart | None = None
        self._community: Community | None = None

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:  # noqa: ARG002
        """See ``base.Model``."""
        seen = data if self.config.use_ties else data.without_ties()
        self._community = Community.of(seen, self.config.max_items, self.config.max_friends)
        self._part = fit_linear(self.config, seen, self._community)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        check_users(user_idx, self._community.histories.num_people if self._community else 0)
        assert self._part is not None
        assert self._community is not None
        scores: Scores = self._part.scores(self._community.shoppers(user_idx)).float().numpy()
        return scores


def fit_linear(config: SocialLinearConfig, data: TrainingSet, community: Community) -> LinearPart:
    """Solve for the weights.

    Raises:
        BadInputError: There is nothing to learn from.
    """
    had = engagement(data)
    learners = _learners(had, config)
    shoppers = community.shoppers(learners)
    weights = _input_weights(config)
    # An item's scale: how many had it, smoothed so that what nobody had weighs nothing special.
    popularity = np.maximum(np.asarray(had.sum(axis=0)).ravel(), 1.0)
    scale = sparse.diags_array((popularity**-config.item_power).astype(np.float32))
    own = (weights.own(shoppers, data.num_items).astype(np.float32) @ scale).tocsr()
    friends = (weights.friends(shoppers, data.num_items).astype(np.float32) @ scale).tocsr()
    share = _share(config, own, friends)
    answers = weights.own(shoppers, data.num_items).astype(np.float32).tocsr()
    solved = _solve(config, own, friends * share, answers)
    targets = popularity**-config.popularity_discount
    return _part(config, weights, scale, own, friends * share, share, solved, answers, targets)


def _learners(had: Any, config: SocialLinearConfig) -> Ints:
    learners = np.flatnonzero(np.diff(had.indptr) > 0)
    if len(learners) <= config.max_shoppers:
        return learners
    rng = np.random.default_rng(config.seed)
    return np.sort(rng.choice(learners, config.max_shoppers, replace=False))


def _input_weights(config: SocialLinearConfig) -> InputWeights:
    # As the encoder's weights of kinds stand before it has learned: from e^-1 for a view to 1.
    kind = np.exp(np.linspace(-1.0, 0.0, len(EVENT_KINDS)))
    return InputWeights(kind, config.rate, config.friend_power, config.history_power)


def _share(config: SocialLinearConfig, own: Any, friends: Any) -> float:
    """sqrt(g), with friends' inputs brought to the size of own ones first."""
    theirs = float(friends.power(2).sum())
    return float(np.sqrt(config.friends * own.power(2).sum() / theirs)) if theirs > 0 else 0.0


def _solve(config: SocialLinearConfig, own: Any, friends: Any, answers: Any) -> Dense:
    """(K + l2 W^-1)^-1, shape (learners, learners), single precision."""
    kernel = _gram(own, own)
    if friends.nnz:
        kernel += _gram(friends, friends)
        cross = _gram(own, friends)
        kernel += config.alike * cross
        kernel += config.alike * cross.T
        del cross
    lengths = np.asarray(answers.sum(axis=1)).ravel()
    mean = float(own.power(2).sum()) / own.shape[0]
    discount = (lengths / lengths.mean()) ** config.history_discount
    np.einsum("ii->i", kernel)[:] += (config.l2 * mean * discount).astype(np.float32)
    factor, failed = lapack.spotrf(kernel.T, lower=True, overwrite_a=True, clean=False)
    if failed:
        raise BadInputError(f"the kernel is not positive definite: raise l2 ({config.l2})")
    inverse, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(inverse, -1).T)


def _gram(left: Any, right: Any) -> Dense:
    """left @ right.T, dense, a block of rows at a time."""
    out = np.empty((left.shape[0], right.shape[0]), np.float32)
    turned = right.T.tocsr()
    for start in range(0, len(out), 1024):
        out[start : start + 1024] = (left[start : start + 1024] @ turned).toarray()
    return out


def _part(
    config: SocialLinearConfig,
    weights: InputWeights,
    scale: Any,
    own: Any,
    friends: Any,
    share: float,
    solved: Dense,
    answers: Any,
    targets: npt.NDArray[np.float64],
) -> LinearPart:
    """Both matrices, a block of target items at a time."""
    from_own = (scale @ (own + config.alike * friends).T).tocsr()
    from_friends = (share * (scale @ (friends + config.alike * own).T)).tocsr()
    columns = answers.tocsc()
    kept: tuple[list[Any], list[Any]] = ([], [])
    width = max(64, 2**25 // max(1, own.shape[1]))
    for start in range(0, own.shape[1], width):
        block = columns[:, start : start + width].tocsr()
        dual = np.ascontiguousarray((block.T @ solved).T)  # solved is symmetric
        place = np.arange(dual.shape[1])
        to_own = from_own @ dual
        explained = to_own[start + place, place]
        to_own[start + place, place] = 0.0
        left = np.clip(1.0 - explained, 1e-3, 1.0) ** config.residual_power
        per_target = (targets[start : start + width] / left).astype(np.float32)
        kept[0].append(strongest(to_own * per_target, config.neighbours))
        if share > 0:
            theirs = (from_friends @ dual) * per_target
            kept[1].append(strongest(theirs, config.neighbours))
    matrices = [sparse.hstack(blocks, "csr") for blocks in kept if blocks]
    if share == 0:
        matrices.append(sparse.csr_matrix(matrices[0].shape))
    return LinearPart(weights, *(matrix.astype(np.float64) for matrix in matrices))
