"""``coterie rollout``: asks the app that serves a shop, which alone knows how a rollout stands."""

import argparse
import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from coterie.cli import rollout_view as view
from coterie.cli import show
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.api import ENDED, TOKEN_VARIABLE, URL, URL_VARIABLE, RolloutApi

LOOK_S: Final = 1.0
"""Between two looks of ``status`` and ``--wait``."""


def _api(options: argparse.Namespace) -> RolloutApi:
    """Reach the app that the options name, or else the environment.

    Raises:
        BadInputError: There is no token, or no such address.
    """
    return RolloutApi(
        options.url or os.environ.get(URL_VARIABLE) or URL, token_of(options.token_file)
    )


def start(options: argparse.Namespace) -> None:
    """Begin a rollout, and wait for its end if asked to."""
    api = _api(options)
    body = {"release": options.release, "reason": options.reason, "who": who_of(options.who)}
    plan = _read_plan(options.plan)
    if options.override:
        plan["override"] = options.override
    receipt = api.post("", body | ({"plan": plan} if plan else {}))
    if not _told(receipt, f"{options.release} is being rolled out") or not options.wait:
        if options.wait:
            raise UnavailableError("no controller has begun yet: watch with coterie rollout status")
        return
    told = _watch(api)
    if told["phase"] == "rolled_back":
        raise BadInputError(f"{options.release} was rolled back: {_why_back(told)}")


def status(options: argparse.Namespace) -> None:
    """Show how the rollout stands, once or until it ends."""
    api = _api(options)
    if options.json:
        _print(api.get())
    elif options.once or not Console().is_terminal:
        Console().print(view.rollout_status(api.get()))
    else:
        _watch(api)


def command(options: argparse.Namespace) -> None:
    """Give any command of a person but ``start``."""
    body = {"reason": options.reason, "who": who_of(options.who)}
    if options.action == "unquarantine":
        body["release"] = options.release
    receipt = _api(options).post(f"/{options.action}", body)
    _told(receipt, f"{options.action}: done")


def history(options: argparse.Namespace) -> None:
    """Show the audit log, newest first."""
    told = _api(options).get("/history", limit=options.limit)
    if options.json:
        _print(told)
    else:
        Console().print(view.history(told))


def explain(options: argparse.Namespace) -> None:
    """Say what was live, for whom, and why."""
    at = _time(options.at).isoformat()
    told = _api(options).get("/explain", at=at, user=options.user)
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


def _watch(api: RolloutApi) -> Any:
    """Show how it stands until it has ended.

    Raises:
        UnavailableError: There is no answer from the start; later ones are waited for.
    """
    console = Console()
    told = api.get()
    if not console.is_terminal:
        return _watch_lines(api, told)
    with Live(view.rollout_status(told), console=console, auto_refresh=False) as live:
        while told["phase"] not in ENDED:
            time.sleep(LOOK_S)
            trouble = ""
            try:
                told = api.get()
            except UnavailableError as error:
                trouble = str(error)
            live.update(view.rollout_status(told, trouble), refresh=True)
    return told


def _watch_lines(api: RolloutApi, told: Any) -> Any:
    """Say each change in a line, where nobody looks at a terminal."""
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


def token_of(file: str | None) -> str:
    """Read the token; never from the command line, which every process of the machine may read."""
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise BadInputError(
                f"{TOKEN_VARIABLE} is not set: export a key of admin, or name a file that holds "
                "one with --token-file; coterie serve leaves one in MODEL/serving/key"
            )
    else:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"the token cannot be read from {file}: {error}") from error
    if not token.isascii() or not token.isprintable() or not token:
        raise BadInputError("the token is empty, or holds more than plain letters and digits")
    return token


def who_of(given: str | None) -> str:
    """Give the name that stands for who types."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers that have no name
        return "command line"


def _read_plan(given: list[str]) -> dict[str, Any]:
    """Read the fields of a plan from what a person names; the later wins.

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
    """Read a time: in this machine's zone where it has no offset, of today where it has no day.

    Raises:
        BadInputError: It is no time.
    """
    today = datetime.now().astimezone()
    whole = text if text[4:5] == "-" else f"{today:%Y-%m-%d}T{text}"
    try:
        return datetime.fromisoformat(whole).astimezone()
    except ValueError as error:
        raise BadInputError(f"{text!r} is no time: expected 14:03 or 2026-01-31T14:03") from error
