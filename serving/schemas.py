"""What goes over the wire: the bodies of requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    SkipValidation,
    WithJsonSchema,
)
from pydantic_core import core_schema

from coterie.data.columns import MAX_TEXT
from coterie.data.ids import MAX_ID, normal_id
from coterie.recommend.recommender import ListSource, ReasonKind
from coterie.schema import EventKind
from coterie.search.index import Match

MAX_EVENTS: Final = 500
MAX_K: Final = 100
MAX_QUERY: Final = 200

Id = Annotated[
    str,
    # The form, not the text that came, has so many characters: space around it is dropped.
    AfterValidator(normal_id),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_ID}),
]
IdIn = Annotated[
    str | int, WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_ID})
]
"""An id of an event; a number stands for its digits."""


class _WrittenAsText:
    """Marks an enumeration of texts: its members are written as the texts that they are. By itself
    pydantic asks each for its value, in Python, which took half of writing a list."""

    @staticmethod
    def __get_pydantic_core_schema__(
        source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        written = {**handler(source), "serialization": core_schema.simple_ser_schema("str")}
        return cast(core_schema.CoreSchema, written)


class StrictBody(BaseModel):
    """Base of what requests hold: a field that is not known is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Item(BaseModel):
    """A product, as the catalogue describes it."""

    item_id: str
    title: str
    description: str | None = None
    price: float | None = Field(default=None, description="In the shop's currency")
    category: str | None = Field(default=None, description="A path", examples=["Home/Kitchen/Pans"])
    brand: str | None = None
    image: str | None = Field(
        default=None,
        description="Of its picture: an https address, or a name in the shop's folder of pictures, "
        "which the storefront has below /pictures/",
    )
    available: bool = True
    new: bool | None = Field(
        default=None,
        description="True: it entered the shop after the release was made. Until the next training "
        "its place in lists is that of items like it",
    )


class Reason(BaseModel):
    """One part of an item's score. The contributions of all parts add up to the score."""

    kind: Annotated[ReasonKind, _WrittenAsText] = Field(
        description="Own history, friends', what most people had, or others: what is too small, or "
        "too private, to be told"
    )
    share: float = Field(description="Part of the score, 0 to 1: all shares add up to 1")
    contribution: float = Field(description="What it adds to the score; may be below 0")
    text: str = Field(
        description="For people to read",
        examples=["shopper-0007 and 4 more people you know bought this"],
    )
    item_id: str | None = Field(default=None, description="The item that the history holds")
    item_ids: list[str] | None = Field(
        default=None, description="Of the shopper's own items that this part adds up, ten at most"
    )
    category: str | None = Field(
        default=None, description="Of the items that the history holds, where they are several"
    )
    num_items: int | None = Field(
        default=None, description="Items of the shopper's own history that this part adds up"
    )
    friend: str | None = Field(default=None, description="Only who may be named is")
    num_friends: int | None = Field(
        default=None, description="Friends that this part adds up, where that may be told"
    )
    likeness: dict[str, float] | None = Field(
        default=None,
        description="Where this part comes of both items being alike, in what, as shares of 1: "
        "words, meaning, looks, sound",
        examples=[{"words": 0.6, "looks": 0.4}],
    )
    likeness_text: str | None = Field(
        default=None,
        description="The same for people to read",
        examples=["Alike in words above all"],
    )


class Sentence(BaseModel):
    """The reasons of an item in a sentence."""

    text: str = Field(description="For people to read; plain text")
    by: Literal["model", "template"] = Field(
        description="model: worded by a language model, which may say nothing that the reasons do "
        "not; template: the first reason as it stands"
    )


class ListedItem(BaseModel):
    """One position of a list."""

    rank: int = Field(description="1 is best")
    score: float
    item: Item
    explored: bool | None = Field(
        default=None,
        description="True: a new or rarely shown item that stands here to learn whom it pleases; a "
        "reason says so",
    )
    reasons: list[Reason] | None = Field(
        default=None, description="Those with an item first, by share"
    )
    sentence: Sentence | None = Field(default=None, description="Only with `wording=model`")


class RecommendationList(BaseModel):
    """A shopper's list."""

    user_id: str
    source: ListSource = Field(
        description="What the list could draw on: own (history, and friends' where there are any), "
        "friends (no history of one's own), popular (neither)"
    )
    release: str = Field(description="Version of the release that made it")
    list_id: str = Field(
        default="", description="Send it back with events that follow from this list"
    )
    items: list[ListedItem]
    next: str | None = Field(
        default=None,
        description="Of the next page: send it back as `after`; left out of the last page",
    )
    _best_score: float | None = PrivateAttr(default=None)
    _chances: dict[int, float] = PrivateAttr(default_factory=dict)

    def note_chance(self, position: int, chance: float) -> None:
        """Note how likely it was that the item at a position (from 0) stands there, below 1."""
        self._chances[position] = chance

    def propensities(self) -> list[float]:
        """Say of each item how likely it was that it stands there, given what stands above; nobody
        else is told."""
        return [self._chances.get(position, 1.0) for position in range(len(self.items))]

    def note_best_score(self, score: float | None) -> None:
        """Note the best score that the release gave, before rules of the shop changed it."""
        self._best_score = score

    def best_score(self) -> float:
        """Say the best score that the release gave; nobody else is told."""
        if self._best_score is None:
            return self.items[0].score if self.items else 0.0
        return self._best_score


class ShopperItem(BaseModel):
    """What one item is to a shopper."""

    user_id: str
    source: ListSource
    release: str = Field(description="Version of the release that was asked")
    score: float
    item: Item
    reasons: list[Reason] = Field(description="As in a list")


class SearchParts(BaseModel):
    """What a found item's score is made of; the three add up to it."""

    words: float = Field(description="By words of the query that the item has, the rare ones first")
    meaning: float = Field(description="By how near what it says is to what the query means")
    taste: float = Field(description="By the shopper's own score of it; may be below 0")


class FoundItem(BaseModel):
    """One position of what a search found."""

    rank: int = Field(description="1 is best")
    score: float = Field(description="To be compared within this answer alone")
    item: Item
    matched: list[Match] = Field(
        description="words: it has some of the query's, or ones spelt much like them; meaning: it "
        "says what the query means, in whatever language"
    )
    parts: SearchParts | None = Field(default=None, description="Only with `explain`")


class SearchResults(BaseModel):
    """What a shopper's search found, best first; empty where nothing fits."""

    user_id: str
    query: str
    release: str = Field(description="Version of the release that was searched")
    items: list[FoundItem]
    next: str | None = Field(
        default=None,
        description="Of the next page: send it back as `after`; left out of the last page",
    )


class SimilarItem(BaseModel):
    """An item that is like another one."""

    item: Item
    similarity: float = Field(
        description="By taste and looks a cosine, -1 to 1; by words a share, 0 to 1"
    )


class SimilarItems(BaseModel):
    """Items like one item, best first."""

    item: Item
    items: list[SimilarItem]
    next: str | None = Field(
        default=None,
        description="Of the next page: send it back as `after`; left out of the last page",
    )


class EventIn(StrictBody):
    """Something that a shopper did: one row of the contract's table of events, and checked by the
    same rules."""

    event_id: IdIn = Field(description="Chosen by the sender; a second event with it is ignored")
    user_id: IdIn
    item_id: IdIn = Field(
        description="One that the release does not know is kept for the next training"
    )
    event: EventKind
    ts: str | float | None = Field(
        default=None,
        description="ISO 8601 (UTC where no offset is given) or Unix time in seconds, milliseconds "
        "or microseconds; when it came in, if left out. Kept to the millisecond",
        examples=["2026-01-31T12:00:00Z", 1769860800],
    )
    value: float | str | None = Field(
        default=None,
        description="Rating from 0 to 5 (of a review, too), price paid, or count; never below 0",
    )
    text: str | float | None = Field(
        default=None,
        description=f"Of a review, or a tag; cut after {MAX_TEXT['text']} characters",
    )
    referrer_user_id: IdIn | None = Field(default=None, description="Who shared or invited")
    invited_user_id: IdIn | None = Field(
        default=None, description="Of a share: with whom; nobody else is told"
    )
    list_id: IdIn | None = Field(
        default=None, description="Of the list that it follows from: how releases are compared"
    )


class EventBatch(StrictBody):
    """Events to keep; one that does not fit is named, and takes no other with it."""

    # Each is looked at for itself, by the check that ingest has.
    events: list[SkipValidation[EventIn]] = Field(min_length=1, max_length=MAX_EVENTS)


class RefusedEvent(BaseModel):
    """An event that was not kept, and the first thing wrong with it."""

    index: int = Field(description="In the batch, from 0")
    place: int = Field(
        description="The index, by its earlier name", json_schema_extra={"deprecated": True}
    )
    event_id: str | None = Field(description="As it was sent; null where it was none")
    where: str = Field(description="JSON path", examples=["body.events[3].value"])
    reason: str = Field(description="What was found and what was expected")


class EventReceipt(BaseModel):
    """What became of a batch."""

    accepted: int = Field(description="New, and kept for good")
    duplicate: int = Field(description="Known by their event_id: nothing changed")
    refused: list[RefusedEvent] = Field(
        description="Not kept: mend them and send them again; the others need not be sent again"
    )
    unknown_item: list[str] = Field(
        description="Items of kept events that the release does not know: the next training may"
    )
    shortened: list[int] = Field(
        description="Indices of kept events whose text was cut, it was too long"
    )
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
    next: str | None = Field(
        default=None,
        description="Of the next page: send it back as `after`; left out of the last page",
    )


class Health(BaseModel):
    """Whether the process lives."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be answered."""

    status: Literal["ready"] = "ready"
    release: str = Field(description="Version")
    digest: str = Field(description="Of the release's manifest")
