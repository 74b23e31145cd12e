"""How a model is judged: full ranking over all items, what a shopper had masked.

Only shoppers with something held out count, and every model is judged on the same ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.errors import BadInputError
from coterie.evaluation import metrics
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.metrics import Values
from coterie.progress import Progress, silent

KS = (10, 20)


@runtime_checkable
class RanksItself(Protocol):
    """A model with its own recommender: judged by the very lists that it would serve."""

    def lists(self, user_idx: Ints, k: int) -> Ints:
        """List the best items first, shape (len(user_idx), k), without what was had; -1 pads."""


class Scores(Protocol):
    """A model that scores every item; see ``coterie.models.base.Model``."""

    def scores(self, user_idx: Ints) -> npt.NDArray[np.float32]:
        """Score all items, nothing masked, shape (len(user_idx), num_items)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one model did for b shoppers."""

    user_idx: Ints
    """Shape (b,), ascending: the shoppers with something held out."""
    lists: Ints
    """Shape (b, largest k)."""
    metrics: dict[str, Values]
    """``recall@20`` and the like to one value a shopper, shape (b,)."""
    totals: dict[str, float]
    """``coverage@20`` and the like: figures of all lists together."""
    recall_curve: Values
    """Mean recall at list lengths 1, 2, ..., shape (largest k,)."""

    def mean(self, metric: str) -> float:
        """Average a metric over shoppers, or give a total.

        Raises:
            BadInputError: Nothing of that name was measured.
        """
        if metric in self.totals:
            return self.totals[metric]
        if metric not in self.metrics:
            known = ", ".join([*self.metrics, *self.totals])
            raise BadInputError(f"no metric {metric!r} was measured, only {known}")
        return float(self.metrics[metric].mean())

    def means(self) -> dict[str, float]:
        """Average all metrics, as :meth:`mean` does."""
        return {name: self.mean(name) for name in [*self.metrics, *self.totals]}


def evaluate_model(
    model: Scores | RanksItself,
    data: TrainingSet,
    held_out: Interactions,
    ks: Sequence[int] = KS,
    batch: int = 512,
    category: Ints | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Rank all items for every shopper with something held out, and measure the lists.

    Args:
        model: Fitted on ``data``. One that has ``lists`` is judged by them, else by ``scores``.
        data: What the model has seen; ``ItemSets.hidden`` of it are masked.
        held_out: What came next, targets only.
        ks: Lengths of lists to measure at.
        batch: Shoppers ranked at once: bounds memory at ``batch`` times items scores.
        category: Category of each item, shape (num_items,), -1 unknown; see ``categories``.
        progress: Called after each batch.

    Raises:
        BadInputError: Nothing is held out, or the model's lists are malformed.
    """
    hidden = ItemSets.hidden(data)
    wanted = ItemSets.held_out(held_out, hidden)
    user_idx = np.flatnonzero(wanted.sizes)
    if len(user_idx) == 0:
        raise BadInputError(
            f"none of {len(held_out)} held-out events asks for an item that its shopper did not "
            "have already: is the cutoff after the last event?"
        )
    lists = rank(model, user_idx, hidden, max(ks), batch, progress)
    liked = ItemSets.liked(data)
    return measure(lists, user_idx, wanted.take(user_idx), liked, ks, category)


def rank(
    model: Scores | RanksItself,
    user_idx: Ints,
    hidden: ItemSets,
    k: int,
    batch: int = 512,
    progress: Progress = silent,
) -> Ints:
    """Rank items for some shoppers without what is hidden from each, shape (len(user_idx), k)."""
    lists = np.full((len(user_idx), k), -1, np.int64)
    for start in range(0, len(user_idx), batch):
        users = user_idx[start : start + batch]
        lists[start : start + batch] = _rank_batch(model, users, hidden, k)
        progress("evaluate", start + len(users), len(user_idx))
    metrics.check_lists(lists, hidden.num_items)
    return lists


def _rank_batch(model: Scores | RanksItself, users: Ints, hidden: ItemSets, k: int) -> Ints:
    if isinstance(model, RanksItself):
        lists = np.asarray(model.lists(users, k), np.int64)
        _check_shape(lists.shape, (len(users), k))
        return lists
    scores = np.asarray(model.scores(users))
    _check_shape(scores.shape, (len(users), hidden.num_items))
    return metrics.topk(scores, k, hidden.take(users))


def _check_shape(found: tuple[int, ...], expected: tuple[int, int]) -> None:
    if found != expected:
        raise BadInputError(f"the model answered shape {found}, expected {expected}")


def measure(
    lists: Ints,
    user_idx: Ints,
    wanted: ItemSets,
    had: ItemSets,
    ks: Iterable[int] = KS,
    category: Ints | None = None,
) -> Evaluation:
    """Measure lists that are there already.

    Args:
        lists: Shape (b, at least the largest k).
        user_idx: Whose they are, shape (b,).
        wanted: What was held out for each of them, all non-empty, in the order of ``lists``.
        had: What every user of the training set had and did not turn down.
        ks: Lengths to measure at.
        category: As in ``evaluate_model``.
    """
    hits = wanted.contain(lists)
    by_shopper: dict[str, Values] = {}
    totals: dict[str, float] = {}
    for k in ks:
        named = metrics.accuracy(hits, wanted.sizes, k) | _variety(lists[:, :k], had, category)
        by_shopper |= {f"{name}@{k}": values for name, values in named.items()}
        totals[f"coverage@{k}"] = metrics.coverage(lists[:, :k], had.num_items)
    curve = metrics.recall_by_length(hits, wanted.sizes)
    return Evaluation(user_idx, lists, by_shopper, totals, curve)


def _variety(lists: Ints, had: ItemSets, category: Ints | None) -> dict[str, Values]:
    found = {"novelty": metrics.novelty(lists, had), "diversity": metrics.diversity(lists, had)}
    if category is not None:
        found["category_diversity"] = metrics.category_diversity(lists, category)
    return found
