"""What sets fake accounts apart: how a profile hangs together, and how an account is tied.

Similarity of accounts to their nearest is DegSim (Chirita et al., 2005,
doi:10.1145/1097047.1097061); the others are of the same kinds, for events in place of ratings, and
for ties, which those had none of.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.data.polarity import liked
from coterie.data.ragged import Ragged
from coterie.graph.interactions import interaction_matrix
from coterie.graph.strength import count_common, merge_pairs
from coterie.graph.ties import tie_matrix

TRAITS: Final = (
    "items",
    "mean_popularity",
    "spread_popularity",
    "least_popularity",
    "fit_of_items",
    "fit_of_oddest",
    "likeness_of_owners",
    "crowd_at_odd_item",
    "rush_at_item",
    "nearest_accounts",
    "days_active",
    "busiest_week",
    "friends",
    "returned_ties",
    "common_friends",
    "common_items",
)
"""Columns of ``account_traits``, in order."""
RANK: Final = 32
NEAREST: Final = 10
COMPARED: Final = 20_000
"""Accounts with which each is compared, at most."""
ODD: Final = 0.2
"""Share of an account's items that fit the others least."""
_DAY_MS: Final = 86_400_000.0

Doubles = npt.NDArray[np.float64]


def account_traits(data: TrainingSet) -> Doubles:
    """Measure every account, shape (users, len(TRAITS)); nan where there is nothing to tell by.

    Raises:
        BadInputError: Rows are outside the set.
    """
    events = data.interactions.take(liked(data.interactions))
    had = interaction_matrix(events, data.num_users, data.num_items, binary=True).tocsr()
    return np.column_stack(
        [_of_items(had, events), _of_times(events, data.num_users), _of_ties(data, had)]
    )


def _of_items(had: Any, events: Interactions) -> Doubles:
    popularity = np.asarray(had.sum(axis=0), np.float64).ravel()
    users, items = _vectors(had)
    rows = Ragged(had.indptr.astype(np.int64))
    item, who, counts = had.indices.astype(np.int64), rows.row, np.maximum(rows.counts, 1)
    log = np.log(popularity[item])
    mean = _mean(who, log, rows)
    # An item's fit: how near it is to the others of the account.
    own = (users[who] - items[item]) / np.maximum(counts[who] - 1, 1)[:, None]
    fit = np.where(counts[who] > 1, (own * items[item]).sum(axis=1), np.nan)
    order = np.lexsort((fit, who))
    position = np.empty(len(order), np.int64)
    position[order] = rows.position
    odd = position < np.maximum(1, ODD * counts[who])
    crowd, alike, rush = _of_owners(item, who, odd, users, counts, popularity, events)
    return np.column_stack(
        [
            np.log1p(rows.counts),
            mean,
            np.sqrt(np.maximum(_mean(who, log**2, rows) - mean**2, 0.0)),
            _least(log, rows),
            _mean(who, fit, rows),
            _least(fit, rows),
            _least(alike[item], rows),
            -_least(np.where(odd, -crowd[item], 0.0), rows),
            -_least(-rush[item], rows),
            _nearest(users),
        ]
    )


def _vectors(had: Any) -> tuple[Doubles, Doubles]:
    """Give each item a vector of length 1 or 0, each account the sum of its items' vectors."""
    popularity = np.maximum(np.asarray(had.sum(axis=0), np.float64).ravel(), 1.0)
    lengths = np.maximum(np.asarray(had.sum(axis=1), np.float64).ravel(), 1.0)
    scaled = (
        sparse.diags_array(lengths**-0.5)
        @ had.astype(np.float64)
        @ sparse.diags_array(popularity**-0.5)
    )
    rank = min(RANK, min(had.shape) - 1)
    if rank < 1:
        return np.zeros((had.shape[0], 1)), np.zeros((had.shape[1], 1))
    _, values, right = svds(scaled, k=rank, v0=np.ones(min(had.shape)), tol=1e-3)
    items = right.T * values / np.sqrt(popularity)[:, None]
    items /= np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-12)
    return np.asarray(had @ items), items


def _of_owners(
    item: Ints, who: Ints, odd: Any, users: Doubles, counts: Ints, popularity: Doubles, events: Any
) -> tuple[Doubles, Doubles, Doubles]:
    """Measure items by their owners: at how many they are odd beyond chance, how alike these are,
    and how much of what came came at once."""
    num = len(popularity)
    chance = np.bincount(item, np.maximum(1 / counts[who], ODD), num)
    crowd = (np.bincount(item, odd, num) - chance) / np.sqrt(np.maximum(chance, 1e-9))
    unit = users / np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-12)
    total = sparse.csr_matrix((np.ones(len(item)), (item, who)), shape=(num, len(users))) @ unit
    many = np.maximum(popularity, 2.0)
    alike = ((total**2).sum(axis=1) - popularity) / (many * (many - 1))
    return crowd, np.where(popularity > 1, alike, np.nan), _rush(events, num)


def _rush(events: Interactions, num_items: int) -> Doubles:
    """Compare each item's busiest week with what all events let expect of it, in deviations."""
    if not len(events):
        return np.zeros(num_items)
    week = ((events.ts_ms - events.ts_ms.min()) // int(7 * _DAY_MS)).astype(np.int64)
    weeks = int(week.max()) + 1
    key, seen = np.unique(events.item_idx * weeks + week, return_counts=True)
    share = np.bincount(week, minlength=weeks) / len(events)
    total = np.bincount(events.item_idx, minlength=num_items)
    expected = total[key // weeks] * share[key % weeks]
    worst = np.zeros(num_items)
    np.maximum.at(worst, key // weeks, (seen - expected) / np.sqrt(np.maximum(expected, 1e-9) + 1))
    return worst


def _nearest(users: Doubles) -> Doubles:
    """Give the mean cosine of each account with its nearest; 0 where it has no items."""
    unit = users / np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-12)
    some = unit[:: -(-len(unit) // COMPARED)]
    found, most = np.zeros(len(unit)), min(NEAREST + 1, len(some))
    for start in range(0, len(unit), 1024):
        near = np.partition(unit[start : start + 1024] @ some.T, -most, axis=1)[:, -most:]
        # The nearest is the account itself, where it is among those compared.
        found[start : start + 1024] = np.sort(near, axis=1)[:, :-1].mean(axis=1) if most > 1 else 0
    return found


def _of_times(events: Interactions, num_users: int) -> Doubles:
    """Measure over how many days an account acted, and the share of its busiest seven."""
    order = np.lexsort((events.ts_ms, events.user_idx))
    user, ts = events.user_idx[order], events.ts_ms[order] / _DAY_MS
    rows = Ragged.of_rows(user, num_users)
    first, last = -_least(-ts, rows), _least(ts, rows)
    span = np.log1p(first - last)
    # Events from each one on within a week: times ascend within an account and accounts ascend.
    offset = user * (float(ts.max() - ts.min()) + 14.0) if len(ts) else ts
    end = np.searchsorted(offset + ts, offset + ts + 7.0)
    week = -_least(-(end - np.arange(len(ts))).astype(np.float64), rows) / np.maximum(
        rows.counts, 1
    )
    return np.column_stack([span, week])


def _of_ties(data: TrainingSet, had: Any) -> Doubles:
    """Measure ties: how many, how many returned, and what friends have in common."""
    pairs, num = merge_pairs(data.ties, data.num_users), data.num_users
    both = tie_matrix(pairs, num, undirected=True, weighted=False)
    back = np.isin(pairs.dst_idx * num + pairs.src_idx, pairs.src_idx * num + pairs.dst_idx)
    friends = np.asarray(both.sum(axis=1)).ravel()
    counts = np.bincount(pairs.src_idx, minlength=num)
    items = np.log1p(count_common(had.astype(np.float32), pairs.src_idx, pairs.dst_idx))
    common = np.log1p(count_common(both, pairs.src_idx, pairs.dst_idx))

    def mean(values: Any) -> Doubles:
        total = np.bincount(pairs.src_idx, values, num)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)

    return np.column_stack([np.log1p(friends), mean(back), mean(common), mean(items)])


def _mean(who: Ints, values: Doubles, rows: Ragged) -> Doubles:
    total = np.bincount(who, values, len(rows))
    return np.where(rows.counts > 0, total / np.maximum(rows.counts, 1), np.nan)


def _least(values: Doubles, rows: Ragged) -> Doubles:
    """Find each row's least value; nan for an empty one."""
    found = np.full(len(rows), np.nan)
    some = rows.counts > 0
    if some.any():
        found[some] = np.minimum.reduceat(values, rows.offsets[:-1][some])
    return found
