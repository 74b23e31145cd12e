"""Metrics per shopper from ranked lists: how right a list is, and how varied.

Definitions are those of one protocol for all models: recall@k is
hits / |held out|, NDCG@k is binary with the ideal of min(k, |held out|), precision@k is hits / k.
"""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.evaluation.item_sets import ItemSets

Values = npt.NDArray[np.float64]
"""One number a shopper, shape (b,)."""
Hits = npt.NDArray[np.bool_]
"""Which entries of the lists were held out, shape (b, k), best first."""

ACCURACY = ("recall", "ndcg", "precision", "hit_rate")
VARIETY = ("novelty", "diversity", "category_diversity")


def topk(scores: npt.NDArray[np.floating], k: int, masked: ItemSets | None = None) -> Ints:
    """Find the k best items of each row, best first; equal scores go to the lower item row.

    Args:
        scores: Shape (b, num_items); -inf says never to show an item. Left as it is.
        k: Length of the lists, over 0.
        masked: Items of each row not to show.

    Returns:
        Item rows, shape (b, k); -1 where fewer than k items may be shown.

    Raises:
        BadInputError: A score is nan, or ``k`` is not over 0.
    """
    if k < 1:
        raise BadInputError(f"lists need a length of at least 1, found k={k}")
    if np.isnan(scores).any():
        raise BadInputError("scores hold nan: the model has diverged or divides by zero")
    worked = np.array(scores)
    if masked is not None:
        worked[masked.rows(), masked.item_idx] = -np.inf
    length = min(k, worked.shape[1])
    items = _best(worked, length)
    values = np.take_along_axis(worked, items, axis=1)
    # Items stand in ascending order, so a stable sort leaves equal scores to the lower row.
    order = np.argsort(-values, axis=1, kind="stable")
    shown = np.take_along_axis(np.where(values == -np.inf, -1, items), order, axis=1)
    lists = np.full((len(scores), k), -1, np.int64)
    lists[:, :length] = shown
    return lists


def _best(scores: npt.NDArray[np.floating], length: int) -> Ints:
    """Find the ``length`` best items of each row, ascending, shape (b, length)."""
    if len(scores) == 0 or length == 0:
        return np.zeros((len(scores), length), np.int64)
    cut = scores.shape[1] - length
    worst = np.partition(scores, cut, axis=1)[:, cut, None]
    chosen = scores > worst
    room = length - chosen.sum(axis=1)
    # A partition breaks ties as memory lies; only where a tie crosses the cut does it matter.
    level = scores == worst
    crossed = level.sum(axis=1) > room
    level[crossed] &= np.cumsum(level[crossed], axis=1) <= room[crossed, None]
    return np.nonzero(chosen | level)[1].reshape(len(scores), length)


def check_lists(lists: Ints, num_items: int) -> None:
    """Refuse lists that name an item twice or one that does not exist.

    Raises:
        BadInputError: Either is so: a repeated item would be counted twice as a hit.
    """
    if lists.size and (lists.min() < -1 or lists.max() >= num_items):
        raise BadInputError(f"a list names item {int(lists.max())} of {num_items}")
    ordered = np.sort(lists, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        row = int(np.flatnonzero(twice.any(axis=1))[0])
        raise BadInputError(f"the list in row {row} shows an item twice: {lists[row].tolist()}")


def accuracy(hits: Hits, num_held_out: Ints, k: int) -> dict[str, Values]:
    """Measure recall, NDCG, precision and hit rate at ``k`` of each shopper.

    Args:
        hits: Shape (b, at least k).
        num_held_out: Held-out items of each shopper, shape (b,), all over 0.
        k: Ranks that count.

    Raises:
        BadInputError: Somebody has nothing held out, or the lists are shorter than ``k``.
    """
    if hits.shape[1] < k:
        raise BadInputError(f"metrics at {k} need lists of {k} items, found {hits.shape[1]}")
    if len(num_held_out) and num_held_out.min() < 1:
        raise BadInputError("a shopper with nothing held out says nothing: leave them out")
    found = hits[:, :k].sum(axis=1).astype(np.float64)
    gains = 1.0 / np.log2(np.arange(k) + 2.0)
    ideal = np.cumsum(gains)[np.minimum(num_held_out, k) - 1]
    return {
        "recall": found / num_held_out,
        "ndcg": hits[:, :k] @ gains / ideal,
        "precision": found / k,
        "hit_rate": (found > 0).astype(np.float64),
    }


def recall_by_length(hits: Hits, num_held_out: Ints) -> Values:
    """Average recall at list lengths 1, 2, ..., shape (k,)."""
    shares = np.cumsum(hits, axis=1) / num_held_out[:, None]
    return np.asarray(shares.mean(axis=0), np.float64)


def coverage(lists: Ints, num_items: int) -> float:
    """Measure the share of all items that at least one of the lists shows."""
    return len(np.unique(lists[lists >= 0])) / num_items


def novelty(lists: Ints, had: ItemSets) -> Values:
    """Measure surprise in bits: mean of -log2 of the share of shoppers who had a list's items.

    Shares are smoothed as if one more shopper had everything, so an item that nobody had counts
    log2(shoppers + 1) bits. An empty list has 0.
    """
    holders = np.bincount(had.item_idx, minlength=had.num_items)
    surprise = -np.log2((holders + 1.0) / (len(had) + 1.0))
    return _mean_shown(np.append(surprise, 0.0)[lists], lists)


def diversity(lists: Ints, had: ItemSets) -> Values:
    """Measure how little a list's items are had by the same shoppers.

    It is the mean of 1 - cosine over its pairs. The cosine is that of the items' columns of who had
    what, 0 for items that nobody had.
    A list of fewer than two items has no pairs, hence 0.
    """
    owners = had.matrix()
    holders = np.asarray(owners.sum(axis=0)).ravel()
    scale = np.divide(1.0, np.sqrt(holders), out=np.zeros_like(holders), where=holders > 0)
    by_item = (owners @ sp.diags(scale)).T.tocsr()
    alike = np.zeros(len(lists))
    for start in range(0, len(lists), 512):
        block = lists[start : start + 512]
        sums = _membership(block, had.num_items) @ by_item
        # |sum of unit vectors|^2 = their number + twice the cosines of all pairs.
        squares = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
        alike[start : start + 512] = squares - (np.append(holders > 0, False)[block]).sum(axis=1)
    return _one_minus_share(alike / 2, lists)


def category_diversity(lists: Ints, category: Ints) -> Values:
    """Measure the share of a list's pairs whose items are not of one category.

    Args:
        lists: Shape (b, k).
        category: Category of each item, shape (num_items,); -1 (unknown) is like no other.
    """
    codes = np.sort(np.where(lists >= 0, np.append(category, -1)[lists], -1), axis=1)
    known = codes >= 0
    # In a sorted row, an entry makes one like pair with each equal entry before it.
    run = np.zeros(codes.shape, np.int64)
    for column in range(1, codes.shape[1]):
        same = known[:, column] & (codes[:, column] == codes[:, column - 1])
        run[:, column] = np.where(same, run[:, column - 1] + 1, 0)
    return _one_minus_share(run.sum(axis=1).astype(np.float64), lists)


def _membership(lists: Ints, num_items: int) -> "sp.csr_matrix":
    shown = lists >= 0
    offsets = np.concatenate([[0], np.cumsum(shown.sum(axis=1))])
    items = lists[shown]
    return sp.csr_matrix(
        (np.ones(len(items), np.float32), items, offsets), shape=(len(lists), num_items)
    )


def _mean_shown(values: Values, lists: Ints) -> Values:
    shown = lists >= 0
    return np.asarray(np.where(shown, values, 0.0).sum(axis=1) / np.maximum(1, shown.sum(axis=1)))


def _one_minus_share(alike: Values, lists: Ints) -> Values:
    shown = (lists >= 0).sum(axis=1)
    pairs = shown * (shown - 1) / 2
    return np.where(pairs > 0, 1.0 - alike / np.maximum(1.0, pairs), 0.0)
