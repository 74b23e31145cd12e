"""Influence or alike? Two checks of the total: shuffled times, and matched pairs."""

from dataclasses import dataclass

import numpy as np

from coterie.data.dataset import Ints
from coterie.network.adoptions import DAY_MS, Adoptions, Exposures, find_adoptions
from coterie.network.background import Background
from coterie.network.influence import WINDOW_DAYS
from coterie.network.people import Doubles, Network

_CONTROLS = 20
_COHORTS = 12


@dataclass(frozen=True, slots=True)
class ShuffleTest:
    """How often followers took the same within the window, and how often with shuffled times."""

    observed: int
    expected: float
    """Mean over shuffles."""
    deviation: float
    """Standard deviation over shuffles."""
    p_value: float
    excess: float
    """Share of all adoptions."""


def shuffle_times(
    network: Network,
    adoptions: Adoptions,
    exposures: Exposures,
    came_ms: Ints,
    shuffles: int = 50,
    seed: int = 0,
) -> ShuffleTest:
    """Shuffle who of an item's takers took it when, over and over (Anagnostopoulos et al., 2008).

    Times are shuffled among those who came to the shop at about the same time: else many would take
    things before they came.

    Who takes an item stays, and so does how often it is taken at each time: tied people who are
    alike take the same, but in no order. What comes within the window after a followee more often
    than that is influence. ``p_value``: share of shuffles with as many, one-sided.
    """
    follower = network.ties.src_idx[exposures.tie]
    both = np.flatnonzero(exposures.answer >= 0)
    # Pairs of takers who are tied at all, whoever came first.
    item = adoptions.item[exposures.adoption[both]]
    here, there = exposures.adoption[both], find_adoptions(adoptions, follower[both], item)
    rng = np.random.default_rng(seed)
    ts = adoptions.ts_ms
    group = adoptions.item * _COHORTS + _cohorts(came_ms, ts)[adoptions.user]
    by_group = np.lexsort((ts, group))
    since = network.ties.since_ms[exposures.tie[both]]
    counts = np.array(
        [
            _followed(_shuffled(ts, group, by_group, rng), here, there, since)
            for _ in range(shuffles)
        ]
    )
    observed = _followed(ts, here, there, since)
    mean = float(counts.mean())
    return ShuffleTest(
        observed=observed,
        expected=mean,
        deviation=float(counts.std()),
        p_value=float((counts >= observed).sum() + 1) / (shuffles + 1),
        excess=max(observed - mean, 0.0) / len(adoptions),
    )


def _cohorts(came_ms: Ints, ts: Ints) -> Ints:
    """Put people into groups by when they came, shape (num_people,)."""
    start, span = int(ts.min()), int(ts.max() - ts.min())
    return np.clip((came_ms - start) * _COHORTS // span, 0, _COHORTS - 1)


def _shuffled(ts: Ints, group: Ints, by_group: Ints, rng: np.random.Generator) -> Ints:
    """Shuffle times within each group of adoptions."""
    order = np.lexsort((rng.random(len(ts)), group))
    after = np.empty_like(ts)
    after[order] = ts[by_group]
    return after


def _followed(ts: Ints, here: Ints, there: Ints, since: Ints) -> int:
    lag = ts[there] - ts[here]
    return int(((lag > 0) & (lag <= WINDOW_DAYS * DAY_MS) & (ts[here] >= since)).sum())


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """What people who were exposed took, beside people like them who were not."""

    exposed: int
    """People and items that one of their followees had just taken."""
    rate_exposed: float
    """Share of them who took it within the window."""
    rate_matched: float
    """Share of those like them."""
    excess: float
    """Adoptions that the difference makes up for, as a share of all adoptions."""


def match_pairs(
    network: Network,
    adoptions: Adoptions,
    exposures: Exposures,
    background: Background,
    limit: int = 100_000,
    seed: int = 0,
) -> MatchedPairs:
    """Compare each exposed person with one who is as likely to take the item by the background.

    Of ``_CONTROLS`` people drawn whom nobody they follow had shown that item by then, the one whose
    background is nearest is the match: the same item, the same days, a like person (Aral et al.,
    2009). At most ``limit`` exposures are drawn.
    """
    rng = np.random.default_rng(seed)
    open_to = np.flatnonzero(~(exposures.lag_days <= 0))
    every = _first_exposures(network, adoptions, exposures, open_to)
    rows = rng.permutation(every)[:limit]
    user = network.ties.src_idx[exposures.tie[rows]]
    item = adoptions.item[exposures.adoption[rows]]
    start = adoptions.ts_ms[exposures.adoption[rows]]
    end = start + WINDOW_DAYS * DAY_MS
    control = _nearest(background, user, item, rng)
    told = _is_exposed(network, adoptions, exposures, control, item, end)
    taken = find_adoptions(adoptions, control, item)
    had = (taken >= 0) & (adoptions.ts_ms[taken] <= start)
    kept = ~(told | had)
    lag = exposures.lag_days[rows][kept]
    exposed = float(np.mean((lag > 0) & (lag <= WINDOW_DAYS))) if kept.any() else 0.0
    theirs = adoptions.ts_ms[taken[kept]]
    within = (taken[kept] >= 0) & (theirs > start[kept]) & (theirs <= end[kept])
    matched = float(np.mean(within)) if kept.any() else 0.0
    excess = max(exposed - matched, 0.0) * len(every) / len(adoptions)
    return MatchedPairs(int(kept.sum()), exposed, matched, excess)


def _first_exposures(
    network: Network, adoptions: Adoptions, exposures: Exposures, rows: Ints
) -> Ints:
    """Keep the first exposure of each person to each item."""
    user = network.ties.src_idx[exposures.tie[rows]]
    adoption = exposures.adoption[rows]
    order = np.argsort(adoption, kind="stable")
    key = user[order] * (int(adoptions.item.max()) + 1) + adoptions.item[adoption[order]]
    _, first = np.unique(key, return_index=True)
    return rows[order[first]]


def _nearest(
    background: Background,
    user: Ints,
    item: Ints,
    rng: np.random.Generator,
) -> Ints:
    """Draw people for each exposure and take the one of the nearest background."""
    people = len(background.active)
    drawn = rng.integers(0, people, (len(user), _CONTROLS))
    category = background.category[item]
    own = background.active[user] * background.fondness[user, category]
    theirs: Doubles = background.active[drawn] * background.fondness[drawn, category[:, None]]
    gap = np.abs(np.log(theirs) - np.log(own)[:, None])
    gap[drawn == user[:, None]] = np.inf
    chosen: Ints = drawn[np.arange(len(user)), np.argmin(gap, axis=1)]
    return chosen


def _is_exposed(
    network: Network,
    adoptions: Adoptions,
    exposures: Exposures,
    user: Ints,
    item: Ints,
    until: Ints,
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Tell who was shown the item by one whom they follow, before a moment."""
    width = int(adoptions.item.max()) + 1
    seen_by = network.ties.src_idx[exposures.tie]
    ts = adoptions.ts_ms[exposures.adoption]
    order = np.lexsort((ts, seen_by * width + adoptions.item[exposures.adoption]))
    key = (seen_by * width + adoptions.item[exposures.adoption])[order]
    first, start = np.unique(key, return_index=True)
    wanted = user * width + item
    place = np.minimum(np.searchsorted(first, wanted), len(first) - 1)
    earliest = ts[order][start[place]]
    return np.asarray((first[place] == wanted) & (earliest <= until))
