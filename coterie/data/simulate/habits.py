"""What simulated shoppers buy again and again: goods that run out.

Drawn from a stream of its own, after everything else, as ``regrets`` are.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.log import Goods, Log
from coterie.data.simulate.visits import BOUGHT, DAY_MS, Visits
from coterie.data.simulate.words import SHELVES
from coterie.schema import EVENT_KINDS, EventKind

_SPREAD = 0.2
"""Standard deviation of the logarithm of the days between two purchases."""
_STEEP = 1.0


def log_habits(
    visits: Visits,
    kept: npt.NDArray[np.bool_],
    pleased: Floats,
    goods: Goods,
    shelf: Ints,
    config: ShopConfig,
    rng: np.random.Generator,
) -> Log:
    """Log further purchases of what was bought and kept, ordered by time.

    Args:
        visits: In any order.
        kept: Which were not sent back, shape (len(visits),).
        pleased: How well each item pleased, -1 to 1, shape (len(visits),).
        goods: Prices and ends of items.
        shelf: Of each item, an index in ``words.SHELVES``.
        config: What runs out, and how soon.
        rng: Draws who buys again, and when.
    """
    runs_out = np.array([_within(s.path, config.restocked) for s in SHELVES])[shelf]
    rows = np.flatnonzero((visits.reach == BOUGHT) & kept & runs_out[visits.item])
    ts, parts = visits.ts_ms[rows], [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    while len(rows):
        again = np.minimum(config.habit * np.exp(_STEEP * pleased[rows]), 0.95)
        days = config.restock_days * np.exp(_SPREAD * rng.standard_normal(len(rows)))
        ts = ts + (np.maximum(days, 1.0) * DAY_MS).astype(np.int64)
        end = np.minimum(goods.ends_ms[visits.item[rows]], config.days * DAY_MS)
        goes_on = (rng.random(len(rows)) < again) & (ts < end)
        rows, ts = rows[goes_on], ts[goes_on]
        parts.append((rows, ts))
    visit, times = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((visit, times))
    visit, times = visit[order], times[order]
    kind = np.full(len(visit), EVENT_KINDS.index(EventKind.PURCHASE), np.int8)
    price = np.round(goods.price[visits.item[visit]].astype(np.float64), 2)
    return Log(visit, kind, times, price, pa.nulls(len(visit), pa.string()))


def _within(path: str, categories: tuple[str, ...]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in categories)
