"""What goes over the wire of invitations, lists for groups, and people to know."""

from pydantic import BaseModel, Field

from coterie.together.groups import GroupRule
from coterie.together.words import Kind
from serving.schemas import Item


class WhyTogether(BaseModel):
    """Why somebody, or something, is in the answer; it betrays nothing that a person did."""

    kind: Kind = Field(
        description="taste: to their taste; tie: what lies between you; all, most, turn: whom of a "
        "group it suits; friends: who is known to both"
    )
    text: str = Field(
        description="For people to read", examples=["You two have passed things on to each other"]
    )


class Invitee(BaseModel):
    """A friend to share an item with."""

    rank: int = Field(description="1 is best")
    user_id: str
    reasons: list[WhyTogether]


class InviteeList(BaseModel):
    """Whom to share an item with. Who is missing may not want to be named, want something else,
    have been asked often, or have it: nobody is told which."""

    user_id: str
    item: Item
    release: str = Field(description="Version of the release that was asked")
    invitees: list[Invitee]


class GroupItem(BaseModel):
    """One position of a group's list."""

    rank: int = Field(description="1 is best")
    item: Item
    sponsored: bool | None = Field(
        default=None, description="True: it stands here since somebody paid the shop for that"
    )
    reasons: list[WhyTogether] = Field(description="Whom it does not suit is not told")


class GroupList(BaseModel):
    """One list for several people."""

    release: str = Field(description="Version of the release that was asked")
    rule: GroupRule = Field(
        description="average: what pleases most in sum; least_misery: what displeases nobody; "
        "fair: who got little so far has more to say at the next position"
    )
    items: list[GroupItem]


class SuggestedPerson(BaseModel):
    """Somebody whom a shopper may know."""

    rank: int = Field(description="1 is best")
    user_id: str
    reasons: list[WhyTogether] = Field(description="Who the common friends are is not told")


class PeopleList(BaseModel):
    """People whom a shopper may know, and who shop alike. Both sides agree to be used and named."""

    user_id: str
    people: list[SuggestedPerson]


class CircleFriend(BaseModel):
    """A friend in somebody's circle, who agrees to be used and named."""

    rank: int = Field(description="1 is the closest")
    user_id: str
    group: int = Field(
        description="Friends of one number know each other, be it through one another; 1 is the "
        "largest group, 0 is who knows none of the others"
    )
    reasons: list[WhyTogether] = Field(description="What lies between the two, which both know")


class CircleTie(BaseModel):
    """Two friends of a circle who know each other, as both tell."""

    one: str
    other: str


class FriendCircle(BaseModel):
    """A shopper's friends, and who of them know each other. Who is missing is not counted."""

    user_id: str
    friends: list[CircleFriend]
    ties: list[CircleTie] = Field(
        description="Each pair once. None where the shopper does not agree to be used and named"
    )
