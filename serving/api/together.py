"""Routes that bring people together: whom to share with, lists of groups, people, circles."""

from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from coterie.errors import BadInputError
from coterie.languages.texts import Texts, texts_for
from coterie.together.groups import FEWEST, MOST, GroupRule
from serving import schemas
from serving.api.dependencies import AppParts, ItemId, K, UserId, Using
from serving.api.list_parameters import Filter
from serving.api.problems import FieldError, ProblemError, problem_responses
from serving.api.strict_routes import StrictRoute
from serving.features.recent import RecentList
from serving.ingestion.people_door import door_of
from serving.lists.acquaintances import may_be_used, people_to_know
from serving.lists.circle import friend_circle
from serving.lists.group_lists import group_list
from serving.lists.invitations import invitees
from serving.lists.together_bodies import FriendCircle, GroupList, InviteeList, PeopleList
from serving.lists.wanted import Wanted

MOST_PEOPLE: Final = 50
"""Friends, or people, of one answer."""
People = Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="How many, at most")]

api = APIRouter(
    prefix="/v1", tags=["together"], responses=problem_responses(503), route_class=StrictRoute
)


@api.get("/users/{user_id}/items/{item_id}/invitees", responses=problem_responses(404))
async def item_invitees(
    request: Request,
    response: Response,
    using: Using,
    user_id: UserId,
    item_id: ItemId,
    k: People = 5,
) -> InviteeList:
    """List the friends to share an item with, best first: those who may be named, do not have it,
    want it, and were not asked all the time. What is not for sale is shared with nobody."""
    maker = using.lists
    row = maker.catalogue.row(item_id)
    if row < 0 or maker.catalogue.is_gone(row):
        raise ProblemError(404, "this release's catalogue has no such item")
    texts = _texts(request, response)
    return invitees(maker, user_id, row, k, texts, using.settings.asking_rule)


@api.get("/users/{user_id}/people")
async def people(
    request: Request, response: Response, using: Using, user_id: UserId, k: People = 5
) -> PeopleList:
    """List people whom a shopper may know, best first: friends of friends, also by taste. Only who
    agrees to be used and named is shown, and only to who does."""
    maker = using.lists  # brings all changes up to date
    return people_to_know(maker, using.router.live, user_id, k, _texts(request, response))


@api.get("/users/{user_id}/circle")
async def circle(
    request: Request,
    response: Response,
    using: Using,
    user_id: UserId,
    k: Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="How many friends, at most")] = 30,
) -> FriendCircle:
    """Draw a shopper's circle: friends who may be named, closest first, and who of them know each
    other. A tie between two of them is told where both agree to be used and named and follow each
    other."""
    maker = using.lists  # brings all changes up to date
    return friend_circle(maker, using.router.live, user_id, k, _texts(request, response))


@api.get("/groups/recommendations")
async def group_recommendations(
    request: Request,
    response: Response,
    using: Using,
    user: Annotated[
        list[schemas.Id],
        Query(
            min_length=FEWEST,
            max_length=MOST,
            description="Whose list it is: repeat it, 2 to 50 people, each once",
        ),
    ],
    filtered: Filter,
    rule: Annotated[GroupRule, Query(description="Whose wishes count how much")] = GroupRule.FAIR,
    k: K = 20,
) -> GroupList:
    """Recommend items for several people together, best first. Of who does not agree to be used,
    nothing is drawn on, and the answer does not tell of whom."""
    members = _members(using, user)
    maker = using.lists
    usable = may_be_used(maker.features, using.router.live, members)
    recents = maker.features.recent_lists(members)
    drawn = [one if yes else RecentList() for one, yes in zip(recents, usable, strict=True)]
    wanted = replace(Wanted(filtered), rules=using.router.rules_file.rules)
    return group_list(maker, drawn, k, rule, wanted, _texts(request, response))


def _members(using: AppParts, user_ids: list[str]) -> list[str]:
    """Let in whom a query names, as paths are let in.

    Raises:
        ProblemError: Somebody is there twice, or is named by what is no id.
    """
    door = door_of(using.settings)
    try:
        members = [door.enter(one) for one in user_ids]
    except BadInputError as error:
        raise _unfit(str(error)) from error
    if len(set(members)) < len(members):
        raise _unfit("found somebody twice, expected each member once")
    return members


def _unfit(why: str) -> ProblemError:
    return ProblemError(422, f"query.user: {why}", [FieldError(where="query.user", message=why)])


def _texts(request: Request, response: Response) -> Texts:
    texts = texts_for(request.headers.get("accept-language"))
    response.headers["Content-Language"] = texts.language
    response.headers["Vary"] = "Accept-Language"
    return texts
