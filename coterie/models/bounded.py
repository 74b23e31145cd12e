"""The bounded model: all that it keeps of people is two sums with noise, and what follows of them.

How many had an item, and which items were had together (``coterie.privacy.sums``), are the only
looks at anybody's events; whatever is made of their noisy values afterwards tells nothing more of
any one person (differential privacy is closed under post-processing). So McSherry and Mironov
(2009, "Differentially private recommender systems") made Netflix' neighbourhoods and factors::

    p = sum r_u             + noise        r_u: a person's row, scaled to a length of at most c
    G = sum r_u r_u'        + noise        of the most popular items by p
    G = V E V'                             the directions that stand out of the noise
    B = V (E / (E + l2)) V'                ridge regression from items to items

It scores with the same term as the closed form (``coterie.recommend.linear``): own entries by B,
friends' by a share of B, and popularity by the logarithm of p. Of ties nothing is learned.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.linalg import eigsh
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Floats, TrainingSet
from coterie.models.bounded_config import TUNING, BoundedConfig
from coterie.models.engagement import engagement
from coterie.models.listing import Listing
from coterie.models.space import Tuning
from coterie.privacy.accounting import accountant_name, spent
from coterie.privacy.noise import Noise
from coterie.privacy.promise import Promise
from coterie.privacy.sums import counts, had_together
from coterie.progress import Progress, silent
from coterie.recommend.encoder import Encoder, start_of_kinds
from coterie.recommend.learned import ENCODER
from coterie.recommend.linear import InputWeights, LinearPart
from coterie.recommend.score import WIDE
from coterie.recommend.terms import Parameters

Doubles = npt.NDArray[np.float64]
SUMS: Final = ("popularity", "had_together")
"""Names of the noisy sums, in the order in which the budget is shared."""
_WHOLE_UP_TO: Final = 1500
"""Items up to which all directions are found at once; of more, only those that are kept."""
_POWERS: Final = (0.75, 0.5)
"""As the closed form's: of friends, and of the length of a friend's history."""


@dataclass(frozen=True, slots=True)
class NoisySums:
    """All that is known of people."""

    popularity: Doubles
    """p, not below 0, shape (items,)."""
    some: npt.NDArray[np.int64]
    """The items that G is of, shape (m,)."""
    together: Doubles
    """G, shape (m, m)."""
    deviation: float
    """Of the noise on G's diagonal; 0: none."""


class BoundedModel(Listing):
    """Learns from noisy sums alone, then scores and lists through the recommender."""

    name: ClassVar[str] = "bounded"
    label: ClassVar[str] = "Bounded"
    config_class: ClassVar[type[BoundedConfig]] = BoundedConfig
    tuning: ClassVar[Tuning] = TUNING
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: BoundedConfig | None = None):
        super().__init__()
        self.config = config or self.config_class()
        self.popularity: Floats = np.zeros(0, np.float32)
        """See ``base.Bounded``."""
        self.promise: Promise | None = None
        """See ``base.Bounded``."""

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:  # noqa: ARG002
        """See ``base.Model``; reads people's events for two sums, and no more."""
        had = engagement(data)
        multipliers = self._multipliers(int(np.count_nonzero(np.diff(had.indptr))))
        sums = noisy_sums(self.config, had, multipliers)
        self.popularity = sums.popularity.astype(np.float32)
        self.promise = self._promise(multipliers)
        self.use(self._made_of(sums), data)

    def use(self, parameters: Parameters, data: TrainingSet) -> None:
        """See ``base.Releasable``; with the noisy popularity, which has to be there."""
        self.use_with(parameters, self.popularity, data)

    def _multipliers(self, num_people: int) -> tuple[float, ...]:
        if self.config.epsilon is None:
            return (0.0, 0.0)
        budget = self.config.budget()
        budget.check_people(num_people)
        share = self.config.popularity_share
        return budget.multipliers((share, 1 - share))

    def _promise(self, multipliers: tuple[float, ...]) -> Promise | None:
        """Say what was promised; noise that can be drawn again hides nothing."""
        if self.config.epsilon is None or self.config.noise_seed is not None:
            return None
        return Promise(
            epsilon=spent(multipliers, self.config.delta),
            delta=self.config.delta,
            accountant=accountant_name(),
            max_entries=self.config.max_entries,
            row_length=self.config.row_length,
            noise=dict(zip(SUMS, multipliers, strict=True)),
        )

    def _made_of(self, sums: NoisySums) -> Parameters:
        """Make a release's parameters: nothing here sees people."""
        num_items = len(sums.popularity)
        to_own, to_out = factors(self.config, sums)
        own, out = (np.zeros((num_items, to_own.shape[1])) for _ in range(2))
        own[sums.some], out[sums.some] = to_own, to_out
        log = np.log1p(sums.popularity)
        unit = _spread(to_own, to_out, sums.popularity[sums.some]) / max(float(log.std()), 1e-9)
        weights = InputWeights(
            start_of_kinds().double().exp().numpy(), self.config.age_decay, *_POWERS
        )
        in_, out_, none = torch.from_numpy(own), torch.from_numpy(out), sparse.csr_matrix
        part = LinearPart(
            weights, in_, in_ * self.config.friend_weight, out_, none((num_items, num_items))
        )
        return _unlearned(out_) | part.tensors() | {
            "item_bias": torch.from_numpy(self.config.popular * unit * log).float(),
            "popularity_weight": torch.tensor(unit),
        }  # fmt: skip


def noisy_sums(config: BoundedConfig, had: Any, multipliers: tuple[float, ...]) -> NoisySums:
    """Add up people, and hide each of them.

    Args:
        config: How far each counts.
        had: ``scipy.sparse`` matrix of ones, (people, items).
        multipliers: Noise of both sums over what one person can change; 0: none.
    """
    noise, length = Noise.of(config.noise_seed), float(np.sqrt(config.max_entries))
    popularity = counts(had, length) + noise.gaussian(had.shape[1], multipliers[0] * length)
    popularity = np.maximum(popularity, 0.0)
    some = np.sort(np.argsort(-popularity, kind="stable")[: config.max_items])
    deviation = multipliers[1] * config.row_length**2
    together = had_together(had[:, some].tocsr(), config.row_length)
    together += noise.symmetric(len(some), deviation)
    return NoisySums(popularity, some, together, deviation)


def factors(config: BoundedConfig, sums: NoisySums) -> tuple[Doubles, Doubles]:
    """Solve the ridge regression in the directions that stand out of the noise.

    Returns:
        What having an item says, and what asks for it, each of shape (m, directions); filled up
        with zeros where few stand out.
    """
    scale = np.maximum(sums.popularity[sums.some], 1.0) ** -config.item_power
    scaled = sums.together * scale[:, None] * scale
    values, basis = _largest(scaled, config.rank)
    # Of the noise alone: twice the root of a row's variance, as of a Wigner matrix.
    edge = 2.0 * sums.deviation / np.sqrt(2.0) * float(scale.max() * np.sqrt((scale**2).sum()))
    kept = values > max(config.edge * edge, 1e-9)
    values, basis = values[kept], basis[:, kept]
    l2 = config.l2 * max(float(np.diagonal(scaled).mean()), 1e-9)
    own, out = basis * (values / (values + l2)) * scale[:, None], basis / scale[:, None]
    # Vectors of fewer numbers are no vectors to the recommender; of zeros they count nothing.
    more = ((0, 0), (0, max(0, WIDE - own.shape[1])))
    return np.pad(own, more), np.pad(out, more)


def _largest(symmetric: Doubles, num: int) -> tuple[Doubles, Doubles]:
    """Find the largest eigenvalues, shape (num or all,), and their vectors."""
    if len(symmetric) <= max(_WHOLE_UP_TO, num):
        values, basis = np.linalg.eigh(symmetric)
        return values[-num:], basis[:, -num:]
    start = np.ones(len(symmetric))
    values, basis = eigsh(symmetric, k=num, which="LA", v0=start, tol=1e-4)
    return np.asarray(values), np.asarray(basis)


def _spread(own: Doubles, out: Doubles, popularity: Doubles) -> float:
    """Measure the scores' spread where an item is had, over items as often as they are had."""
    weight = popularity / max(float(popularity.sum()), 1e-9)
    # The variance of own_e . out_i over i, for all e at once.
    cov = np.cov(out.T, bias=True).reshape(out.shape[1], out.shape[1])
    variance = np.einsum("ed,df,ef->e", own, cov, own)
    return max(float(np.sqrt(weight @ np.maximum(variance, 0.0))), 1e-6)


def _unlearned(out: torch.Tensor) -> Parameters:
    """Make the learned half of a model that has none: vectors are there, and count nothing."""
    encoder = {f"{ENCODER}{name}": p.detach() for name, p in Encoder().named_parameters()}
    vectors = F.normalize(out, dim=1).float()
    return encoder | {
        # Of one number that is never 0: who has any entry is known, and not listed by popularity.
        "item_in": torch.ones_like(vectors),
        "item_out": vectors,
        "inverse_temperature": torch.tensor(0.0),
    }
