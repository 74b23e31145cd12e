"""Asks the app that serves a shop to roll releases out, and how that stands."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from coterie.errors import BadInputError, UnavailableError
from coterie.http_client import Answer, HttpClient

URL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "COTERIE_URL"
TOKEN_VARIABLE: Final = "COTERIE_ADMIN_TOKEN"  # noqa: S105
PATH: Final = "/v1/admin/rollouts"
TIMEOUT_S: Final = 15.0
ENDED: Final = frozenset({"idle", "promoted", "rolled_back"})
"""Phases in which nothing goes on."""


class RolloutApi:
    """The rollouts of an app, or its experiments."""

    def __init__(self, url: str, token: str, path: str = PATH):
        """Know an address, and the token of those who may command.

        Args:
            url: Of the app.
            token: A key of ``admin``.
            path: What is commanded.

        Raises:
            BadInputError: There is no such address.
        """
        self._http = HttpClient(url, TIMEOUT_S, token)
        self.url, self._path = self._http.url, path

    def get(self, path: str = "", **query: Any) -> Any:
        """Read the JSON of an answer.

        Raises:
            BadInputError: The app refuses it.
            UnavailableError: There is no answer, or none of Coterie's.
        """
        return self._content(lambda: self._http.get(self._path + path, **query))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a command, and read the JSON of the answer.

        Raises:
            BadInputError: See ``get``.
            UnavailableError: See ``get``.
        """
        return self._content(lambda: self._http.post(self._path + path, dict(body)))

    def _content(self, ask: Callable[[], Answer]) -> Any:
        try:
            answer = ask()
        except UnavailableError as error:
            raise UnavailableError(
                f"nothing answers at {self.url} ({error}): start the app with python -m "
                f"serving.app, or name its address with --url or {URL_VARIABLE}"
            ) from error
        if answer.status >= 300:
            self._refuse(answer)
        try:
            return answer.json()
        except UnavailableError as error:
            raise UnavailableError(f"{self.url} is not Coterie: it answers without JSON") from error

    def _refuse(self, answer: Answer) -> NoReturn:
        code = answer.status
        if code == 401:
            raise BadInputError(
                f"{self.url} has another token: put its own into {TOKEN_VARIABLE}, or into a file "
                "for --token-file"
            )
        if code == 404 and self._path == PATH:
            raise BadInputError(f"{self.url} knows of no rollouts: is it this version of Coterie?")
        if code < 400:
            raise BadInputError(
                f"{self.url} sends on to elsewhere ({code}): name that address with --url"
            )
        if code < 500:
            raise BadInputError(answer.detail or f"{self.url} answers {code}")
        raise UnavailableError(f"{self.url}: {answer.detail or 'no reason'} (it answers {code})")


def stage_status(stage: Mapping[str, Any]) -> str:
    """Read how far a stage of the track is, also out of the answer of an app of before."""
    return str(stage.get("status") or stage["place"])
