"""Whom friends help, with content and without: targets by whether a friend had the item."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from benchmarks.content_sets import ContentSet
from coterie.data.hidden import hidden_pairs
from coterie.models.content import ContentConfig, ContentModel
from coterie.models.engagement import engagement

GROUPS: Final = ("a friend had it", "friends, none had it", "no friends")


def measure_groups(
    found: ContentSet, config: ContentConfig, rows: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Measure, by row, which share of each group's targets lists hold; also how many there are.

    Args:
        found: A set with ties.
        config: With all parts that rows use.
        rows: Weights of the parts by row.
    """
    fit, n, k = found.test.fit, found.test.fit.num_items, found.k
    model = ContentModel(config)
    model.fit(replace(fit, validation=None))
    hidden = hidden_pairs(fit.interactions, n, fit.again)
    asked = found.test.held_out
    wanted = np.setdiff1d(np.unique(asked.user_idx * n + asked.item_idx), hidden)
    users = np.unique(wanted // n)
    group = _groups(found, wanted // n, wanted % n)
    counts = np.bincount(group, minlength=len(GROUPS))
    measured = {"targets": dict(zip(GROUPS, counts.tolist(), strict=True))}
    for row, weights in rows.items():
        model.weights = weights
        found_it = np.zeros(len(wanted), bool)
        for start in range(0, len(users), 512):
            some = users[start : start + 512]
            scores = np.array(model.scores(some))
            mine = hidden[np.isin(hidden // n, some)]
            scores[np.searchsorted(some, mine // n), mine % n] = -np.inf
            top = np.argpartition(-scores, k, axis=1)[:, :k]
            found_it |= np.isin(wanted, (some[:, None] * n + top).ravel())
        shares = np.bincount(group, found_it, len(GROUPS)) / np.maximum(counts, 1)
        measured[row] = dict(zip(GROUPS, np.round(shares, 5).tolist(), strict=True))
    return measured


def _groups(found: ContentSet, user: Any, item: Any) -> Any:
    """Tell each target's place in ``GROUPS``."""
    fit = found.test.fit
    ones = np.ones(len(fit.ties), np.float32)
    shape = (fit.num_users, fit.num_users)
    ties = sp.csr_matrix((ones, (fit.ties.src_idx, fit.ties.dst_idx)), shape)
    theirs = np.asarray((ties @ engagement(fit))[user, item]).ravel()
    return np.where(theirs > 0, 0, np.where(np.diff(ties.indptr)[user] > 0, 1, 2))
