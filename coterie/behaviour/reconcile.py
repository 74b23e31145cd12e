"""Forecasts of a tree that add up: what categories are to sell is the sum of what items are to."""

import numpy as np

from coterie.behaviour.shop_log import Doubles
from coterie.data.dataset import Ints


def reconcile(forecast: Doubles, variance: Doubles, category: Ints) -> Doubles:
    """Change forecasts least, each by how unsure it is, so that parents are sums.

    The least-squares reconciliation of Wickramasuriya et al. (2019) with errors taken for
    independent, which a tree of two levels allows to be written down: time grows with its nodes,
    where the general form inverts a matrix of them.

    Args:
        forecast: Shape (1 + c + l, horizon): everything, categories, leaves.
        variance: Of each forecast's error, shape (1 + c + l,), over 0.
        category: Of each leaf, shape (l,), 0 to c - 1; each has a leaf.

    Returns:
        Shape (1 + c + l, horizon), nothing below 0.
    """
    c = len(variance) - 1 - len(category)
    total, tops, leaves = forecast[0], forecast[1 : 1 + c], forecast[1 + c :]
    top_variance, leaf_variance = variance[1 : 1 + c], variance[1 + c :]
    below = np.bincount(category, leaf_variance, c)
    sums = _by_category(leaves, category, c)
    # What a category's own forecast and the sum of its leaves say together.
    precision = 1 / top_variance + 1 / below
    middle = (tops / top_variance[:, None] + sums / below[:, None]) / precision[:, None]
    middle_variance = 1 / precision
    all_variance = middle_variance.sum()
    everything = (total / variance[0] + middle.sum(axis=0) / all_variance) / (
        1 / variance[0] + 1 / all_variance
    )
    middle = middle + (middle_variance / all_variance)[:, None] * (everything - middle.sum(axis=0))
    share = leaf_variance / below[category]
    leaves = leaves + share[:, None] * (middle - sums)[category]
    leaves = np.maximum(leaves, 0.0)
    tops = _by_category(leaves, category, c)
    return np.concatenate([tops.sum(axis=0, keepdims=True), tops, leaves])


def _by_category(leaves: Doubles, category: Ints, c: int) -> Doubles:
    sums = np.zeros((c, leaves.shape[1]))
    np.add.at(sums, category, leaves)
    return sums
