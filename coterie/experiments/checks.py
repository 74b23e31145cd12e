"""Whether the lot was drawn as it was meant to be, and which of many findings are real."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import gammaln

from coterie.errors import BadInputError


def ratio_e_value(counts: Sequence[int], chances: Sequence[float]) -> float:
    """Give the e-value against arms of the chances that were meant (sample-ratio mismatch).

    The mixture over a flat Dirichlet prior of multinomial likelihoods, which may be looked at after
    each shopper (Lindon and Malek, 2020, arXiv:2011.03567).

    Args:
        counts: Shoppers of each arm.
        chances: What was meant, over 0, adding up to 1.

    Raises:
        BadInputError: They are of unlike lengths, or chances are none.
    """
    n, p = np.asarray(counts, np.float64), np.asarray(chances, np.float64)
    if len(n) != len(p) or not np.all(p > 0) or abs(float(p.sum()) - 1.0) > 1e-9:
        raise BadInputError(f"{len(n)} counts and the chances {list(chances)}: expected one each")
    # Concentrated on what was meant, so that a slight mismatch is found before a gross one.
    prior = 100.0 * p
    told = gammaln(prior.sum()) - gammaln(prior.sum() + n.sum())
    told += float((gammaln(prior + n) - gammaln(prior)).sum()) - float((n * np.log(p)).sum())
    return math.exp(min(690.0, float(told)))


def discoveries(e_values: Mapping[str, float], alpha: float) -> frozenset[str]:
    """Choose findings of which a share of alpha at most is false (e-BH; Wang and Ramdas, 2022).

    Whatever hangs together among them, and at whatever moment one looks.
    """
    ordered = sorted(e_values, key=lambda name: -e_values[name])
    found = 0
    for rank, name in enumerate(ordered, 1):
        if e_values[name] >= len(ordered) / (alpha * rank):
            found = rank
    return frozenset(ordered[:found])
