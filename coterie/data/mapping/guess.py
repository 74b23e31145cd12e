"""What a file seems to be, and which of its columns are the contract's: by name, then content."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.mapping.look import (
    COMMA,
    EMPTY,
    FLAG,
    ID,
    LIST,
    NUMBER,
    TEXT,
    TIME,
    UNIX,
    WHOLE,
    WORD,
    ColumnLook,
)
from coterie.data.mapping.states import gone_at
from coterie.data.mapping.words import COLUMNS, ITEM_FILES, PEOPLE_FILES, TIE_FILES, plain_name

UNKNOWN: Final = "unknown"
_FITS: Final[dict[str, tuple[str, ...]]] = {
    # Numbers with a fraction, since browsers are counted as 1234.1700000000.
    "user_id": (ID, WHOLE, WORD, TEXT, UNIX, NUMBER),
    "item_id": (ID, WHOLE, WORD, TEXT, UNIX),
    "event": (WORD, ID),
    "value": (WHOLE, NUMBER, COMMA),
    "price": (WHOLE, NUMBER, COMMA, ID, WORD, TEXT),
    "weight": (WHOLE, NUMBER, COMMA),
    "text": (TEXT, ID, WORD, WHOLE),
    "ts": (TIME, UNIX),
    "since": (TIME, UNIX),
    "created_at": (TIME, UNIX),
    "title": (TEXT, ID, WORD, WHOLE),
    "description": (TEXT, LIST, ID),
    "category": (TEXT, ID, WORD, LIST),
    "brand": (TEXT, ID, WORD),
    "tags": (TEXT, WORD, LIST),
    "image_uri": (ID, TEXT, WORD),
    "available": (FLAG, WHOLE),
}
"""Types that a column may have to be taken for one of the contract's."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file seems to be."""

    table: str
    """A table of the contract, or ``UNKNOWN``."""
    roles: dict[str, str]
    """The file's column for each of the contract's."""
    why: str = ""
    """Why it is unknown."""


def guess(name: str, columns: Sequence[ColumnLook], has_names: bool) -> Guess:
    """Guess what one file is.

    Args:
        name: Within the folder.
        columns: Its columns.
        has_names: Whether a header names them.
    """
    stem = PurePosixPath(name).name.split(".")[0]
    return _by_names(stem, columns) if has_names else _by_order(stem, columns)


def _by_names(stem: str, columns: Sequence[ColumnLook]) -> Guess:
    found = {table: _roles(table, columns) for table in COLUMNS}
    events, ties, items = found["events"], found["ties"], found["items"]
    if "item_id" not in items and ITEM_FILES.search(stem):
        keys = [look.name for look in columns if _is_key(look)]
        items |= {"item_id": keys[0]} if keys else {}
    is_tied = {"src_user_id", "dst_user_id"} <= ties.keys() and "item_id" not in events
    if is_tied and (TIE_FILES.search(stem) or "user_id" in events or len(columns) <= 4):
        return Guess("ties", ties)
    if {"user_id", "item_id"} <= events.keys() and events["user_id"] != events["item_id"]:
        # What is taken for the event itself is not said of the item.
        return Guess("events", events)
    if "item_id" in items and "title" in items and items["title"] != items["item_id"]:
        return Guess("items", items)
    users = found["users"]
    if PEOPLE_FILES.search(stem) and (keys := [look.name for look in columns if _is_key(look)]):
        # Before any address: a person's number is what other tables of a database name.
        users["user_id"] = keys[0]
    if "user_id" in users and (len(users) > 1 or gone_at(columns) is not None):
        return Guess("users", users)
    return Guess(UNKNOWN, {}, _why(events, items))


def roles_of_items(columns: Sequence[ColumnLook], used: set[str], item_id: str) -> dict[str, str]:
    """Find what the columns of a file of events tell of the items.

    Args:
        columns: All of the file.
        used: Those that are mapped as something of the event.
        item_id: The item's id; where it is within an object, so is what is told of the item.
    """
    home = item_id.rpartition(".")[0]
    free = [
        column
        for column in columns
        if (column.name not in used or _is_price(column))
        and column.name.rpartition(".")[0] in ("", home)
    ]
    roles = _roles("items", free)
    if "title" not in roles and "description" in roles:
        roles["title"] = roles.pop("description")
    return {role: column for role, column in roles.items() if role != "item_id"}


def _is_key(column: ColumnLook) -> bool:
    return plain_name(column.name) == "id" and column.type in _FITS["item_id"]


def candidates(found: Guess, columns: Sequence[ColumnLook]) -> list[ColumnLook]:
    """List the columns of items that may be their ids, instead of the one that was taken."""
    others = set(found.roles.values()) - {found.roles["item_id"]}
    return [c for c in columns if c.name not in others and c.type in (ID, WHOLE, UNIX)]


def _is_price(column: ColumnLook) -> bool:
    return any(name in COLUMNS["items"]["price"] for name in _names(column))


def _names(column: ColumnLook) -> tuple[str, str]:
    """Give the plain name of a column, and what it is called within its object."""
    return plain_name(column.name), plain_name(column.name.rpartition(".")[2])


def _why(events: dict[str, str], items: dict[str, str]) -> str:
    if "item_id" in items:
        return f"speaks of items ({items['item_id']}), but no column looks like a title"
    if "user_id" in events:
        return (
            f"speaks of people ({events['user_id']}), but not of items, and no column is "
            "may_be_named, may_be_used or deleted_at: nothing else of people is taken"
        )
    return "no column is called like a person's or an item's id"


def _roles(table: str, columns: Sequence[ColumnLook]) -> dict[str, str]:
    """Match the contract's columns with the file's, each of the file's at most once."""
    by_name: dict[str, ColumnLook] = {}
    for place in (0, 1):
        for column in columns:
            by_name.setdefault(_names(column)[place], column)
    roles: dict[str, str] = {}
    for role, names in COLUMNS[table].items():
        for known in (plain_name(role), *names):
            met = by_name.get(known)
            if met is None or met.name in roles.values() or met.type == EMPTY:
                continue
            if met.type in _FITS.get(role, (met.type,)):
                roles[role] = met.name
                break
    return roles


def _by_order(stem: str, columns: Sequence[ColumnLook]) -> Guess:
    """Guess without names: ids come first, the person before the item, a rating has few values."""
    ratings = [c for c in columns if _is_rating(c)]
    ids = [c for c in columns if c.type in (WHOLE, ID) and c not in ratings]
    # A code of few words may be an id in a small file.
    times = [c for c in columns if c.type in (TIME, UNIX)]
    texts = [c for c in columns if c.type == TEXT]
    if TIE_FILES.search(stem) and len(ids) >= 2:
        return Guess("ties", {"src_user_id": ids[0].name, "dst_user_id": ids[1].name})
    if ids and ids[0].is_unique and texts:
        roles = {"item_id": ids[0].name, "title": texts[0].name}
        if more := [c for c in columns if c not in (ids[0], texts[0]) and _is_path(c)]:
            roles["category"] = more[0].name
        return Guess("items", roles)
    if len(ids) >= 2 and not ids[0].is_unique:
        roles = {"user_id": ids[0].name, "item_id": ids[-1].name}
        roles |= {"ts": times[0].name} if times else {}
        roles |= {"value": ratings[0].name} if ratings else {}
        return Guess("events", roles)
    return Guess(UNKNOWN, {}, "it has no header, and its columns do not tell what they are")


def _is_rating(column: ColumnLook) -> bool:
    if column.type not in (WHOLE, NUMBER) or not 1 < column.distinct <= 21:
        return False
    low, high = column.bounds
    return low >= 0 and high <= 100 and column.distinct < len(column.values) / 10


def _is_path(column: ColumnLook) -> bool:
    return separator_of(column) is not None


def separator_of(column: ColumnLook) -> str | None:
    """Find what stands between the levels of a category; None where there is but one."""
    values: pa.Array = column.values
    for mark in ("|", " > ", ">", "/", "."):
        if (pc.mean(pc.match_substring(values, mark).cast(pa.float64())).as_py() or 0) > 0.2:
            return mark
    return None
