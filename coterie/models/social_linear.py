"""Linear with friends: a closed form over what shoppers had and what their friends had.

A ridge regression from the inputs of ``coterie.recommend.linear`` (own x and friends' f, columns
scaled by popularity ** -item_power) to what shoppers had, with a prior that an item's own and
friends' weights resemble each other. Its dual form (kernel ridge regression) is::

    K = X X' + g F F' + tau sqrt(g) (X F' + F X'),    A = (K + l2 W^-1)^-1 Y
    own = (X + tau sqrt(g) F)' A,                      friend = (g F + tau sqrt(g) X)' A

W weighs shoppers by history_length ** -history_discount. Of W^.5 K W^.5 the ``rank`` largest
eigenpairs V, E are found by randomised subspace iteration (Halko, Martinsson and Tropp, 2011,
arXiv:0909.4061); time and memory are linear in shoppers, items and events, nothing of
items x items or shoppers x shoppers is ever made. What is left is flat and mostly noise: its
inverse is taken to be one number, c = residual_weight / (l2 + smallest of E), for own items alone::

    A = W^.5 (V (E + l2)^-1 V' + c (I - V V')) W^.5 Y          (I for X, 0 for F)

c X' Y is what was had by the same people: of each item the nearest are kept, and added to what the
vectors say. A low rank beside a linear filter is GF-CF's form (Shen et al., 2021,
arXiv:2108.07567). Where tastes are broad it is worth much (docs/models.md).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.data.dataset import Floats, TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.content_rows import ContentRows
from coterie.models.engagement import check_users, engagement
from coterie.models.kernel_ridge import Inputs, solve
from coterie.models.neighbours import nearest
from coterie.models.space import DISLIKE_WEIGHTS, Choice, LogUniform, Tuning, Uniform
from coterie.progress import Progress, silent
from coterie.recommend.batches import Community
from coterie.recommend.encoder import start_of_kinds
from coterie.recommend.linear import InputWeights, LinearPart

MAX_NUMBERS: Final = 50_000_000
"""Of one set of item vectors, and of nearest items: a release holds three sets and one such."""
MAX_LOOKED_AT: Final = 20_000
"""Shoppers by whom the size of friends' inputs is told."""


@dataclass(frozen=True, slots=True)
class SocialLinearConfig:
    """Regularisation, and what counts how much. Defaults are about right on every public set."""

    rank: int = 256
    """Numbers of an item's vectors, at most: fewer where items x rank passes ``MAX_NUMBERS``."""
    residual_weight: float = 0.5
    """Weight of what lies beyond the rank, kept as each item's nearest: 1 is that of the least
    direction within the rank, 0 cuts it off."""
    neighbours: int = 8_000
    """Nearest items kept of each item, at most: fewer where all would pass ``MAX_NUMBERS``."""
    l2: float = 12.0
    """Ridge regularisation, in units of the mean squared length of a shopper's input."""
    friend_weight: float = 0.1
    """g: weight of friends' items beside a shopper's own; 0: none."""
    tie_coupling: float = 0.3
    """tau, 0 to 1: how far an item means the same had by a friend as had by oneself."""
    history_discount: float = 0.5
    """Power of a history's length that a shopper's weight is divided by: 0 weighs all shoppers
    alike, 1 all events."""
    item_power: float = 0.15
    """Power of popularity that an item is divided by as an input; 0: popular ones say as much."""
    popularity_discount: float = 0.05
    """Power of popularity that an item's scores are divided by; below 0 raises popular ones."""
    friend_power: float = 0.75
    """Power of the number of friends that their inputs are divided by: 0 sums, 1 averages."""
    history_power: float = 0.5
    """Power of the length of a friend's history that it is divided by, likewise."""
    age_decay: float = 0.3
    """Power by which an entry loses weight, (1 + age in days) to minus this; 0: none."""
    dislike_weight: float = 0.0
    """Share that an item that was turned down takes away, of what it would have added had it been
    liked; 0: nothing. It is never an answer."""
    least_friend_history: float = 0.0
    """Purchases as which a friend's history counts at least, in lists; 0: it counts as it is."""
    use_ties: bool = True
    """Whether friends count at all."""
    iterations: int = 4
    """Passes of the subspace iteration; each reads all inputs twice."""
    seed: int = 0
    """Seed of the subspace iteration's start."""
    renamed: ClassVar[Mapping[str, str]] = {
        "tail": "residual_weight",
        "friends": "friend_weight",
        "alike": "tie_coupling",
        "rate": "age_decay",
    }
    """See ``coterie.renamed``."""

    def __post_init__(self) -> None:
        if not self.l2 > 0 or self.friend_weight < 0 or not 0 <= self.tie_coupling <= 1:
            raise BadInputError(
                f"l2 must be over 0, friend_weight not below 0, tie_coupling a share: {self}"
            )
        if not 0 <= self.dislike_weight < math.inf:
            raise BadInputError(f"dislike_weight must not be below 0, found {self}")
        if not 0 <= self.least_friend_history < math.inf:
            raise BadInputError(f"least_friend_history must not be below 0, found {self}")
        if min(self.rank, self.iterations) < 1 or min(self.residual_weight, self.neighbours) < 0:
            raise BadInputError(
                f"rank and iterations start at 1, residual_weight and neighbours at 0: {self}"
            )


TUNING: Final = Tuning(
    {
        "l2": LogUniform(2.0, 100.0),
        "friend_weight": LogUniform(0.005, 2.0),
        "tie_coupling": Uniform(0.0, 1.0),
        "history_discount": Uniform(0.0, 1.0),
        "item_power": Uniform(0.0, 0.5),
        "popularity_discount": Uniform(-0.1, 0.4),
        "age_decay": Uniform(0.0, 0.6),
        "rank": Choice((64, 128, 256, 512)),
        "residual_weight": Uniform(0.0, 1.25),
        "dislike_weight": DISLIKE_WEIGHTS,
    },
    starts=(
        {
            "l2": 4.2,
            "friend_weight": 0.01,
            "tie_coupling": 0.5,
            "history_discount": 0.3,
            "item_power": 0.3,
            "popularity_discount": 0.17,
            "rank": 128,
            "residual_weight": 1.1,
        },
        {
            "l2": 8.0,
            "friend_weight": 0.024,
            "tie_coupling": 0.3,
            "history_discount": 0.5,
            "item_power": 0.2,
            "popularity_discount": 0.28,
            "rank": 128,
            "residual_weight": 0.2,
        },
        {
            "l2": 5.0,
            "friend_weight": 0.03,
            "tie_coupling": 0.25,
            "history_discount": 0.2,
            "item_power": 0.1,
            "popularity_discount": 0.0,
            "rank": 64,
            "residual_weight": 0.65,
        },
    ),
)
"""Its own settings are for shops where little is known of each shopper; the starts are for long
histories, of many shoppers with broad tastes or of few, and for few shoppers of whom little is
known."""


class SocialLinear:
    """The closed form alone; scores through the same sums as serving."""

    name: ClassVar[str] = "social_linear"
    label: ClassVar[str] = "Linear with friends"
    config_class: ClassVar[type[SocialLinearConfig]] = SocialLinearConfig
    tuning: ClassVar[Tuning] = TUNING
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: SocialLinearConfig = SocialLinearConfig()):
        self.config = config
        self._part: LinearPart | None = None
        self._community: Community | None = None

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:  # noqa: ARG002
        """See ``base.Model``."""
        community = self._community_of(data.with_all_friends())
        self._part = fit_linear(self.config, data, community)
        self._community = community.in_circle(data)

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        self._check_users(np.zeros(0, np.int64))
        self._community = self._community_of(data)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        self._check_users(user_idx)
        assert self._part is not None
        assert self._community is not None
        return np.asarray(self._part.scores(self._community.shoppers(user_idx)).float().numpy())

    def _community_of(self, data: TrainingSet) -> Community:
        seen = data if self.config.use_ties else data.without_ties()
        return Community.of(seen)

    def _check_users(self, user_idx: npt.NDArray[np.int64]) -> None:
        check_users(user_idx, self._community.histories.num_people if self._community else 0)


def fit_linear(
    config: SocialLinearConfig,
    data: TrainingSet,
    community: Community,
    device: torch.device | str = "cpu",
    content: ContentRows | None = None,
    target_weight: Floats | None = None,
) -> LinearPart:
    """Solve for the closed form's vectors, on ``device``.

    Rows of ``content`` are to be rebuilt beside what shoppers had; targets count as
    ``target_weight`` says, by item.

    Raises:
        BadInputError: There is nothing to learn from.
    """
    had = engagement(data)
    learners = np.flatnonzero(np.diff(had.indptr) > 0)
    shoppers = community.shoppers(learners).counting(config.dislike_weight)
    weights = _input_weights(config)
    own = weights.own(shoppers, data.num_items)
    answers = own.maximum(0.0)
    popularity = np.maximum(np.asarray(had.sum(axis=0)).ravel(), 1.0)
    lengths = np.diff(had.indptr)[learners]
    row_weight = (lengths / lengths.mean()) ** (-config.history_discount / 2)
    scale = popularity**-config.item_power
    own, likes = _scaled(row_weight, own, scale), _scaled(row_weight, answers, scale)
    ties, entries = weights.friends_in_two(shoppers, data.num_items)
    ties = _scaled(row_weight, ties, np.ones(ties.shape[1]))
    entries = _scaled(np.ones(entries.shape[0]), entries, scale)
    l2 = config.l2 * float((answers @ sparse.diags_array(scale)).power(2).sum()) / len(learners)
    share = _share(config, own, ties, entries)
    targets = _scaled(row_weight, answers, scale**0 if target_weight is None else target_weight)
    if content is not None:
        own, likes, targets, ties = _with_content(content, scale, own, likes, targets, ties)
    x, f = Inputs(device, own), Inputs(device, ties, entries * share)
    rank = min(config.rank, *own.shape, max(64, MAX_NUMBERS // data.num_items))
    solved = solve(
        x,
        f,
        Inputs(device, targets),
        l2=l2,
        tau=config.tie_coupling,
        rank=rank,
        residual_weight=config.residual_weight,
        iterations=config.iterations,
        seed=config.seed,
    )
    to_own, to_friend, out = (
        v.double().cpu().numpy() for v in (solved.own, solved.friend, solved.out)
    )
    discount = popularity**-config.popularity_discount
    out *= discount[:, None]
    most = config.neighbours if solved.left > 0 else 0
    near = nearest(likes, targets, discount, most, MAX_NUMBERS)
    near = (sparse.diags_array(solved.left * scale) @ near).tocsr()
    to_own, to_friend = to_own * scale[:, None], to_friend * (share * scale)[:, None]
    own_in, friend_in = torch.from_numpy(to_own), torch.from_numpy(to_friend)
    # Lists alone know the least: how friends are learned from stays as it is.
    weights = replace(weights, least_friend=config.least_friend_history)
    return LinearPart(weights, own_in, friend_in, torch.from_numpy(out), near)


def _input_weights(config: SocialLinearConfig) -> InputWeights:
    # As the encoder's weights of kinds stand before it has learned.
    kind = start_of_kinds().double().exp().numpy()
    powers = config.age_decay, config.friend_power, config.history_power
    return InputWeights(kind, *powers, config.dislike_weight)


def _scaled(rows: npt.NDArray[Any], inputs: Any, columns: npt.NDArray[Any]) -> Any:
    scaled = sparse.diags_array(rows) @ inputs @ sparse.diags_array(columns)
    return scaled.tocsr().astype(np.float32)


def _with_content(
    content: ContentRows, scale: npt.NDArray[Any], own: Any, likes: Any, targets: Any, ties: Any
) -> tuple[Any, Any, Any, Any]:
    """Put rows of content below those of shoppers; nobody's friends had them."""
    answered = content.of_size(own, scale)
    said = _scaled(np.ones(len(content)), answered, scale)
    nothing = sparse.csr_matrix((len(content), int(ties.shape[1]))).astype(np.float32)
    return _below(own, said), _below(likes, said), _below(targets, answered), _below(ties, nothing)


def _below(rows: Any, more: Any) -> Any:
    stacked: Any = sparse.vstack([rows, more])
    return stacked.tocsr()


def _share(config: SocialLinearConfig, own: Any, ties: Any, entries: Any) -> float:
    """Compute sqrt(g), with friends' inputs brought to the size of own ones first."""
    # Of many shoppers a sample is as good; all friends' inputs at once could fill the memory.
    some = slice(None, None, -(-own.shape[0] // MAX_LOOKED_AT))
    theirs = float((ties[some] @ entries).power(2).sum())
    ours = float(own[some].power(2).sum())
    return float(np.sqrt(config.friend_weight * ours / theirs)) if theirs > 0 else 0.0
