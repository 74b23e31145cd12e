"""What goes over the wire: the bodies of requests and answers."""

import math
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from coterie.recommend.recommender import ReasonKind, Source
from coterie.schema import EventKind

MAX_ID: Final = 128
MAX_TEXT: Final = 2000
MAX_EVENTS: Final = 500
MAX_K: Final = 100

# No control characters: they are in nobody's ids, and break logs and stores.
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class Strict(BaseModel):
    """A request's part: what is not known is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Item(BaseModel):
    """A product, as the catalogue describes it."""

    item_id: str
    title: str
    description: str | None = None
    price: float | None = Field(default=None, description="In the shop's currency")
    category: str | None = Field(default=None, description="A path", examples=["Home/Kitchen/Pans"])
    brand: str | None = None
    available: bool = True


class Reason(BaseModel):
    """One part of an item's score. The contributions of all parts add up to the score."""

    kind: ReasonKind = Field(description="Own history, a friend's, or what most people had")
    share: float = Field(description="Part of the score, 0 to 1: all shares add up to 1")
    contribution: float = Field(description="What it adds to the score; may be below 0")
    text: str = Field(
        description="For people to read", examples=["shopper-0007 and 2 more friends bought this"]
    )
    item_id: str | None = Field(default=None, description="The item that the history holds")
    friend: str | None = Field(default=None, description="Only who may be named is")
    num_friends: int | None = Field(default=None, description="Friends that this part adds up")


class ListedItem(BaseModel):
    """One place of a list."""

    rank: int = Field(description="1 is best")
    score: float
    item: Item
    reasons: list[Reason] | None = Field(
        default=None, description="Those with an item first, by share"
    )


class RecommendationList(BaseModel):
    """A shopper's list."""

    user_id: str
    source: Source = Field(
        description="What the list could draw on: own (history, and friends' where there are any), "
        "friends (no history of one's own), popular (neither)"
    )
    release: str = Field(description="Version of the release that made it")
    list_id: str = Field(
        default="", description="Send it back with events that follow from this list"
    )
    items: list[ListedItem]


class SimilarItem(BaseModel):
    """An item that the same people would like."""

    item: Item
    similarity: float = Field(description="Cosine, -1 to 1")


class SimilarItems(BaseModel):
    """Items like one item, best first."""

    item: Item
    items: list[SimilarItem]


class EventIn(Strict):
    """Something that a shopper did."""

    event_id: Id = Field(description="Chosen by the sender; a second event with it is ignored")
    user_id: Id
    item_id: Id = Field(description="In the release's catalogue")
    event: EventKind
    ts: AwareDatetime | None = Field(
        default=None,
        description="ISO 8601 with an offset; when it came in, if left out",
        examples=["2026-01-31T12:00:00Z"],
    )
    value: float | None = Field(default=None, description="Rating of 5, price paid, or count")
    text: str | None = Field(default=None, max_length=MAX_TEXT, description="Of a review, or a tag")
    referrer_user_id: Id | None = Field(default=None, description="Who shared or invited")
    list_id: Id | None = Field(
        default=None, description="Of the list that it follows from: how releases are compared"
    )

    @field_validator("value")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            raise ValueError("expected a finite number")
        return value

    @field_validator("ts", mode="before")
    @classmethod
    def _text_only(cls, ts: object) -> object:
        # A bare number could mean seconds or milliseconds.
        if ts is not None and not isinstance(ts, str | datetime):
            raise ValueError("expected ISO 8601 text with an offset, like 2026-01-31T12:00:00Z")
        return ts


class EventBatch(Strict):
    """Events to keep: all of them, or, where one does not fit, none."""

    events: list[EventIn] = Field(min_length=1, max_length=MAX_EVENTS)


class EventReceipt(BaseModel):
    """What became of a batch."""

    accepted: int = Field(description="New, and kept for good")
    duplicate: int = Field(description="Known by their event_id: nothing changed")
    applied: bool = Field(
        description="True: the very next list takes them into account. False (status 202): they "
        "are kept, and will be taken into account once the feature store answers again"
    )


class HistoryEntry(BaseModel):
    """One item in a shopper's history."""

    item: Item
    event: EventKind = Field(description="The strongest that they did with it")
    turned_down: bool = Field(
        default=False,
        description="Sent back, badly rated, or not for them: their last word was against it",
    )
    ts: datetime


class Friend(BaseModel):
    """One friend whom the list draws on."""

    user_id: str | None = Field(description="Null where they may not be named")
    history: list[HistoryEntry]


class Shopper(BaseModel):
    """A shopper, as the storefront shows one."""

    user_id: str
    history: list[HistoryEntry] = Field(description="Newest first")
    friends: list[Friend] = Field(description="Strongest tie first")
    num_friends: int


class ShopperSample(BaseModel):
    """Some shoppers to try."""

    shoppers: list[str]
    total: int = Field(description="All that match")


class ItemPage(BaseModel):
    """Items of the catalogue."""

    items: list[Item]


class Health(BaseModel):
    """Whether the process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be answered."""

    status: Literal["ready"] = "ready"
    release: str = Field(description="Version")
    digest: str = Field(description="Of the release's manifest")
