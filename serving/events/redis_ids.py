"""Ids of entries in a Redis stream, and the offsets that logs tell of them."""

import hashlib
from typing import Any

from coterie.data.locks import LOG_KEYS
from serving.events.event import Entry, entry_id


def id_key(entry: Entry) -> str:
    """Name the key that knows an entry again; ids may be long, so it has their digest."""
    return f"{LOG_KEYS}:id:{hashlib.blake2b(entry_id(entry).encode(), digest_size=16).hexdigest()}"


def text(value: Any) -> str:
    """Read what Redis answers as a text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def offset_of(entry: str) -> str:
    """Write an entry's id so that texts sort as ids do."""
    ms, _, number = entry.partition("-")
    return f"{int(ms):015d}_{int(number):08d}"


def id_at(offset: str) -> str:
    """Write an offset as the id of its entry."""
    ms, _, number = offset.partition("_")
    return f"{int(ms)}-{int(number)}"
