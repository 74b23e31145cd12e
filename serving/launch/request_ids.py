"""One ``X-Request-ID`` an answer: Ray Serve adds the one that was sent behind ours."""

from typing import Final

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CALLBACK: Final = f"{__name__}:middlewares"
"""What Ray Serve is told to ask for middlewares around its own."""
_ID: Final = b"x-request-id"


def middlewares() -> list[Middleware]:
    """Make what Ray Serve puts around its own middlewares."""
    return [Middleware(OneRequestId)]


class OneRequestId:
    """ASGI middleware that lets the first of several request ids through, the app's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what begins its answer."""

        async def send_one(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                ids = [header for header in headers if header[0].lower() == _ID][:1]
                others = [header for header in headers if header[0].lower() != _ID]
                message = {**message, "headers": [*others, *ids]}
            await send(message)

        await self._app(scope, receive, send_one)
