"""What was known of each shopper at a moment: the features that behaviour is foreseen from.

All of them are of events before the moment, and of ties that were there. ``refuse_future`` holds
them to it.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from coterie.behaviour.shop_log import DAY_MS, Bools, Doubles, ShopLog
from coterie.data.dataset import Ints
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS, EventKind

WINDOWS: Final = (7, 30, 90)
"""Days that are looked back."""
_KINDS: Final = {
    "looked": (EventKind.VIEW, EventKind.CLICK),
    "carts": (EventKind.CART,),
    "shares": (EventKind.SHARE,),
    "sent_back": (EventKind.RETURN, EventKind.DISLIKE),
}
FEATURES: Final = (
    "days_since_event",
    "days_since_purchase",
    "days_known",
    *(f"{what}_{days}" for days in WINDOWS for what in ("events", "purchases", "value")),
    "purchases",
    "value",
    "value_a_purchase",
    "days_between_purchases",
    "lateness",
    *(f"{name}_{days}" for name in _KINDS for days in (7, 30)),
    "active_days_30",
    "categories_90",
    "items_90",
    "friends",
    "friends_purchases_30",
)
"""Names of the columns, in order. Days count back from the moment; nan where nobody can tell."""

Make = Callable[[ShopLog, int], Doubles]


def features_at(log: ShopLog, moment_ms: int) -> Doubles:
    """Tell what was known of everybody at a moment, shape (users, features).

    Args:
        log: May go on after the moment: what it holds of later is not looked at.
        moment_ms: Milliseconds since 1970, UTC.
    """
    columns: dict[str, Doubles] = {}
    _totals(log, moment_ms, columns)
    for days in WINDOWS:
        _window(log, moment_ms, days, columns)
    _variety(log, moment_ms, columns)
    _friends(log, moment_ms, columns)
    return np.stack([columns[name] for name in FEATURES], axis=1)


def known_at(log: ShopLog, moment_ms: int) -> Bools:
    """Tell who had come by a moment, shape (users,)."""
    users = log.events.user_idx[log.between(0, moment_ms)]
    return np.bincount(users, minlength=log.num_users) > 0


def refuse_future(log: ShopLog, moment_ms: int, make: Make = features_at) -> None:
    """Refuse features that know of what comes after their moment.

    They are made of the whole log, and of one that ends at the moment: what comes after can have
    changed nothing.

    Raises:
        BadInputError: A feature differs.
    """
    whole, cut = make(log, moment_ms), make(log.until(moment_ms), moment_ms)
    same = np.array_equal(whole, cut, equal_nan=True)
    if not same:
        differ = ~((whole == cut) | (np.isnan(whole) & np.isnan(cut))).all(axis=0)
        names = [
            FEATURES[at] if at < len(FEATURES) else f"number {at}" for at in np.flatnonzero(differ)
        ]
        raise BadInputError(
            f"features know what came after their moment: {', '.join(names)}; make them of events "
            "before it alone"
        )


def _totals(log: ShopLog, moment_ms: int, into: dict[str, Doubles]) -> None:
    """Tell since when somebody is known, and what they bought altogether."""
    past, n = log.between(0, moment_ms), log.num_users
    user, ts, bought = log.events.user_idx[past], log.events.ts_ms[past], log.bought[past]
    first, last = _first(user, ts, n), _last(user, ts, n)
    begun, ended = _first(user[bought], ts[bought], n), _last(user[bought], ts[bought], n)
    purchases = _count(user[bought], n)
    value = add_up(user, log.value[past], n)
    into["days_since_event"] = (moment_ms - last) / DAY_MS
    into["days_since_purchase"] = (moment_ms - ended) / DAY_MS
    into["days_known"] = (moment_ms - first) / DAY_MS
    into["purchases"], into["value"] = purchases, value
    with np.errstate(invalid="ignore", divide="ignore"):
        into["value_a_purchase"] = np.where(purchases > 0, value / purchases, np.nan)
        gap = np.where(purchases > 1, (ended - begun) / DAY_MS / (purchases - 1), np.nan)
        into["days_between_purchases"] = gap
        # How many of their own gaps have passed: over 1, somebody is late.
        into["lateness"] = into["days_since_purchase"] / np.maximum(gap, 0.5)


def _window(log: ShopLog, moment_ms: int, days: int, into: dict[str, Doubles]) -> None:
    rows, n = log.between(moment_ms - days * DAY_MS, moment_ms), log.num_users
    user, kind, bought = log.events.user_idx[rows], log.events.kind[rows], log.bought[rows]
    into[f"events_{days}"] = _count(user, n)
    into[f"purchases_{days}"] = _count(user[bought], n)
    into[f"value_{days}"] = add_up(user, log.value[rows], n)
    for name, kinds in _KINDS.items():
        codes = [EVENT_KINDS.index(one) for one in kinds]
        into[f"{name}_{days}"] = _count(user[np.isin(kind, codes)], n)


def _variety(log: ShopLog, moment_ms: int, into: dict[str, Doubles]) -> None:
    """Count the days, categories and items of the last weeks, each once."""
    rows = log.between(moment_ms - 90 * DAY_MS, moment_ms)
    user, item = log.events.user_idx[rows], log.events.item_idx[rows]
    into["items_90"] = _distinct(user, item, log.num_users)
    into["categories_90"] = _distinct(user, log.category[item], log.num_users)
    rows = log.between(moment_ms - 30 * DAY_MS, moment_ms)
    age = (moment_ms - 1 - log.events.ts_ms[rows]) // DAY_MS
    into["active_days_30"] = _distinct(log.events.user_idx[rows], age, log.num_users)


def _friends(log: ShopLog, moment_ms: int, into: dict[str, Doubles]) -> None:
    n, ties = log.num_users, log.ties
    there = ties.since_ms < moment_ms
    src, dst = ties.src_idx[there], ties.dst_idx[there]
    rows = log.between(moment_ms - 30 * DAY_MS, moment_ms)
    bought = _count(log.events.user_idx[rows][log.bought[rows]], n)
    into["friends"] = _count(src, n)
    into["friends_purchases_30"] = add_up(src, bought[dst], n)


def _count(users: Ints, n: int) -> Doubles:
    return np.bincount(users, minlength=n).astype(np.float64)


def add_up(users: Ints, values: Doubles, n: int) -> Doubles:
    """Add up values by shopper, shape (n,)."""
    found: Doubles = np.bincount(users, values, n).astype(np.float64)
    return found


def _distinct(users: Ints, values: Ints, n: int) -> Doubles:
    width = int(values.max(initial=0)) + 1
    return _count(np.unique(users * width + values) // width, n)


def _first(users: Ints, ts_ms: Ints, n: int) -> Doubles:
    """Find the first time of each, of times in order; nan where there is none."""
    found = np.full(n, np.nan)
    found[users[::-1]] = ts_ms[::-1]
    return found


def _last(users: Ints, ts_ms: Ints, n: int) -> Doubles:
    found = np.full(n, np.nan)
    found[users] = ts_ms
    return found
