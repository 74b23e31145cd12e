"""How S3 is asked, so that a store which does not answer is noticed and waited for no longer."""

from typing import Any, Final

from aiobotocore.httpsession import AIOHTTPSession

CONNECT_S: Final = 5.0
ANSWER_S: Final = 10.0
"""Seconds an attempt. s3fs makes five, of two tries each: less than a probe takes for a hang."""
TRIES: Final = 2


class PromptSession(AIOHTTPSession):  # type: ignore[misc]
    """Sends what it has without asking first whether it may.

    A PUT would ask, and aiohttp waits for the go-ahead without end, whatever its timeouts are: one
    exporter, or one step of a pipeline, stood for ever before a store that took its connection.
    """

    async def send(self, request: Any) -> Any:
        """Send one request; its signature does not cover the header that asks."""
        request.headers.pop("Expect", None)
        return await super().send(request)


def settings() -> dict[str, Any]:
    """Give the options of s3fs."""
    return {
        "config_kwargs": {
            "connect_timeout": CONNECT_S,
            "read_timeout": ANSWER_S,
            "retries": {"total_max_attempts": TRIES},
            "http_session_cls": PromptSession,
        }
    }
