"""Routes that read a query string once: what it means does not change from one request to another.

To check a dozen parameters takes as long as to read a shopper's features, and most callers send the
same few query strings for all of their shoppers.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Final
from urllib.parse import unquote

from fastapi import Request, Response

from coterie.data.ids import normal_id
from coterie.errors import BadInputError
from serving.api.strict_routes import Handler, StrictRoute

MOST: Final = 256
"""Query strings that a route remembers."""
LONGEST: Final = 128
"""Bytes of one; what is longer is hardly sent twice."""
_NOTED: Final = "coterie.remembered"

Answer = Callable[[Request, str], Awaitable[Response]]
"""Answers a request of a user, of whose query all is known."""


class RememberingRoute(StrictRoute):
    """A route of one user, ``user_id`` in its path, whose endpoint calls ``remember``."""

    @cached_property
    def known(self) -> dict[bytes, Answer]:
        """How each query string that was read is answered; the newest last."""
        return {}

    def checked_handler(self) -> Handler:
        """Put what is remembered in front of the checks."""
        check = super().checked_handler()
        known = self.known

        async def answered(given: Request) -> Response:
            query = given.scope["query_string"]
            answer = known.get(query)
            user_id = _normal(given.scope["path_params"]["user_id"]) if answer else None
            if answer is not None and user_id is not None:
                # In place: logs look up the shopper here.
                given.scope["path_params"]["user_id"] = user_id
                return await answer(given, user_id)
            response = await check(given)
            noted = given.scope.pop(_NOTED, None)
            if noted is not None and len(query) <= LONGEST:
                if len(known) >= MOST:
                    known.pop(next(iter(known)))
                known[query] = noted
            return response

        return answered


def remember(request: Request, answer: Answer) -> None:
    """Let the next request with this query string be answered so; its checks were passed. The route
    may serve several apps: an answer finds its app's parts by its request."""
    request.scope[_NOTED] = answer


def _normal(encoded: str) -> str | None:
    """Read an id from a path; None where that has to be said in the words of the checks."""
    try:
        return normal_id(unquote(encoded))
    except BadInputError:
        return None
