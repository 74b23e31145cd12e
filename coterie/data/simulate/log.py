"""From visits to the events that a shop logs, and the truth that no shop knows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie import schema
from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.texts import write_reviews
from coterie.data.simulate.traffic import REVIEWS
from coterie.data.simulate.visits import BOUGHT, CARTED, CAUSES, CLICKED, DAY_MS, Cause, Visits
from coterie.schema import EVENT_KINDS, EventKind

TRUTH = pa.schema(
    [
        pa.field("event_id", pa.string()),
        pa.field("cause", pa.string()),
        pa.field("friend_user_id", pa.string()),
        pa.field("source_event_id", pa.string()),
    ]
)
"""Why each purchase happened; for friend and share: who bought or shared, and that event."""
# Seconds into a visit at which its events lie: all of them before the session's next visit.
_STEPS = (
    (EventKind.CLICK, CLICKED, 5, 30),
    (EventKind.CART, CARTED, 35, 110),
    (EventKind.PURCHASE, BOUGHT, 120, 200),
)
_SHARE_S = (210, 240)


@dataclass(frozen=True, slots=True)
class Goods:
    """What the log has to know of items: columns of shape (num_items,)."""

    price: Floats
    ends_ms: npt.NDArray[np.float64]
    """inf where the item stays."""


@dataclass(frozen=True, slots=True)
class Log:
    """e events as columns of shape (e,), ordered by time."""

    visit: Ints
    kind: npt.NDArray[np.int8]
    ts_ms: Ints
    """Milliseconds after the first day."""
    value: npt.NDArray[np.float64]
    """nan: none."""
    text: pa.Array


def log_visits(
    visits: Visits, pleased: Floats, goods: Goods, days: int, rng: np.random.Generator
) -> Log:
    """Log all events of all visits: views, clicks, carts, purchases, shares, ratings and reviews.

    Args:
        visits: In any order.
        pleased: How well each item pleased, -1 to 1, shape (len(visits),).
        goods: Prices and ends of items.
        days: Events after the last day are not logged.
        rng: Draws seconds, ratings and words.
    """
    visit, kind, ts = [np.arange(len(visits))], [_codes(EventKind.VIEW, len(visits))], []
    ts.append(visits.ts_ms)
    for event, reach, low, high in _STEPS:
        rows = np.flatnonzero(visits.reach >= reach)
        _append(visit, kind, ts, visits, rows, event, _seconds(low, high, len(rows), rng))
    rows = np.flatnonzero(visits.shared)
    seconds = _seconds(*_SHARE_S, len(rows), rng)
    _append(visit, kind, ts, visits, rows, EventKind.SHARE, seconds)
    rows, delay, stars, written = _rate(visits, pleased, goods, days, rng)
    _append(visit, kind, ts, visits, rows, EventKind.RATING, delay)
    all_visit, all_kind, all_ts = np.concatenate(visit), np.concatenate(kind), np.concatenate(ts)
    value = _values(visits, goods, all_visit, all_kind, stars)
    all_kind[len(all_kind) - len(rows) :][written] = EVENT_KINDS.index(EventKind.REVIEW)
    order = np.lexsort((np.arange(len(all_ts)), all_ts))
    text = _texts(len(all_kind), stars, written, rng).take(pa.array(order))
    return Log(all_visit[order], all_kind[order], all_ts[order], value[order], text)


def event_ids(count: int, prefix: str = "event") -> pa.Array:
    """Write ``event-0000001`` and so on."""
    numbers = pa.array(np.arange(1, count + 1)).cast(pa.string())
    width = max(7, len(str(count)))
    return pc.binary_join_element_wise(f"{prefix}-", pc.utf8_lpad(numbers, width, "0"), "")


def event_table(
    log: Log,
    visits: Visits,
    users: pa.Array,
    items: pa.Array,
    start_ms: int,
    prefix: str = "event",
    told_by: bool = True,
) -> pa.Table:
    """Write the log in contract form; who came by a share names its sharer.

    Args:
        log: Of ``visits``, ordered by time.
        visits: Of the whole shop.
        users: Ids.
        items: Ids.
        start_ms: The first day's begin, milliseconds since 1970.
        prefix: Of event ids.
        told_by: Whether who came by a share names its sharer here.
    """
    user, item = visits.user[log.visit], visits.item[log.visit]
    by_share = visits.cause[log.visit] == CAUSES.index(Cause.SHARE)
    told = by_share & (log.kind <= EVENT_KINDS.index(EventKind.PURCHASE))
    told &= ~np.isin(log.kind, _own_doing()) & told_by
    friend = visits.friend[log.visit]
    columns = {
        "event_id": event_ids(len(log.visit), prefix),
        "user_id": users.take(pa.array(user)),
        "item_id": items.take(pa.array(item)),
        "event": pa.array([str(k) for k in EVENT_KINDS]).take(pa.array(log.kind)),
        "value": pa.array(log.value, from_pandas=True),
        "text": log.text,
        "ts": as_times(log.ts_ms, start_ms),
        "referrer_user_id": users.take(pa.array(friend, mask=~told)),
        "invited_user_id": pa.nulls(len(log.visit), pa.string()),
        "split": pa.nulls(len(log.visit), pa.string()),
    }
    return pa.table(columns, schema=schema.EVENTS.arrow)


def truth_table(log: Log, visits: Visits, users: pa.Array) -> pa.Table:
    """Tell why each purchase happened, in the order of events."""
    ids = event_ids(len(log.visit))
    bought = np.flatnonzero(log.kind == EVENT_KINDS.index(EventKind.PURCHASE))
    told = np.flatnonzero(log.kind == EVENT_KINDS.index(EventKind.SHARE))
    # The event through which each visit became known to friends: its share, else its purchase.
    known = np.full(len(visits), -1, np.int64)
    known[log.visit[bought]] = bought
    known[log.visit[told]] = told
    visit = log.visit[bought]
    source = visits.source[visit]
    caused = source >= 0
    columns = {
        "event_id": ids.take(pa.array(bought)),
        "cause": pa.array([str(c) for c in CAUSES]).take(pa.array(visits.cause[visit])),
        "friend_user_id": users.take(pa.array(visits.friend[visit], mask=~caused)),
        "source_event_id": ids.take(pa.array(known[source], mask=~caused)),
    }
    return pa.table(columns, schema=TRUTH)


def habit_truth(again: Log, prefix: str) -> pa.Table:
    """Tell why each further purchase happened: nobody caused it."""
    n = len(again.visit)
    columns = {
        "event_id": event_ids(n, prefix),
        "cause": pa.array([str(Cause.HABIT)] * n, pa.string()),
        "friend_user_id": pa.nulls(n, pa.string()),
        "source_event_id": pa.nulls(n, pa.string()),
    }
    return pa.table(columns, schema=TRUTH)


def as_times(ms: npt.NDArray[np.number], start_ms: int) -> pa.Array:
    """Convert milliseconds after the first day to the contract's times."""
    micros = (ms.astype(np.int64) + start_ms) * 1000
    return pa.array(micros, pa.int64()).cast(schema.TIMESTAMP)


def _own_doing() -> list[int]:
    """List the kinds that nobody is referred to: they follow from having bought."""
    return [EVENT_KINDS.index(k) for k in (EventKind.SHARE, EventKind.REVIEW, EventKind.RATING)]


def _codes(kind: EventKind, count: int) -> npt.NDArray[np.int8]:
    return np.full(count, EVENT_KINDS.index(kind), np.int8)


def _seconds(low: int, high: int, count: int, rng: np.random.Generator) -> Ints:
    return rng.integers(low * 1000, high * 1000, count)


def _append(
    visit: list[Ints],
    kind: list[npt.NDArray[np.int8]],
    ts: list[Ints],
    visits: Visits,
    rows: Ints,
    event: EventKind,
    delay: Ints,
) -> None:
    visit.append(rows)
    kind.append(_codes(event, len(rows)))
    ts.append(visits.ts_ms[rows] + delay)


def _rate(
    visits: Visits, pleased: Floats, goods: Goods, days: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, npt.NDArray[np.bool_]]:
    """Draw ratings of some purchases, days later: visit, delay, stars, which are written out."""
    rows = np.flatnonzero((visits.reach == BOUGHT) & (rng.random(len(visits)) < REVIEWS))
    delay = rng.integers(DAY_MS, 7 * DAY_MS, len(rows))
    end = np.minimum(goods.ends_ms[visits.item[rows]], days * DAY_MS)
    in_time = visits.ts_ms[rows] + delay < end
    rows, delay = rows[in_time], delay[in_time]
    opinion = 3.2 + 1.6 * pleased[rows] + 0.9 * rng.standard_normal(len(rows))
    stars = np.clip(np.round(opinion), 1, 5).astype(np.int64)
    return rows, delay, stars, rng.random(len(rows)) < 0.5


def _values(
    visits: Visits, goods: Goods, visit: Ints, kind: npt.NDArray[np.int8], stars: Ints
) -> npt.NDArray[np.float64]:
    """Fill in prices of purchases and stars of ratings (the last rows), nan elsewhere."""
    price = np.round(goods.price[visits.item[visit]].astype(np.float64), 2)
    value = np.where(kind == EVENT_KINDS.index(EventKind.PURCHASE), price, np.nan)
    value[len(value) - len(stars) :] = stars
    return value


def _texts(
    count: int, stars: Ints, written: npt.NDArray[np.bool_], rng: np.random.Generator
) -> pa.Array:
    """Fill in the written reviews, which are among the last rows; null elsewhere."""
    words = write_reviews(stars.astype(np.float64), rng)
    reviews = pc.if_else(pa.array(written), words, pa.scalar(None, pa.string()))
    before = pa.nulls(count - len(stars), pa.string())
    return pa.concat_arrays([before, reviews.cast(pa.string())])
