"""What is chosen on validation once both halves are there: their shares, and popularity's.

A share of the closed form is judged by all validation targets. How much popularity counts beside
friends' tastes for who is new is judged by the same targets, with a shopper's own history hidden
up to its first item or wholly: among those who have a history, nobody is new.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Ints, TrainingSet
from coterie.models.engagement import engagement
from coterie.recommend.batches import Community
from coterie.recommend.linear import LinearPart
from coterie.recommend.recommender import Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Parameters
from coterie.training.validation import Validation

MIXES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the closed form that validation chooses from. Never none: the epoch that is kept was
the best on the same shoppers, so there the learned half alone looks better than it is."""
PRIORS: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""What the logarithm of popularity counts for a stranger without friends, in units of the scores'
spread; with each friend and each entry of one's own it counts less."""
TOLD: Final = (0, 1)
"""First items of one's own that are known of a newcomer, when validation chooses the prior."""


class Halves:
    """What was learned and what was solved, brought to one size so that a share means something."""

    def __init__(
        self, learned: Parameters, solved: LinearPart, community: Community, data: TrainingSet
    ):
        self._learned, self._solved, self._community = learned, solved, community
        self._recommender = Recommender(learned, popularity(data))
        some = _some(community)
        self._spread = (
            float(self._recommender.scores(some).std()),
            float(solved.scores(some).std()),
        )

    def best_mix(self, data: TrainingSet) -> float:
        """The share of MIXES with the best NDCG@20 on validation; the smallest of equals."""
        validation = Validation(data, torch.device("cpu"))

        def both(users: torch.Tensor) -> torch.Tensor:
            shoppers = self._community.shoppers(users.numpy())
            learned = self._recommender.scores(shoppers) / self._spread[0]
            solved = self._solved.scores(shoppers) / self._spread[1]
            return torch.stack([(1 - mix) * learned + mix * solved for mix in MIXES]).float()

        reached = validation.ndcg_of_each(both, len(MIXES))
        return _best(MIXES, reached) if reached else 0.5

    def mixed(self, mix: float) -> Parameters:
        """One set of parameters for both."""
        learned, solved = (1 - mix) / self._spread[0], mix / self._spread[1]
        parameters = dict(self._learned)
        for name in ("scale", "item_bias"):
            parameters[name] = parameters[name] * learned
        return parameters | self._solved.times(solved).tensors()


class Prior:
    """How much popularity counts for who is new, on top of parameters that have no such part."""

    def __init__(self, parameters: Parameters, community: Community, data: TrainingSet):
        self._parameters, self._community = parameters, community
        self._recommender = Recommender(parameters, popularity(data))
        self._known = torch.from_numpy(popularity(data)).log1p()
        spread = float(self._recommender.scores(_some(community)).std())
        self._unit = spread / max(float(self._known.std()), 1e-9)

    def best(self, data: TrainingSet) -> float:
        """The one of PRIORS with the best NDCG@20 on validation; the smallest of equals."""
        validation = Validation(data, torch.device("cpu"))
        reached = np.zeros(len(PRIORS))
        for told in TOLD:

            def each(users: torch.Tensor, told: int = told) -> torch.Tensor:
                shoppers = first_items(self._community.shoppers(users.numpy()), told)
                scores = self._recommender.scores(shoppers)
                more = self._recommender.newness(shoppers).float()[:, None] * self._known
                return torch.stack([scores + prior * self._unit * more for prior in PRIORS])

            reached += validation.ndcg_of_each(each, len(PRIORS)) or 0.0
        return _best(PRIORS, reached.tolist())

    def added(self, prior: float) -> Parameters:
        """The parameters with it."""
        return self._parameters | {"prior": torch.tensor(prior * self._unit)}


def first_items(shoppers: Shoppers, n: int) -> Shoppers:
    """The same shoppers when all but the n oldest entries of their own were still to come."""
    b, histories = len(shoppers), shoppers.histories
    counts = np.diff(histories.offsets)
    person = np.repeat(np.arange(len(counts)), counts)
    from_the_oldest = histories.offsets[1:][person] - np.arange(len(person))
    kept = (person >= b) | (from_the_oldest <= n)
    known = histories.where(kept)
    age = known.age_days
    row, own = person[kept], person[kept] < b
    # Ages count from one's own newest entry, which is now an older one: the first of each row.
    age[own] -= age[known.offsets[:-1][row[own]]]
    return replace(shoppers, histories=replace(known, age_days=age))


def popularity(data: TrainingSet) -> npt.NDArray[np.float32]:
    """How many people had each item, shape (items,)."""
    return np.asarray(engagement(data).sum(axis=0), dtype=np.float32).ravel()


def _some(community: Community) -> Shoppers:
    """A thousand of those with a history, or so."""
    known: Ints = np.flatnonzero(np.diff(community.seen_offsets) > 0)
    return community.shoppers(known[:: max(1, len(known) // 1000)])


def _best(choices: tuple[float, ...], reached: list[float]) -> float:
    return choices[int(np.argmax(np.round(reached, 6)))]
