"""A route for a shopper's taste in words: said on request, and kept nowhere."""

from fastapi import APIRouter, Request, Response

from coterie.languages.texts import texts_for
from serving.api.dependencies import UserId, Using
from serving.api.problems import problem_responses
from serving.api.strict_routes import StrictRoute
from serving.lists.taste import TasteInWords, taste_in_words

api = APIRouter(
    prefix="/v1/users/{user_id}",
    tags=["people"],
    responses=problem_responses(503),
    route_class=StrictRoute,
)


@api.get("/taste")
async def taste(
    request: Request, response: Response, using: Using, user_id: UserId
) -> TasteInWords:
    """Say in words what a shopper chose and turned down, by their own events alone. It is made for
    this answer and kept nowhere: who is erased has none from the next request on."""
    texts = texts_for(request.headers.get("accept-language"))
    response.headers["Content-Language"] = texts.language
    response.headers["Vary"] = "Accept-Language"
    maker = using.lists  # brings all changes up to date
    return taste_in_words(maker.catalogue, user_id, maker.features.shopper(user_id).recent, texts)
