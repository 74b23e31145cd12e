"""What goes over the wire of what is kept of a person, and of its end."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from coterie.schema import EventKind, TieKind


class ConsentsTold(BaseModel):
    """What a person agrees to, as lists go by it."""

    may_be_named: bool
    may_be_used: bool
    said_live: bool = Field(description="Over HTTP, and not in the shop's tables alone")


class RecentItem(BaseModel):
    """One item of the history that lists draw on."""

    item_id: str
    event: EventKind
    ts: datetime | None = Field(description="Null of what fell out of the recent list")
    wanted: bool | None = Field(description="Null: neither wanted nor turned down")


class TiedPerson(BaseModel):
    """Somebody whom the person's lists draw on, strongest tie first."""

    user_id: str
    mutual: bool | None
    strengths: dict[str, float]


class ChangedTie(BaseModel):
    """A tie that changed over HTTP."""

    user_id: str | None = Field(
        description="Whom the person follows; null of ties of others to the person, since that is "
        "theirs to say"
    )
    direction: Literal["to", "from"] = Field(description="to: the person's own; from: of others")
    kind: TieKind
    there: bool | None
    fields: dict[str, Any] = Field(description="What was said last of each field")
    said: datetime | None = Field(description="When")


class KeptEntry(BaseModel):
    """An event or a change that the log has."""

    kind: Literal["event", "change"]
    ts: datetime
    referred: bool = Field(
        description="Somebody else's event, which names the person: as referrer, or as invited"
    )
    fields: dict[str, Any] = Field(description="As they came; of another's event its id alone")


class ShownItemTold(BaseModel):
    """One place of a list that a person was shown."""

    position: int = Field(description="From 0")
    item_id: str
    propensity: float = Field(description="How likely it was that this item stood here")
    team: str | None = Field(default=None, description="Of two arms in one list: whose it is")
    credit: float | None = None
    by_friends: float | None = Field(
        default=None, description="Share of its score that friends brought"
    )


class ShownListTold(BaseModel):
    """A list that a person was shown, as it is kept."""

    list_id: str
    ts: datetime
    surface: str
    release: str
    rules: str | None
    experiment: str | None
    arm: str | None
    made_ms: float | None
    shielded: bool | None
    items: list[ShownItemTold]


class PersonData(BaseModel):
    """All that is kept online of a person; the first page has all but a part of ties and log."""

    user_id: str
    erased: bool = Field(description="They were erased: nothing of theirs is taken")
    consents: ConsentsTold | None = Field(
        default=None, description="Null of who was erased: nothing is known of that"
    )
    recent: list[RecentItem] | None = Field(default=None, description="Newest first")
    had: list[RecentItem] | None = Field(
        default=None, description="What fell out of the recent list, and is not shown again"
    )
    asked: list[datetime] | None = Field(
        default=None, description="When others shared something with them, newest first"
    )
    friends: list[TiedPerson] | None = None
    network: dict[str, float | str] | None = Field(
        default=None,
        description="Where they stand in the shop's network, by column; empty where that is not "
        "online. No list draws on it",
    )
    behaviour: dict[str, float | str] | None = Field(
        default=None,
        description="Their segment, and the chances that they buy, spend or stay away, by column; "
        "empty where that is not online. No list draws on it",
    )
    ties: list[ChangedTie]
    log: list[KeptEntry] = Field(description="Oldest first; on a cluster what is not exported yet")
    shown: list[ShownListTold] = Field(
        default=[],
        description="Lists that they were shown, where impressions are kept; the last pages have "
        "them. Those of the last minute may be missing",
    )
    next: str | None = Field(
        default=None,
        description="Of the next page: send it back as `after`; null: this is the last",
    )


class Remaining(BaseModel):
    """What may be left elsewhere, and until when."""

    where: str
    until: str


class ErasureReceipt(BaseModel):
    """What was removed of a person at once, and what goes later."""

    user_id: str
    erased: datetime = Field(description="Since when nothing of theirs is taken")
    again: bool = Field(description="They were erased before")
    log_events: int = Field(description="Events of theirs that the log had")
    log_referrals: int = Field(description="Events of others that named them, and do no more")
    log_changes: int = Field(description="Changes of their ties and consents that the log had")
    states: int = Field(description="States of ties, in both directions, and of consents")
    features: int = Field(description="Rows of theirs in the online store: one, or none")
    friends: int = Field(description="People whose lists of friends they were taken out of")
    remains: list[Remaining] = Field(description="What goes later, by itself or by a command")


class LiftReceipt(BaseModel):
    """Whether a person may come back."""

    user_id: str
    lifted: bool = Field(description="False: they were not erased")
