"""Ask the shop in a sentence: what is looked for is read, the list is ours, with our reasons."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from coterie.languages.texts import Texts, marked, texts_for
from coterie.llm.wishes import MOST_CATEGORIES, Wish, wish_without_model
from serving import schemas
from serving.api.dependencies import AppParts, UserId, Using
from serving.api.problems import problem_responses
from serving.api.rates import Buckets
from serving.api.strict_routes import StrictRoute
from serving.lists.language_parts import LanguageParts
from serving.lists.wanted import ItemFilter, Wanted

MAX_ASKED: Final = schemas.MAX_QUERY
READ_PER_S: Final = 0.2
"""Questions of a shopper that a model reads, a second and replica; search answers more."""
LOOKED_AT: Final = 60
"""Items that a question finds as it stands, whose categories may be meant."""
LEAST_OF_CATEGORY: Final = 0.1
"""Of these items, the share of a category that may be meant."""
NOTES: Final = {
    "model": marked("Read by a language model. The list is the shop's own."),
    "search": marked("No language model read this: it is what a search for your words finds."),
}

api = APIRouter(prefix="/v1", responses=problem_responses(503), route_class=StrictRoute)


class QuestionIn(schemas.StrictBody):
    """What a shopper asks the shop for."""

    question: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_ASKED)
    ] = Field(examples=["something for my sister who likes climbing, under 50"])
    k: int = Field(default=12, ge=1, le=schemas.MAX_K, description="Length of the list")


class ReadQuestion(BaseModel):
    """How a question was read: everything in it stands in the question."""

    query: str
    category: str | None = Field(default=None, description="Path")
    price_min: float | None = None
    price_max: float | None = None
    in_stock: bool = False
    recipient: str | None = Field(
        default=None, description="For whom, where it is somebody else: then taste is left out"
    )
    attributes: list[str] | None = Field(
        default=None,
        description="What items' own texts have to state of them, if any was asked for",
    )


class AskedItem(schemas.FoundItem):
    """One position of what the shop answers."""

    reasons: list[schemas.Reason] | None = Field(
        default=None, description="As in a list; left out where it is for somebody else"
    )


class ShopAnswer(BaseModel):
    """What the shop has for a question, best first; empty where nothing fits."""

    user_id: str
    question: str
    release: str = Field(description="Version of the release that was searched")
    read_by: Literal["model", "search"] = Field(
        description="search: there is no language model, or it did not answer, or was asked too "
        "often: the question was searched for as it stands, under a price that it names"
    )
    note: str = Field(description="The same for people to read")
    read: ReadQuestion
    items: list[AskedItem]


@api.post("/users/{user_id}/ask", tags=["lists"], response_model=ShopAnswer)
async def ask(request: Request, using: Using, user_id: UserId, asked: QuestionIn) -> Response:
    """Answer a question with a list: a language model reads it where there is one, our search and
    reasons make the list. Only items of the catalogue are in it."""
    texts = texts_for(request.headers.get("accept-language"))
    words: LanguageParts = request.app.state.language
    wish = None
    if words.wishes.reads and not _asks_too_often(request, user_id):
        _, first = await using.router.search(
            user_id, asked.question, LOOKED_AT, False, Wanted(own_taste=False)
        )
        known = bool(using.lists.catalogue.columns.attributes)
        wish = await words.wishes.read(asked.question, _categories(first), known)
    arm, found, read = await _found(
        using, user_id, wish or wish_without_model(asked.question), asked.k
    )
    reasons = await _reasons(using, user_id, found, texts) if read.recipient is None else {}
    request.state.release, request.state.arm = found.release, arm
    read_by: Literal["model", "search"] = "model" if wish else "search"
    using.metrics.llm.count_asked(read_by)
    answer = ShopAnswer(
        user_id=user_id,
        question=asked.question,
        release=found.release,
        read_by=read_by,
        note=texts.say(NOTES[read_by]),
        read=read,
        items=[
            AskedItem(**one.model_dump(), reasons=reasons.get(one.item.item_id))
            for one in found.items
        ],
    )
    return Response(
        answer.model_dump_json(exclude_none=True),
        media_type="application/json",
        headers={"Content-Language": texts.language, "Vary": "Accept-Language"},
    )


async def _found(
    using: AppParts, user_id: str, wish: Wish, k: int
) -> tuple[str, schemas.SearchResults, ReadQuestion]:
    """Search for a wish; attributes and a category with which nothing fits are let go: what is not
    stated may be so all the same."""
    ways = itertools.product((wish.attributes, ()), (wish.category, None))
    for attributes, category in dict.fromkeys(ways):
        chosen = ItemFilter(
            categories=(category,) if category else (),
            price_min=wish.price_min,
            price_max=wish.price_max,
            in_stock=wish.in_stock,
            attributes=attributes,
        )
        wanted = Wanted(chosen, own_taste=wish.recipient is None)
        arm, found = await using.router.search(user_id, wish.query, k, False, wanted)
        if found.items:
            break
    read = replace(wish, category=category, attributes=attributes)
    told = {name: getattr(read, name) for name in read.__slots__}
    return arm, found, ReadQuestion(**told | {"attributes": list(attributes) or None})


async def _reasons(
    using: AppParts, user_id: str, found: schemas.SearchResults, texts: Texts
) -> Mapping[str, list[schemas.Reason]]:
    """Say of each found item why it would suit the shopper, by its id."""
    maker, ids = using.lists, [one.item.item_id for one in found.items]

    def explain() -> Mapping[str, list[schemas.Reason]]:
        return maker.reasons(maker.gather(user_id), ids, texts)

    return await asyncio.get_running_loop().run_in_executor(None, explain)


def _categories(found: schemas.SearchResults) -> list[str]:
    """List the categories that a question may mean: those of what it finds as it stands."""
    counts = Counter(one.item.category for one in found.items if one.item.category)
    least = LEAST_OF_CATEGORY * len(found.items)
    return [name for name, num in counts.most_common(MOST_CATEGORIES) if num >= least]


def _asks_too_often(request: Request, user_id: str) -> bool:
    buckets: Buckets = request.app.state.asking
    return buckets.wait_s(user_id, time.monotonic()) > 0
