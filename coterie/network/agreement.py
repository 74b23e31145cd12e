"""How far two partitions of the same people agree, beyond chance."""

import numpy as np
from scipy.special import gammaln

from coterie.data.dataset import Ints
from coterie.network.people import Doubles, add_up

_PEOPLE = 20_000
_WIDE = 12.0
"""Standard deviations of a hypergeometric count that are summed over."""


def adjusted_mutual_information(one: Ints, other: Ints, seed: int = 0) -> float:
    """Compare two partitions: 1, the same; about 0, as alike as chance makes them.

    Mutual information less its expectation over partitions of the same sizes, over the mean entropy
    less the same (Vinh et al., 2010). Of more than 20,000 people as many are drawn with ``seed``.

    Args:
        one: Community of each person, shape (n,).
        other: Likewise.
    """
    if len(one) > _PEOPLE:
        some = np.random.default_rng(seed).permutation(len(one))[:_PEOPLE]
        one, other = one[some], other[some]
    n = len(one)
    if n == 0:
        return float("nan")
    rows, left = np.unique(one, return_inverse=True)
    columns, right = np.unique(other, return_inverse=True)
    if len(rows) == len(columns) and len(rows) in (1, n):
        return 1.0
    a, b = np.bincount(left), np.bincount(right)
    key, both = np.unique(left * len(columns) + right, return_counts=True)
    share = both / n
    chance = (a[key // len(columns)] / n) * (b[key % len(columns)] / n)
    mutual = float(share @ np.log(share / chance))
    mean = (_entropy(a / n) + _entropy(b / n)) / 2
    expected = _expected(a, b, n)
    return (mutual - expected) / (mean - expected) if mean > expected else 1.0


def _entropy(share: Doubles) -> float:
    return float(-(share @ np.log(share)))


def _expected(a: Ints, b: Ints, n: int) -> float:
    """Compute the expected mutual information of partitions of these sizes, in nats."""
    sizes_a, times_a = np.unique(a, return_counts=True)
    sizes_b, times_b = np.unique(b, return_counts=True)
    total = 0.0
    for size, times in zip(sizes_a.tolist(), times_a.tolist(), strict=True):
        total += times * float(times_b @ _for_row(size, sizes_b, n))
    return total


def _for_row(a: int, b: Ints, n: int) -> Doubles:
    """Sum over the counts that communities of sizes ``a`` and each of ``b`` may share."""
    mean = a * b / n
    spread = np.sqrt(mean * (n - a) / n * (n - b) / max(n - 1, 1))
    low = np.maximum(np.maximum(1, a + b - n), np.floor(mean - _WIDE * spread).astype(np.int64))
    high = np.minimum(np.minimum(a, b), np.ceil(mean + _WIDE * spread + 6).astype(np.int64))
    counts = np.maximum(high - low + 1, 0)
    row = np.repeat(np.arange(len(b)), counts)
    start = np.cumsum(counts) - counts
    k = low[row] + np.arange(len(row)) - start[row]
    size = b[row]
    log = (
        gammaln(a + 1)
        + gammaln(size + 1)
        + gammaln(n - a + 1)
        + gammaln(n - size + 1)
        - gammaln(n + 1)
        - gammaln(k + 1)
        - gammaln(a - k + 1)
        - gammaln(size - k + 1)
        - gammaln(n - a - size + k + 1)
    )
    term = k / n * np.log(n * k / (a * size)) * np.exp(log)
    return add_up(row, term, len(b))
