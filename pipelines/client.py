"""Ask a served shop, as an app would."""

from typing import Any
from urllib.parse import quote

from coterie.errors import CoterieError
from coterie.http_client import HttpClient


class Client:
    """The HTTP API at one address."""

    def __init__(self, address: str, timeout_s: float = 10.0, token: str = ""):
        """Know one address; ``token`` is for those who may roll out."""
        self.address = address
        self._http = HttpClient(address, timeout_s, token)

    def get(self, path: str, **query: Any) -> Any:
        """Read the JSON of an answer.

        Raises:
            BadInputError: The app refuses it.
            UnavailableError: No answer, or one that tells of a fault.
        """
        return self._http.get(path, **query).checked().json()

    def post(self, path: str, body: Any) -> Any:
        """Send plain values, and read the JSON of the answer.

        Raises:
            BadInputError: See ``get``.
            UnavailableError: See ``get``.
        """
        return self._http.post(path, body).checked().json()

    def ready_release(self) -> str | None:
        """Ask which release is served, and return its digest; None until requests are taken."""
        try:
            return str(self.get("/readyz").get("digest", ""))
        except CoterieError:
            return None

    def shoppers(self, limit: int) -> list[str]:
        """Ask for the ids of some shoppers."""
        found: list[str] = self.get("/v1/shoppers", limit=limit)["shoppers"]
        return found

    def recommendations(self, user_id: str, k: int) -> dict[str, Any]:
        """Ask for one shopper's list of ``k`` items with their reasons."""
        quoted = quote(user_id, safe="")
        answer: dict[str, Any] = self.get(f"/v1/users/{quoted}/recommendations", k=k)
        return answer
