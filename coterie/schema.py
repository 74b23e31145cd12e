"""Every name that crosses a border is spelt here, once: tables, columns, event kinds, features."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import pyarrow as pa

SCHEMA_VERSION: Final = 1


class EventKind(StrEnum):
    """What a shopper did with an item: signs of interest from the weakest to the strongest, then
    what speaks against the item."""

    VIEW = "view"
    CLICK = "click"
    SHARE = "share"
    CART = "cart"
    REVIEW = "review"
    RATING = "rating"
    PURCHASE = "purchase"
    RETURN = "return"
    DISLIKE = "dislike"


class TieKind(StrEnum):
    """How one person stands to another."""

    FRIEND = "friend"
    FOLLOW = "follow"
    TRUST = "trust"


class Part(StrEnum):
    """The part of a bundled (published) split that an event belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


EVENT_KINDS: Final = tuple(EventKind)
"""Row order of the ``kind`` codes in arrays: the code of a kind is its place here."""
DID: Final = {
    EventKind.VIEW: "viewed {}",
    EventKind.CLICK: "looked at {}",
    EventKind.SHARE: "shared {}",
    EventKind.CART: "put {} in the cart",
    EventKind.REVIEW: "reviewed {}",
    EventKind.RATING: "rated {}",
    EventKind.PURCHASE: "bought {}",
    EventKind.RETURN: "returned {}",
    EventKind.DISLIKE: "did not want {}",
}
"""What a reason says that a person did with an item."""
DID_NOT_WANT: Final = "{}, but did not want it"
"""The same, where what was done speaks for the item, and the last word was against it."""
TIE_KINDS: Final = tuple(TieKind)
UNDIRECTED_TIES: Final = frozenset({TieKind.FRIEND})
PARTS: Final = tuple(Part)

TARGET_KINDS: Final = frozenset(
    {EventKind.CART, EventKind.PURCHASE, EventKind.RATING, EventKind.REVIEW}
)
"""Events that a list should foresee: views and clicks are partly our own doing."""
AGAINST_KINDS: Final = frozenset({EventKind.RETURN, EventKind.DISLIKE})
"""Events that speak against an item, whatever their value."""
LIKED_RATING: Final = 3.0
"""A rating or review whose value is below this (of 5) speaks against its item."""

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
UNDATED: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""When all events happened where a shop knows no times: their ages are equal, and say nothing."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the contract."""

    name: str
    type: pa.DataType
    required: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the contract: its columns, and those that tell one row from another."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    optional: bool = False

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema that every clean table has."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a file must have."""
        return tuple(c.name for c in self.columns if c.required)


EVENTS: Final = Table(
    "events",
    (
        Column("event_id", pa.string(), True, "unique; a second row with the same id is dropped"),
        Column("user_id", pa.string(), True, "who did it"),
        Column("item_id", pa.string(), True, "with what"),
        Column("event", pa.string(), True, "one of " + ", ".join(EVENT_KINDS)),
        Column("value", pa.float64(), False, "rating of 5, price paid, or count"),
        Column("text", pa.string(), False, "of a review, or a tag"),
        Column("ts", TIMESTAMP, True, "when, UTC"),
        Column("referrer_user_id", pa.string(), False, "who shared or invited"),
        Column("split", pa.string(), False, "bundled split, in public data sets only"),
    ),
    ("event_id",),
)
TIES: Final = Table(
    "ties",
    (
        Column("src_user_id", pa.string(), True, "the follower"),
        Column("dst_user_id", pa.string(), True, "the followee"),
        Column("kind", pa.string(), True, "one of " + ", ".join(TIE_KINDS)),
        Column("weight", pa.float64(), False, "over 0; 1 where nothing is known"),
        Column("since", TIMESTAMP, False, "when it formed, UTC"),
    ),
    ("src_user_id", "dst_user_id", "kind"),
)
ITEMS: Final = Table(
    "items",
    (
        Column("item_id", pa.string(), True),
        Column("title", pa.string(), True),
        Column("description", pa.string()),
        Column("price", pa.float64(), False, "at least 0, in the shop's currency"),
        Column("category", pa.string(), False, "a path: Home/Kitchen/Pans"),
        Column("brand", pa.string()),
        Column("image_uri", pa.string()),
        Column("audio_uri", pa.string()),
        Column("available", pa.bool_(), False, "true where nothing is said"),
        Column("created_at", TIMESTAMP, False, "when it entered the catalogue, UTC"),
    ),
    ("item_id",),
)
USERS: Final = Table(
    "users",
    (
        Column("user_id", pa.string(), True),
        Column("may_be_named", pa.bool_(), False, "may friends see me in their reasons?"),
        Column("may_be_used", pa.bool_(), False, "may my events and ties serve others?"),
    ),
    ("user_id",),
    optional=True,
)
TABLES: Final = {table.name: table for table in (EVENTS, TIES, ITEMS, USERS)}

QUARANTINE: Final = pa.schema(
    [
        pa.field("table", pa.string()),
        pa.field("file", pa.string()),
        pa.field("row", pa.int64()),
        pa.field("column", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("found", pa.string()),
    ]
)
INGEST_REPORT: Final = "ingest.json"
"""Written last: a clean folder without it is half-written and refused."""

STRENGTHS: Final = ("weight", "common_neighbours", "common_items", "shares")
"""Columns of a tie's strength features, each as log(1 + value)."""

# Feature views and their columns (Feast), read by training and serving alike.
USER_ENTITY: Final = "user"
SHOPPER_RECENT_VIEW: Final = "shopper_recent"
SHOPPER_TIES_VIEW: Final = "shopper_ties"
RECENT_ITEMS: Final = "recent_item_ids"
RECENT_KINDS: Final = "recent_kinds"
RECENT_TS: Final = "recent_ts_ms"
RECENT_WANTED: Final = "recent_wanted_ms"
"""When each item was last wanted (a target kind), milliseconds since 1970; below 0: last turned
down, at that time, and not wanted since; 0: neither."""
HAD_ITEMS: Final = "had_item_ids"
"""What fell out of the recent list, and was wanted or turned down: never shown again."""
HAD_KINDS: Final = "had_kinds"
HAD_WANTED: Final = "had_wanted_ms"
FRIEND_IDS: Final = "friend_ids"
FRIEND_STRENGTHS: Final = "friend_strengths"
"""Flattened: len(STRENGTHS) numbers a friend, in the order of FRIEND_IDS."""
FRIENDS_NAMED: Final = "friends_named"
"""1 where a friend may be named in a reason, in the order of FRIEND_IDS."""
FEATURE_SERVICE: Final = "recommend"
"""Prefix of the feature service of a model version: recommend_v1."""
MAX_RECENT: Final = 200
"""Items of one shopper's history that a list draws on, newest first."""
MAX_HAD: Final = 5_000
"""Items remembered beside these, so that what was had long ago does not come back."""
MAX_FRIENDS: Final = 50
"""Friends that a list draws on, strongest tie first."""
