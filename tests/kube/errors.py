"""What a request can meet with, other than an answer."""

from typing import Any

REASONS = {
    400: "BadRequest", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict",
    410: "Expired", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests",
}  # fmt: skip


class RefusedError(Exception):
    def __init__(self, status, message, headers=None, reason="", causes=(), **details):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.reason = reason or REASONS.get(status, "InternalError")
        self.details = {**details, **({"causes": list(causes)} if causes else {})}

    def as_status(self) -> Any:
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": str(self), "reason": self.reason, "code": self.status,
            "details": self.details,
        }  # fmt: skip


class CutOffError(Exception):
    """The answer ends in its middle."""
