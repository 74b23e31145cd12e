"""Ask a served shop, as an app would."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from coterie.errors import UnavailableError


class Client:
    """The HTTP API at one address."""

    def __init__(self, address: str, timeout_s: float = 10.0):
        self.address, self._timeout_s = address, timeout_s

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer.

        Raises:
            UnavailableError: No answer, or one that is an error.
        """
        url = f"{self.address}{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        try:
            with urllib.request.urlopen(url, timeout=self._timeout_s) as answer:  # noqa: S310
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{url} did not answer: {error}") from error

    def ready_release(self) -> str | None:
        """Digest of the release that is served; None until requests are taken."""
        try:
            return str(self.get("/readyz").get("digest", ""))
        except UnavailableError:
            return None

    def shoppers(self, limit: int) -> list[str]:
        """Some shoppers."""
        found: list[str] = self.get("/v1/shoppers", limit=limit)["shoppers"]
        return found

    def recommendations(self, user_id: str, k: int) -> dict[str, Any]:
        """One shopper's list with reasons."""
        quoted = urllib.parse.quote(user_id, safe="")
        answer: dict[str, Any] = self.get(f"/v1/users/{quoted}/recommendations", k=k)
        return answer
