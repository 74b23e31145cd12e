"""How much items are bought, by age of the purchases: what everybody wants, and what is rising.

Scores of items for people of whom nothing is known.
"""

from typing import Final

import numpy as np

from coterie.behaviour.shop_log import DAY_MS, Doubles, ShopLog

SLOWER: Final = 4
"""How many times the half-life of a rate the one is that it is held against."""


def popular(log: ShopLog, moment_ms: int) -> Doubles:
    """Count all purchases before a moment, shape (items,)."""
    return _rate(log, moment_ms, None)


def recent(log: ShopLog, moment_ms: int, half_life: float) -> Doubles:
    """Count purchases, each half as much for every half-life that has passed, shape (items,).

    Args:
        log: Of which what is before the moment counts.
        moment_ms: Milliseconds since 1970, UTC.
        half_life: Days.
    """
    return _rate(log, moment_ms, half_life)


def rising(log: ShopLog, moment_ms: int, half_life: float, push: float) -> Doubles:
    """Give what is bought more of late than before an advantage, shape (items,).

    Args:
        log: Of which what is before the moment counts.
        moment_ms: Milliseconds since 1970, UTC.
        half_life: Days, of what counts as of late; before is ``SLOWER`` times as long.
        push: How far the step from before to of late is drawn on; 0: the same as ``recent``.
    """
    late = _rate(log, moment_ms, half_life)
    before = _rate(log, moment_ms, SLOWER * half_life) / SLOWER
    found: Doubles = late + push * (late - before)
    return found


def _rate(log: ShopLog, moment_ms: int, half_life: float | None) -> Doubles:
    past = log.between(0, moment_ms)
    bought = log.bought[past]
    item = log.events.item_idx[past][bought]
    weight = np.ones(len(item))
    if half_life is not None:
        age = (moment_ms - log.events.ts_ms[past][bought]) / DAY_MS
        weight = np.exp2(-age / half_life)
    found: Doubles = np.bincount(item, weight, len(log.category)).astype(np.float64)
    return found
