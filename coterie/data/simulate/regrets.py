"""What simulated shoppers send back, and what they say is not for them.

Drawn from a stream of its own, after everything else: a shop's other events stay, byte for byte,
what they are without.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.log import Goods, Log
from coterie.data.simulate.visits import BOUGHT, DAY_MS, VIEWED, Visits
from coterie.schema import EVENT_KINDS, LIKED_RATING, EventKind

_STEEP = 2.5
"""How much more often a poor fit is regretted: exp(-2.5 * match), match from -1 to 1."""
_RETURN_DAYS = 14
_SECONDS = 3, 40
"""Seconds, at least and at most, from a look to saying that it is not for oneself."""


def regrets(usual: float, pleased: Floats) -> npt.NDArray[np.float64]:
    """Compute the chance that each is regretted; ``usual`` where an item neither fits nor not."""
    return np.minimum(usual * np.exp(-_STEEP * pleased.astype(np.float64)), 0.95)


def log_regrets(
    log: Log,
    visits: Visits,
    pleased: Floats,
    goods: Goods,
    config: ShopConfig,
    rng: np.random.Generator,
) -> Log:
    """Log returns and dislikes of a shop's visits, ordered by time.

    Args:
        log: All other events of the visits: who rated a purchase well keeps it.
        visits: In any order.
        pleased: How well each item pleased, -1 to 1, shape (len(visits),).
        goods: Prices and ends of items.
        config: How often, and how many days.
        rng: Draws who regrets what, and when.
    """
    returned = _draw(_may_return(log, visits), config.returns, pleased, rng)
    disliked = _draw(_may_dislike(visits), config.dislikes, pleased, rng)
    visit = np.concatenate([returned, disliked])
    kinds = (EventKind.RETURN, len(returned)), (EventKind.DISLIKE, len(disliked))
    kind = np.concatenate([np.full(n, EVENT_KINDS.index(k), np.int8) for k, n in kinds])
    delay = np.concatenate(
        [
            rng.integers(DAY_MS, _RETURN_DAYS * DAY_MS, len(returned)),
            rng.integers(_SECONDS[0] * 1000, _SECONDS[1] * 1000, len(disliked)),
        ]
    )
    ts = visits.ts_ms[visit] + delay
    # After an item's end, or the last day, nothing is logged any more.
    end = np.minimum(goods.ends_ms[visits.item[visit]], config.days * DAY_MS)
    kept = np.flatnonzero(ts < end)
    order = kept[np.lexsort((kept, ts[kept]))]
    nothing = np.full(len(order), np.nan)
    return Log(visit[order], kind[order], ts[order], nothing, pa.nulls(len(order), pa.string()))


def _draw(
    candidates: Ints, usual: float, pleased: Floats, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw those of the candidates, rows of visits, that are regretted."""
    drawn: Ints = candidates[rng.random(len(candidates)) < regrets(usual, pleased[candidates])]
    return drawn


def _may_return(log: Log, visits: Visits) -> Ints:
    """Find visits that bought something, but for what was rated well."""
    happy = np.zeros(len(visits), np.bool_)
    rated = np.isin(log.kind, [EVENT_KINDS.index(k) for k in (EventKind.RATING, EventKind.REVIEW)])
    happy[log.visit[rated & (log.value > LIKED_RATING)]] = True
    return np.flatnonzero((visits.reach == BOUGHT) & ~happy)


def _may_dislike(visits: Visits) -> Ints:
    """Find each shopper's last look at an item, where it was no more than a look."""
    key = visits.user * (visits.item.max(initial=0) + 1) + visits.item
    order = np.lexsort((visits.ts_ms, key))
    last = np.ones(len(order), np.bool_)
    last[:-1] = key[order][1:] != key[order][:-1]
    rows = order[last]
    return np.sort(rows[visits.reach[rows] == VIEWED])
