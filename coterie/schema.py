"""Every name that crosses a border is spelt here, once: tables, columns, event kinds, features."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

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
    REFERRAL = "referral"
    """The followee once brought the follower to something: a weak tie, where a shop wants it."""


class Part(StrEnum):
    """The part of a bundled (published) split that an event belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


EVENT_KINDS: Final = tuple(EventKind)
"""Row order of the ``kind`` codes in arrays: the code of a kind is its index here."""
TIE_KINDS: Final = tuple(TieKind)
UNDIRECTED_TIES: Final = frozenset({TieKind.FRIEND})
DIRECTED_TIES: Final = tuple(kind for kind in TIE_KINDS if kind not in UNDIRECTED_TIES)
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
    choices: tuple[str, ...] = ()
    """Words that the column may hold, in any case; empty: any."""
    where_not_said: float | bool | None = None
    """What an empty cell means, and a missing row; None: nothing is known."""
    unreadable: bool | None = None
    """What a value is taken for that cannot be read; None: its row is bad. A column that has it
    asks a person's consent."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one column alone cannot tell of a row."""

    column: str
    """The column to blame."""
    fault: str
    broken: Callable[[Mapping[str, pa.Array]], pa.Array]
    """Makes a mask, shape (n,), true where a row is bad, of all columns of n rows."""


class Duplicates(StrEnum):
    """Which row of a key counts, of several."""

    FIRST = "first"
    LAST = "last"


class BadRow(StrEnum):
    """What a bad row does beside being set aside."""

    NOTHING = "nothing"
    WITHDRAWS = "withdraws"
    """Where it says no in a column of ``Table.strict``, or says there what cannot be read, the good
    row of its key says no as well."""
    REFUSES = "refuses"
    """Its key is there, and says no in all columns of ``Table.strict``: nobody's no gets lost, so
    columns under a wrong name are looked at, and ids in a wrong field."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Rows that are also there the other way round, after those that were given."""

    columns: tuple[str, str]
    """Two that are swapped."""
    where: str
    """A column."""
    is_in: frozenset[str]
    """Words that the column holds in such rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the contract: its columns, and all that ingest has to know of its rows."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns of text that tell one row from another."""
    optional: bool = False
    """Whether a shop may lack it."""
    needed: bool = False
    """Whether there is no shop without a good row of it."""
    sorted_by: tuple[str, ...] = ()
    """Columns that together are unique; the key where nothing is said."""
    rules: tuple[Rule, ...] = ()
    duplicates: Duplicates = Duplicates.FIRST
    strict: tuple[str, ...] = ()
    """Columns of yes and no. Of several rows of a key, which is then one column, a no holds."""
    bad_row: BadRow = BadRow.NOTHING
    mirror: Mirror | None = None

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema that every clean table has."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a file must have."""
        return tuple(c.name for c in self.columns if c.required)

    @property
    def order(self) -> tuple[str, ...]:
        """Columns that clean rows are sorted by."""
        return self.sorted_by or self.key

    @property
    def where_not_said(self) -> dict[str, float | bool]:
        """What empty cells mean, by column."""
        return {c.name: c.where_not_said for c in self.columns if c.where_not_said is not None}

    @property
    def consents(self) -> tuple[str, ...]:
        """Columns that ask a person's consent."""
        return tuple(c.name for c in self.columns if c.unreadable is not None)


MAX_RATING: Final = 5.0


def _is(kinds: Collection[str]) -> Callable[[Mapping[str, pa.Array]], pa.Array]:
    words = pa.array([str(kind) for kind in kinds], pa.string())
    return lambda row: pc.is_in(row["event"], value_set=words)


_is_rating, _has_stars = _is([EventKind.RATING]), _is([EventKind.RATING, EventKind.REVIEW])
_is_share = _is([EventKind.SHARE])

EVENTS: Final = Table(
    "events",
    (
        Column("event_id", pa.string(), True, "unique; a second row with the same id is dropped"),
        Column("user_id", pa.string(), True, "who did it"),
        Column("item_id", pa.string(), True, "with what"),
        Column("event", pa.string(), True, "one of " + ", ".join(EVENT_KINDS), EVENT_KINDS),
        Column("value", pa.float64(), False, "rating of 5, price paid, or count"),
        Column("text", pa.string(), False, "of a review, or a tag"),
        Column("ts", TIMESTAMP, True, "when, UTC"),
        Column("referrer_user_id", pa.string(), False, "who shared or invited"),
        Column("invited_user_id", pa.string(), False, "of a share: with whom"),
        Column("split", pa.string(), False, "bundled split, in public data sets only", PARTS),
    ),
    ("event_id",),
    needed=True,
    sorted_by=("ts", "event_id"),
    rules=(
        Rule("value", "below 0", lambda row: pc.less(row["value"], 0.0)),
        Rule(
            "value",
            "a rating without its value",
            lambda row: pc.and_(_is_rating(row), pc.is_null(row["value"])),
        ),
        Rule(
            "value",
            f"over {MAX_RATING:g}",
            lambda row: pc.and_(_has_stars(row), pc.greater(row["value"], MAX_RATING)),
        ),
        Rule(
            "invited_user_id",
            "of an event that is no share",
            lambda row: pc.and_(pc.is_valid(row["invited_user_id"]), pc.invert(_is_share(row))),
        ),
        Rule(
            "invited_user_id",
            "a share with oneself",
            lambda row: pc.equal(row["user_id"], row["invited_user_id"]),
        ),
    ),
)
TIES: Final = Table(
    "ties",
    (
        Column("src_user_id", pa.string(), True, "the follower"),
        Column("dst_user_id", pa.string(), True, "the followee"),
        Column("kind", pa.string(), True, "one of " + ", ".join(TIE_KINDS), TIE_KINDS),
        Column("weight", pa.float64(), False, "over 0; 1 where nothing is known", (), 1.0),
        Column("since", TIMESTAMP, False, "when it formed, UTC"),
    ),
    ("src_user_id", "dst_user_id", "kind"),
    rules=(
        Rule(
            "dst_user_id",
            "a tie to oneself",
            lambda row: pc.equal(row["src_user_id"], row["dst_user_id"]),
        ),
        Rule("weight", "not over 0", lambda row: pc.less_equal(row["weight"], 0.0)),
    ),
    mirror=Mirror(("src_user_id", "dst_user_id"), "kind", UNDIRECTED_TIES),
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
        Column("tags", pa.string(), False, "words, commas between: cotton, summer"),
        Column("image_uri", pa.string()),
        Column("audio_uri", pa.string()),
        Column("available", pa.bool_(), False, "true where nothing is said", (), True),
        Column("created_at", TIMESTAMP, False, "when it entered the catalogue, UTC"),
    ),
    ("item_id",),
    needed=True,
    rules=(Rule("price", "below 0", lambda row: pc.less(row["price"], 0.0)),),
    # The last row of an item is its newest; that it may not be sold holds, whoever said so.
    duplicates=Duplicates.LAST,
    strict=("available",),
    bad_row=BadRow.WITHDRAWS,
)
RELEASED_ITEMS: Final = pa.schema([one for one in ITEMS.arrow if one.name != "tags"])
"""What a release tells of its items. Tags are for training alone, and servers of before would
refuse a release that has them."""
USERS: Final = Table(
    "users",
    (
        Column("user_id", pa.string(), True),
        Column(
            "may_be_named",
            pa.bool_(),
            False,
            "may friends see me in their reasons?",
            (),
            True,
            False,
        ),
        Column(
            "may_be_used",
            pa.bool_(),
            False,
            "may my events and ties serve others?",
            (),
            True,
            False,
        ),
    ),
    ("user_id",),
    optional=True,
    # Of two words on consent the stricter holds.
    duplicates=Duplicates.LAST,
    strict=("may_be_named", "may_be_used"),
    bad_row=BadRow.REFUSES,
)
TABLES: Final = {table.name: table for table in (EVENTS, TIES, ITEMS, USERS)}
"""The contract. Clean tables are named in this order, and so is their digest: a new one comes
last."""

ERASED: Final = Table("erased", (Column("mark", pa.string(), True),), ("mark",))
"""Whom the shop has forgotten, by marks (``coterie.data.suppressed``): none of a shop's tables, but
changes speak of it, and it is beside them."""

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
SHOPPER_NETWORK_VIEW: Final = "shopper_network"
"""Where each shopper stands in the network."""
NETWORK_COMMUNITY: Final = "community"
NETWORK_PAGERANK: Final = "pagerank"
NETWORK_CORE: Final = "core_number"
SHOPPER_BEHAVIOUR_VIEW: Final = "shopper_behaviour"
"""What each shopper is like, and may do next."""
SEGMENT: Final = "segment"
SEGMENT_NAME: Final = "segment_name"
BUYS_7D: Final = "buys_7d"
BUYS_30D: Final = "buys_30d"
VALUE_30D: Final = "value_30d"
LEAVES_30D: Final = "leaves_30d"
ITEM_ENTITY: Final = "item"
ITEM_CONTENT_VIEW: Final = "item_content"
"""What encoders made of an item: a list of numbers a kind, ``vector_text`` and so on."""
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
ASKED_TS: Final = "asked_ts_ms"
"""When somebody shared an item with them, newest first: nobody is to be asked all the time."""
FRIEND_IDS: Final = "friend_ids"
FRIEND_STRENGTHS: Final = "friend_strengths"
"""Flattened: len(STRENGTHS) numbers a friend, in the order of FRIEND_IDS."""
FRIENDS_NAMED: Final = "friends_named"
"""1 where a friend may be named in a reason, in the order of FRIEND_IDS."""
FRIENDS_MUTUAL: Final = "friends_mutual"
"""1 where a friend follows the shopper in turn, in the order of FRIEND_IDS."""
FRIEND_WEIGHTS: Final = "friend_weights"
"""Flattened: len(TIE_KINDS) numbers a friend, what each kind of tie weighs, 0 where there is none.
One kind may end while the others go on."""
FRIEND_WIDTHS: Final = {
    FRIEND_IDS: 1,
    FRIEND_STRENGTHS: len(STRENGTHS),
    FRIENDS_NAMED: 1,
    FRIENDS_MUTUAL: 1,
    FRIEND_WEIGHTS: len(TIE_KINDS),
}
"""Columns of the view of ties that hold so many values a friend."""
CONSENT: Final = "consent"
"""Of the shopper: whether they may be named, and used, 1 or 0, in the order of CONSENTS."""
CONSENTS: Final = ("may_be_named", "may_be_used")
FEATURE_TIMESTAMP: Final = "event_timestamp"
"""Up to when a row of a feature view tells what was known."""
FEATURE_SERVICE: Final = "recommend"
"""Prefix of the feature service of a model version: recommend_v1."""
MAX_RECENT: Final = 200
"""Items of one shopper's history that a list draws on, newest first."""
MAX_HAD: Final = 5_000
"""Items remembered beside these, so that what was had long ago does not come back."""
MAX_ASKED: Final = 50
"""Invitations that are remembered of a person."""
MAX_FRIENDS: Final = 50
"""Friends that a list draws on, strongest tie first."""
