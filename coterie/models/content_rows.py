"""What the shop says of items, as rows of the closed form beside those of its shoppers.

A word is a row that "had" the items which it stands for, as much as it tells of each (tf-idf). A
closed form that has to rebuild these rows too holds items for alike that people had together and
that are described alike, and trades one for the other where both speak: collective EASE (Jeunen,
Van Balen and Goethals, 2020, doi:10.1145/3383313.3418480). Lists cost what they did.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.content.words import Matrix
from coterie.data.dataset import TrainingSet
from coterie.models.content_graph import item_words
from coterie.models.engagement import engagement
from coterie.recommend.batches import Community
from coterie.recommend.linear import LinearPart
from coterie.training.validation import Validation

WEIGHTS: Final = (0.1, 0.3, 1.0)
"""That validation chooses from, beside none."""
_STANDS_OUT: Final = 1e-5
MOST_ITEMS: Final = 2_000
"""Items of a word, at most: a word of more says little, and each of its items is held against each
other one."""


@dataclass(frozen=True, slots=True)
class ContentRows:
    """Words and the items that each stands for."""

    words: Matrix
    """Shape (words, items), not below 0."""
    weight: float
    """Sum of the squares of all words, in units of that of all that shoppers had."""

    def __len__(self) -> int:
        """Count words."""
        return int(self.words.shape[0])

    def of_size(self, own: Matrix, scale: npt.NDArray[Any]) -> Matrix:
        """Bring the rows to their weight beside shoppers' inputs, (words, items).

        Args:
            own: Inputs of shoppers, (shoppers, items), columns scaled.
            scale: Of the items' columns, (items,).
        """
        said = float((self.words @ sparse.diags_array(scale)).power(2).sum())
        had = float(own.power(2).sum())
        return (self.words * np.float32(np.sqrt(self.weight * had / max(said, 1e-12)))).tocsr()


def words_of_known(data: TrainingSet) -> Matrix:
    """Find the words of items that somebody had, (words, items), of those with two such or more.

    Items that nobody had stay out: what is learned of them is found from the others
    (``content_map``).
    """
    known = np.asarray(engagement(data).sum(axis=0)).ravel() > 0
    words = (sparse.diags_array(known.astype(np.float32)) @ item_words(data)).tocsr()
    words.eliminate_zeros()
    by_word = words.T.tocsr().astype(np.float32)
    items = np.diff(by_word.indptr)
    return by_word[(items > 1) & (items <= MOST_ITEMS)]


def best_rows(
    words: Matrix,
    fitted: Callable[[ContentRows | None], LinearPart],
    community: Community,
    data: TrainingSet,
) -> tuple[LinearPart, float]:
    """Find the weight of words by which the closed form alone is best on validation.

    Args:
        words: Shape (words, items).
        fitted: Solves the closed form with rows, or with none.
        community: The shoppers.
        data: With validation targets; without any there are no rows.

    Returns:
        The best closed form, and the weight; of equals the smallest.
    """
    validation = Validation(data, torch.device("cpu"))
    best, weight, reached = fitted(None), 0.0, -math.inf
    if len(validation) == 0:
        return best, weight
    reached = _ndcg(best, validation, community)
    for choice in WEIGHTS:
        part = fitted(ContentRows(words, choice))
        if (now := _ndcg(part, validation, community)) > reached + _STANDS_OUT:
            best, weight, reached = part, choice, now
    return best, weight


def _ndcg(part: LinearPart, validation: Validation, community: Community) -> float:
    return (
        validation.ndcg(lambda users: part.scores(community.shoppers(users.numpy())).float()) or 0.0
    )
