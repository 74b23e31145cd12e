"""``coterie rollout``: asks the app that serves a shop, which alone knows how a rollout stands."""

import argparse
import getpass
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.console import Console
from rich.live import Live

from coterie.cli import rollout_view as view
from coterie.cli import show
from coterie.errors import BadInputError, UnavailableError

URL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "COTERIE_URL"
TOKEN_VARIABLE: Final = "COTERIE_ADMIN_TOKEN"  # noqa: S105
TIMEOUT_S: Final = 15.0
LOOK_S: Final = 1.0
"""Between two looks of ``status`` and ``--wait``."""
ENDED: Final = frozenset({"idle", "promoted", "rolled_back"})
_PATH: Final = "/v1/admin/rollouts"


class Api:
    """The rollouts of an app."""

    def __init__(self, url: str, token: str):
        self.url, self._token = url.rstrip("/"), token
        # The token is for this address alone: urllib would send it on to wherever one is sent.
        self._opener = urllib.request.build_opener(_Straight)

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Api":
        """As the options say, or else the environment.

        Raises:
            BadInputError: There is no token, or no such address.
        """
        url = options.url or os.environ.get(URL_VARIABLE) or URL
        if not url.startswith(("http://", "https://")):
            raise BadInputError(f"{url} is no address: expected one like {URL}")
        return cls(url, _token(options.token_file))

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
        request = urllib.request.Request(f"{self.url}{_PATH}{path}", body, headers)  # noqa: S310
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


class _Straight(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer is taken as it is."""


def _detail(error: urllib.error.HTTPError) -> str:
    """What problem details say; empty: there are none."""
    try:
        return view.clean(str(json.load(error)["detail"]))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""


def start(options: argparse.Namespace) -> None:
    """Begin, and wait for the end if asked to."""
    api = Api.of(options)
    body = {"release": options.release, "reason": options.reason, "who": _who(options.who)}
    plan = _read_plan(options.plan)
    receipt = api.post("", body | ({"plan": plan} if plan else {}))
    if not _told(receipt, f"{options.release} is being rolled out") or not options.wait:
        if options.wait:
            raise UnavailableError("no controller has begun yet: watch with coterie rollout status")
        return
    told = _watch(api)
    if told["phase"] == "rolled_back":
        raise BadInputError(f"{options.release} was rolled back: {_why_back(told)}")


def status(options: argparse.Namespace) -> None:
    """A live view, or one look."""
    api = Api.of(options)
    if options.json:
        _print(api.get())
    elif options.once or not Console().is_terminal:
        Console().print(view.standing(api.get()))
    else:
        _watch(api)


def command(options: argparse.Namespace) -> None:
    """Any command of a person but ``start``."""
    body = {"reason": options.reason, "who": _who(options.who)}
    if options.action == "unquarantine":
        body["release"] = options.release
    receipt = Api.of(options).post(f"/{options.action}", body)
    _told(receipt, f"{options.action}: done")


def history(options: argparse.Namespace) -> None:
    """The audit log, newest first."""
    told = Api.of(options).get("/history", limit=options.limit)
    if options.json:
        _print(told)
    else:
        Console().print(view.history(told))


def explain(options: argparse.Namespace) -> None:
    """What was live, for whom, and why."""
    at = _time(options.at).isoformat()
    told = Api.of(options).get("/explain", at=at, user=options.user)
    if options.json:
        _print(told)
    else:
        show.say(view.clean(told["text"]))


ACTIONS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "start": start,
    "status": status,
    "history": history,
    "explain": explain,
    "pause": command,
    "resume": command,
    "promote": command,
    "rollback": command,
    "freeze": command,
    "unfreeze": command,
    "unquarantine": command,
}


def _watch(api: Api) -> Any:
    """Show how it stands until it has ended.

    Raises:
        UnavailableError: There is no answer from the start; later ones are waited for.
    """
    console = Console()
    told = api.get()
    if not console.is_terminal:
        return _watch_lines(api, told)
    with Live(view.standing(told), console=console, auto_refresh=False) as live:
        while told["phase"] not in ENDED:
            time.sleep(LOOK_S)
            trouble = ""
            try:
                told = api.get()
            except UnavailableError as error:
                trouble = str(error)
            live.update(view.standing(told, trouble), refresh=True)
    return told


def _watch_lines(api: Api, told: Any) -> Any:
    """The same where nobody looks at a terminal: a line a change."""
    said = ""
    while True:
        if told["where"] != said:
            said = told["where"]
            show.say(f"{datetime.now():%H:%M:%S} {view.clean(told['next_step'])}")
        if told["phase"] in ENDED:
            return told
        time.sleep(LOOK_S)
        try:
            told = api.get()
        except UnavailableError as error:
            show.say(str(error))


def _print(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def _told(receipt: Mapping[str, Any], done: str) -> bool:
    if receipt["carried_out"]:
        show.say(done)
    else:
        show.say(
            f"kept as command {receipt['id']}, but no controller has taken it yet: is one running?"
        )
    return bool(receipt["carried_out"])


def _why_back(told: Mapping[str, Any]) -> str:
    lines = [one["why"] for one in told["last"] if one["after"] == "rolling_back"]
    return view.clean(lines[0]) if lines else "see coterie rollout history"


def _token(file: str | None) -> str:
    """The secret; never from the command line, which every process of the machine may read."""
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise BadInputError(
                f"{TOKEN_VARIABLE} is not set: export the token that the app was started with, or "
                "name a file that holds it with --token-file"
            )
    else:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"the token cannot be read from {file}: {error}") from error
    if not token.isascii() or not token.isprintable() or not token:
        raise BadInputError("the token is empty, or holds more than plain letters and digits")
    return token


def _who(given: str | None) -> str:
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers that have no name
        return "command line"


def _read_plan(given: list[str]) -> dict[str, Any]:
    """Fields of a plan, from what a person names; the later wins.

    Raises:
        BadInputError: A file is not there, or holds something else.
    """
    plan: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if equals and name.isidentifier():
            plan[name] = _value(value)
        else:
            plan |= _plan_file(one)
    return plan


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plan_file(path: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"--plan {path}: expected NAME=VALUE or a JSON file ({error})"
        ) from error
    if not isinstance(content, dict):
        raise BadInputError(f"--plan {path} holds no JSON object with fields of a plan")
    return content


def _time(text: str) -> datetime:
    """A time with its offset: this machine's where none is given, today where no day is.

    Raises:
        BadInputError: It is no time.
    """
    today = datetime.now().astimezone()
    whole = text if text[4:5] == "-" else f"{today:%Y-%m-%d}T{text}"
    try:
        return datetime.fromisoformat(whole).astimezone()
    except ValueError as error:
        raise BadInputError(f"{text!r} is no time: expected 14:03 or 2026-01-31T14:03") from error
