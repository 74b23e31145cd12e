"""Events that are already as the contract has them: read without asking it.

The contract's check works on columns, and to look at a batch of twenty costs as much as at one of
two thousand: some milliseconds. Nearly all that apps send needs none of it: ids of visible ASCII, a
kind in lower case, a time in the one form that JSON has for it. Whatever is written in another way
is left to the check, be it good or bad.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeGuard

from coterie.data.columns import MAX_NUMBER
from coterie.data.ids import MAX_ID, MISSING_WORDS
from coterie.schema import EVENT_KINDS, MAX_RATING, EventKind
from serving.events.event import Event

FIELDS: Final = frozenset(
    {"event_id", "user_id", "item_id", "event", "value", "ts", "referrer_user_id", "list_id"}
)
"""Texts of reviews are always cleaned."""
_KINDS: Final = {str(kind): kind for kind in EVENT_KINDS}
_STARS: Final = frozenset({EventKind.RATING, EventKind.REVIEW})
# Without points and pluses, which numbers have that spreadsheets wrote.
_ID: Final = re.compile(rf"[!-*,\-/-~]{{1,{MAX_ID}}}")
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MS: Final = timedelta(milliseconds=1)
_LEAST: Final = 0.001
"""A fraction below it is written with an exponent."""
_UNIX_MS: Final = (10**12, 10**13)
"""Whole numbers that can be nothing but milliseconds since 1970."""


def plain_event(given: Any, oldest_ms: int, now_ms: int) -> Event | None:
    """Read an event that is in the contract's own form.

    Args:
        given: A JSON value.
        oldest_ms: Nothing happened before it, milliseconds since 1970.
        now_ms: Nor after it; what an event without a time has for its time.

    Returns:
        What the contract's check would make of it; None where it has to be asked.
    """
    # Not a subclass: what has hooks of its own may say another thing when it is asked again.
    if type(given) is not dict or not given.keys() <= FIELDS:
        return None
    get = given.get
    event_id, user_id, item_id = get("event_id"), get("user_id"), get("item_id")
    referrer, list_id = get("referrer_user_id"), get("list_id")
    if not (_is_id(event_id) and _is_id(user_id) and _is_id(item_id)):
        return None
    if not ((referrer is None or _is_id(referrer)) and (list_id is None or _is_id(list_id))):
        return None
    found = get("event")
    kind = _KINDS.get(found) if type(found) is str else None
    ts_ms = _time(given, now_ms)
    if kind is None or ts_ms is None or not oldest_ms <= ts_ms <= now_ms:
        return None
    value = get("value")
    if not _is_value(value, kind):
        return None
    amount = None if value is None else float(value)
    return Event(event_id, user_id, item_id, kind, ts_ms, amount, None, referrer, list_id)


def _is_id(given: Any) -> TypeGuard[str]:
    return type(given) is str and bool(_ID.fullmatch(given)) and given not in MISSING_WORDS


def _is_value(given: Any, kind: EventKind) -> bool:
    if given is None:
        return kind is not EventKind.RATING
    if type(given) is not int and type(given) is not float:
        return False
    most = MAX_RATING if kind in _STARS else MAX_NUMBER
    return given == 0 or _LEAST <= given <= most


def _time(given: Mapping[str, Any], now_ms: int) -> int | None:
    """Read a time in milliseconds since 1970; None where it is in another form."""
    ts = given.get("ts")
    if ts is None:
        return now_ms
    if type(ts) is int:
        first, end = _UNIX_MS
        return ts if first <= ts < end else None
    if type(ts) is not str or not _TIME.fullmatch(ts):
        return None
    try:
        return (datetime.fromisoformat(ts) - _EPOCH) // _MS
    except (ValueError, OverflowError):
        return None
