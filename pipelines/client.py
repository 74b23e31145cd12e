"""Ask a served shop, as an app would."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from coterie.errors import UnavailableError


class Client:
    """The HTTP API at one address."""

    def __init__(self, address: str, timeout_s: float = 10.0, token: str = ""):
        """Remember an address, and the token of those who may roll out."""
        self.address, self._timeout_s = address, timeout_s
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: Any) -> Any:
        """Ask for a path with a query, and return the JSON of the answer.

        Raises:
            UnavailableError: No answer, or one that is an error.
        """
        return self._ask(path + ("?" + urllib.parse.urlencode(query) if query else ""), None)

    def post(self, path: str, body: Any) -> Any:
        """Send a body as JSON, and return the JSON of the answer.

        Raises:
            UnavailableError: No answer, or one that is an error.
        """
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None) -> Any:
        url = f"{self.address}{path}"
        request = urllib.request.Request(url, body, self._headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(2000).decode("utf-8", "replace")
            raise UnavailableError(f"{url} answered {error.code}: {said}") from error
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{url} did not answer: {error}") from error

    def ready_release(self) -> str | None:
        """Ask which release is served, and return its digest; None until requests are taken."""
        try:
            return str(self.get("/readyz").get("digest", ""))
        except UnavailableError:
            return None

    def shoppers(self, limit: int) -> list[str]:
        """Ask for the ids of some shoppers."""
        found: list[str] = self.get("/v1/shoppers", limit=limit)["shoppers"]
        return found

    def recommendations(self, user_id: str, k: int) -> dict[str, Any]:
        """Ask for one shopper's list of ``k`` items with their reasons."""
        quoted = urllib.parse.quote(user_id, safe="")
        answer: dict[str, Any] = self.get(f"/v1/users/{quoted}/recommendations", k=k)
        return answer
