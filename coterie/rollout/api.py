"""Asks the app that serves a shop to roll releases out, and how that stands."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from coterie.errors import BadInputError, UnavailableError

URL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "COTERIE_URL"
TOKEN_VARIABLE: Final = "COTERIE_ADMIN_TOKEN"  # noqa: S105
PATH: Final = "/v1/admin/rollouts"
TIMEOUT_S: Final = 15.0
ENDED: Final = frozenset({"idle", "promoted", "rolled_back"})
"""Phases in which nothing goes on."""


class RolloutApi:
    """The rollouts of an app."""

    def __init__(self, url: str, token: str):
        """An address, and the token of those who may command.

        Raises:
            BadInputError: There is no such address.
        """
        if not url.startswith(("http://", "https://")):
            raise BadInputError(f"{url} is no address: expected one like {URL}")
        self.url, self._token = url.rstrip("/"), token
        # The token is for this address alone: urllib would send it on to wherever one is sent.
        self._opener = urllib.request.build_opener(_Straight)

    def get(self, path: str = "", **query: Any) -> Any:
        """The JSON of an answer; see ``_ask``."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask(path + (f"?{urllib.parse.urlencode(given)}" if given else ""), None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of an answer; see ``_ask``."""
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None) -> Any:
        """One request.

        Raises:
            BadInputError: The app refuses it.
            UnavailableError: There is no answer, or none of Coterie's.
        """
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{PATH}{path}", body, headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            self._refuse(error)
        except ValueError as error:
            raise UnavailableError(f"{self.url} is not Coterie: it answers without JSON") from error
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", error)
            raise UnavailableError(
                f"nothing answers at {self.url} ({why}): start the app with python -m serving.app, "
                f"or name its address with --url or {URL_VARIABLE}"
            ) from error

    def _refuse(self, error: urllib.error.HTTPError) -> NoReturn:
        code = error.code
        detail = _detail(error) or f"it answers {code}"
        if code == 401:
            raise BadInputError(
                f"{self.url} has another token: put its own into {TOKEN_VARIABLE}, or into a file "
                "for --token-file"
            ) from error
        if code == 404:
            raise BadInputError(
                f"{self.url} knows of no rollouts: is it this version of Coterie?"
            ) from error
        if code < 400:
            raise BadInputError(
                f"{self.url} sends on to elsewhere ({code}): name that place with --url"
            ) from error
        if code < 500:
            raise BadInputError(detail) from error
        raise UnavailableError(f"{self.url}: {detail}") from error


def stage_status(stage: Mapping[str, Any]) -> str:
    """Read how far a stage of the track is, also out of the answer of an app of before."""
    return str(stage.get("status") or stage["place"])


class _Straight(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer is taken as it is."""


def _detail(error: urllib.error.HTTPError) -> str:
    """What problem details say; empty: there are none."""
    try:
        return _clean(str(json.load(error)["detail"]))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""


def _clean(text: str) -> str:
    """Without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
