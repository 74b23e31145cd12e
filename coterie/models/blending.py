"""What is chosen on validation once all terms are there: their shares, and popularity's.

A term's share is judged by all validation targets. How much popularity counts beside
friends' tastes for who is new is judged by the same targets, with a shopper's own history hidden
up to its first item or wholly: among those who have a history, nobody is new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Ints, TrainingSet
from coterie.models.engagement import engagement
from coterie.recommend.batches import Community
from coterie.recommend.learned import LearnedTerm
from coterie.recommend.recommender import Recommender
from coterie.recommend.score import Score
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Parameters, ScoreTerm, all_scores
from coterie.training.validation import Validation

LINEAR_WEIGHTS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the closed form that validation chooses from. Never 0: the epoch that is kept was
the best on the same shoppers, so there the learned half alone looks better than it is. A term after
it may also get none."""
POPULARITY_WEIGHTS: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""What the logarithm of popularity counts for a stranger without friends, in units of the scores'
spread; with each friend and each entry of one's own it counts less."""
TOLD: Final = (0, 1)
"""First items of one's own that a newcomer is known by, when popularity's weight is chosen."""


@dataclass(frozen=True, slots=True)
class Added:
    """A term beside what was learned."""

    term: ScoreTerm
    share: float | None = None
    """Of all terms up to this one; None: validation chooses."""
    choices: tuple[float, ...] = (0.0, *LINEAR_WEIGHTS)


class Blend:
    """Terms of one score, brought to one spread so that a share of each means something.

    The learned term comes first. Each other one takes its share of all that those before it say.
    """

    def __init__(
        self,
        learned: Parameters,
        others: Sequence[Added],
        community: Community,
        data: TrainingSet,
    ):
        self._learned, self._others, self._community = learned, others, community
        self._popularity = torch.from_numpy(popularity(data))
        self._first = LearnedTerm.of_tensors(learned, data.num_items)
        self._alone = Score(self._first)
        self._spreads = [max(float(s.std()), 1e-12) for s in self._scores(some_shoppers(community))]

    def shares(self, data: TrainingSet) -> tuple[float, ...]:
        """Find the share of each term but the first, one after the other.

        Of those that nobody gave, validation chooses by NDCG@20, the smallest of equals; where
        there is none, a term is one of equal parts.
        """
        found: tuple[float, ...] = ()
        for added in self._others:
            share = added.share
            if share is None and data.validation is not None:
                share = self._best_next(data, found)
            found += (1.0 / (len(found) + 2) if share is None else share,)
        return found

    def _best_next(self, data: TrainingSet, found: tuple[float, ...]) -> float | None:
        """Choose the share of the term after those whose shares are found."""
        index = len(found) + 1
        choices = self._others[index - 1].choices

        def each(users: torch.Tensor) -> torch.Tensor:
            parts = self._scores(self._community.shoppers(users.numpy()), index + 1)
            scores = [part / spread for part, spread in zip(parts, self._spreads, strict=False)]
            before = scores[0]
            for share, one in zip(found, scores[1:], strict=False):
                before = (1 - share) * before + share * one
            return torch.stack(
                [(1 - share) * before + share * scores[index] for share in choices]
            ).float()

        reached = Validation(data, torch.device("cpu")).ndcg_of_each(each, len(choices))
        return _best(choices, reached) if reached else None

    def _scores(self, shoppers: Shoppers, num_terms: int | None = None) -> list[torch.Tensor]:
        """Score all items by each of the first terms, as the recommender does."""
        asked = self._alone.read(shoppers)
        first = self._alone.every(self._alone.queries(asked))
        first[torch.from_numpy(asked.lost)] = self._popularity
        others = self._others if num_terms is None else self._others[: num_terms - 1]
        terms = [added.term for added in others]
        return [first, *(all_scores(term, term.query(asked)) for term in terms)]

    def mixed(self, shares: Sequence[float]) -> Parameters:
        """Mix all terms into one set of parameters, without those whose share is 0."""
        weights = [1.0]
        for share in shares:
            weights = [*(weight * (1 - share) for weight in weights), share]
        first, *factors = (w / spread for w, spread in zip(weights, self._spreads, strict=True))
        parameters = self._learned | self._first.times(first).tensors()
        for added, factor in zip(self._others, factors, strict=True):
            if factor:
                parameters |= added.term.times(factor).tensors()
        return parameters


class PopularityBlend:
    """How much popularity counts for who is new, on top of parameters that have no such part."""

    def __init__(self, parameters: Parameters, community: Community, data: TrainingSet):
        self._parameters, self._community = parameters, community
        self._recommender = Recommender(parameters, popularity(data))
        self._known = torch.from_numpy(popularity(data)).log1p()
        spread = float(self._recommender.scores(some_shoppers(community)).std())
        self._unit = spread / max(float(self._known.std()), 1e-9)

    def best(self, data: TrainingSet) -> float:
        """Choose of POPULARITY_WEIGHTS by NDCG@20 on validation, the smallest of equals."""
        validation = Validation(data, torch.device("cpu"))
        reached = np.zeros(len(POPULARITY_WEIGHTS))
        for told in TOLD:

            def each(users: torch.Tensor, told: int = told) -> torch.Tensor:
                shoppers = first_items(self._community.shoppers(users.numpy()), told)
                scores = self._recommender.scores(shoppers)
                more = self._recommender.newness(shoppers).float()[:, None] * self._known
                return torch.stack(
                    [scores + weight * self._unit * more for weight in POPULARITY_WEIGHTS]
                )

            reached += validation.ndcg_of_each(each, len(POPULARITY_WEIGHTS)) or 0.0
        return _best(POPULARITY_WEIGHTS, reached.tolist())

    def added(self, weight: float) -> Parameters:
        """Add popularity to the parameters, with a weight in units of the scores' spread."""
        return self._parameters | {"popularity_weight": torch.tensor(weight * self._unit)}


def first_items(shoppers: Shoppers, n: int) -> Shoppers:
    """Go back to when all but the n oldest own entries of shoppers were still to come."""
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
    """Count how many people had each item, shape (items,)."""
    return np.asarray(engagement(data).sum(axis=0), dtype=np.float32).ravel()


def some_shoppers(community: Community) -> Shoppers:
    """Take about a thousand of the shoppers with a history."""
    known: Ints = np.flatnonzero(np.diff(community.seen_offsets) > 0)
    return community.shoppers(known[:: max(1, len(known) // 1000)])


def _best(choices: tuple[float, ...], reached: list[float]) -> float:
    return choices[int(np.argmax(np.round(reached, 6)))]
