"""What goes over the wire of changes: bodies of requests and answers."""

from typing import Final, Literal

from pydantic import BaseModel, Field, SkipValidation

from coterie.schema import TieKind
from serving.schemas import IdIn, StrictBody

MAX_CHANGES: Final = 500


class RefusedChange(BaseModel):
    """A change that was not kept, and the first thing wrong with it."""

    index: int = Field(description="In the batch, from 0")
    where: str = Field(description="JSON path", examples=["body.items[3].price"])
    reason: str = Field(description="What was found and what was expected")


class ChangeReceipt(BaseModel):
    """What became of changes. They are in effect from the next request on, on every replica."""

    accepted: int = Field(description="New, and kept for good")
    duplicate: int = Field(description="Known by their change_id: nothing changed")
    refused: list[RefusedChange] = Field(
        description="Not kept: mend them and send them again; the others need not be sent again"
    )
    applied: bool = Field(description="Always true: a change that is kept is in effect")


_CHANGE_ID = Field(
    default=None,
    description="Chosen by the sender, for each table; a second change with it is ignored",
)
_CHANGE_TS = Field(
    default=None,
    description="When it was so, as for events; when it came in, if left out. Of two changes of a "
    "field the later one holds, in whatever order they come",
)


class TieIn(StrictBody):
    """How one person stands to another."""

    kind: TieKind = Field(
        default=TieKind.FRIEND, description="friend holds both ways, the others from the first on"
    )
    weight: float | str = Field(default=1.0, description="Over 0")
    since: str | float | None = Field(default=None, description="When it formed; `ts` if left out")
    ts: str | float | None = _CHANGE_TS
    change_id: IdIn | None = _CHANGE_ID


class TieChange(TieIn):
    """A tie that is made, or ends."""

    src_user_id: IdIn = Field(description="The follower")
    dst_user_id: IdIn = Field(description="The followee")
    op: Literal["put", "delete"] = Field(default="put", description="delete: it ends")


class TieBatch(StrictBody):
    """Ties to change; one that does not fit is named, and takes no other with it."""

    ties: list[SkipValidation[TieChange]] = Field(min_length=1, max_length=MAX_CHANGES)


class ItemPatch(StrictBody):
    """What is said of an item; what is left out stays as it is, null says that nothing is known."""

    title: str | float | None = None
    description: str | float | None = None
    price: float | str | None = Field(default=None, description="At least 0")
    category: str | list[str] | None = Field(default=None, examples=["Home/Kitchen/Pans"])
    brand: str | float | None = None
    tags: str | None = Field(default=None, description="Words, commas between; for training")
    image_uri: str | None = None
    audio_uri: str | None = None
    available: bool | str | int | None = Field(
        default=None, description="False: out of stock, not shown from the next request on"
    )
    created_at: str | float | None = Field(
        default=None, description="When it entered the catalogue"
    )
    ts: str | float | None = _CHANGE_TS
    change_id: IdIn | None = _CHANGE_ID


class ItemPut(ItemPatch):
    """An item as a whole: what is left out is not known."""

    title: str | float


class ItemChange(ItemPatch):
    """An item that is put, changed in part, or taken out of the shop."""

    item_id: IdIn
    op: Literal["put", "patch", "delete"] = Field(
        default="put", description="put: as a whole, with a title; patch: what is said of it"
    )


class ItemBatch(StrictBody):
    """Items to change; one that does not fit is named, and takes no other with it."""

    items: list[SkipValidation[ItemChange]] = Field(min_length=1, max_length=MAX_CHANGES)


class ConsentIn(StrictBody):
    """What a person agrees to; what is left out stays as it is."""

    may_be_named: bool | None = Field(
        default=None, description="May friends see them in their reasons?"
    )
    may_be_used: bool | None = Field(
        default=None, description="May their events and ties serve others?"
    )
    ts: str | float | None = _CHANGE_TS
    change_id: IdIn | None = _CHANGE_ID
