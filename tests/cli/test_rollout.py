"""``coterie rollout`` against a real app with a controller at work."""

import contextlib
import io
import json
import shlex
import sys
import threading
import time
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import uvicorn
from ports import free_port
from rich.console import Console
from waiting import wait_until

from coterie.cli import main, rollout, rollout_view
from coterie.cli.parser import make_parser
from coterie.errors import BadInputError
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.state import Phase
from coterie.rollout.store import FileRolloutStore

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from rollout_shop import NEW, OLD, TOKEN, Shop, make_app, make_controller, turning

ACTIONS = tuple(rollout.ACTIONS)
NEEDED = {"start": ["v8"], "unquarantine": ["v8"]}
QUICK = "step_s=20 bake_s=30 min_samples=100 cooldown_s=0"


@contextlib.contextmanager
def served(app):
    port = free_port()
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def rollout_store(tmp_path):
    return FileRolloutStore(tmp_path / "rollouts")


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def url(rollout_store, shop, monkeypatch):
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)
    monkeypatch.setattr(rollout, "LOOK_S", 0.02)
    make_controller(rollout_store, shop)
    with served(make_app(rollout_store)) as address:
        monkeypatch.setenv("COTERIE_URL", address)
        yield address


@pytest.fixture
def says(capsys):
    """What a command prints; fails where its code is another one."""

    def run(typed, code=0):
        capsys.readouterr()
        assert main(["rollout", *shlex.split(typed)]) == code, capsys.readouterr()
        told = capsys.readouterr()
        if code:
            assert len(told.err.splitlines()) == 1
            return told.err
        return told.out

    return run


def wait_for(rollout_store, *phases):
    wait_until(lambda: rollout_store.read()[0].phase in phases)


def test_a_release_is_rolled_out_from_the_command_line(url, rollout_store, shop, says):
    with turning(rollout_store, shop):
        told = says(f"start v8 --reason 'new ties' --plan {QUICK} weights=[0.1,0.5] --wait")
    assert "step 2 of 2 at 50 %" in told
    assert "promoted: v8 answers everybody" in told
    state, _ = rollout_store.read()
    assert (state.stable, state.plan.weights) == (NEW, (0.1, 0.5))
    assert "promoted" in says("status --once")
    assert json.loads(says("status --json"))["phase"] == Phase.PROMOTED
    assert "start: new ties" in says("history")
    assert len(json.loads(says("history --limit 2 --json"))["transitions"]) == 2


def test_waiting_for_a_release_that_is_rolled_back_fails_with_its_signal(
    url, rollout_store, shop, says
):
    shop.rates["failures"] = 0.3
    with turning(rollout_store, shop):
        told = says(f"start v8 --reason x --plan {QUICK} --wait", code=2)
    assert "v8 was rolled back: failures" in told
    told = says("status --once")
    assert "quarantine" in told
    assert "✗ shadow" in told.replace("\N{NO-BREAK SPACE}", " ")


def test_what_preflight_refuses_is_shown_and_overridden_from_the_command_line(
    url, rollout_store, shop, says
):
    shop.figures = (ComparedFigure("titles_changed", 1.0, examples=("Tea → ?",)),)
    with turning(rollout_store, shop):
        refused = says(f"start v8 --reason tea --plan {QUICK} --wait", 2)
        assert "titles_changed 100 % (at most 30 %)" in refused
        assert "--override titles_changed and a reason" in refused
        shown = says("status --once")
        assert "✗ over its limit: Tea → ?" in shown
        says(f"start v8 --reason renamed --override titles_changed --plan {QUICK} --wait")
        assert "overridden" in says("status --once")
        told = " ".join(says("history").split())
        assert "start, overriding titles_changed: renamed" in told


def test_people_step_in_from_the_command_line(url, rollout_store, shop, says, tmp_path):
    plan = tmp_path / "plan.json"
    # Each look is ten seconds of the shop's, and a person's words may take long on a busy machine.
    slow = {"step_s": 1e6, "deadline_s": 2e6, "min_samples": 100, "cooldown_s": 0}
    plan.write_text(json.dumps(slow))
    with turning(rollout_store, shop):
        says(f"start v8 --reason x --plan {plan} bake_s=5")
        wait_for(rollout_store, Phase.SHADOW)
        says("pause --reason 'Black Friday' --who ana")
        assert "paused in shadow" in says("status --once")
        says("resume --reason 'it is over'")
        says("freeze --reason audit")
        assert "frozen (audit)" in says("status --once")
        says("unfreeze --reason done")
        says("rollback --reason 'looks odd'")
        wait_for(rollout_store, Phase.ROLLED_BACK)
        says("unquarantine v8 --reason 'it was the node'")
        says(f"start v8 --reason again --plan {plan}")
        says("promote --reason 'a leak'")
        assert "nothing is being rolled out" in says("rollback --reason x", code=2)
    who = [one.who for one in rollout_store.history() if one.why == "Black Friday"]
    assert who == ["ana"]
    assert rollout_store.read()[0].stable == NEW


def test_it_explains_what_was_live_for_whom(url, rollout_store, shop, says):
    with turning(rollout_store, shop):
        says(f"start v8 --reason x --plan {QUICK} --wait")
    yesterday = (datetime.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    told = says(f"explain {yesterday} --user ana")
    assert "v7 answered everybody" in told
    assert "This shopper's bucket is 1.0000, not under 0: v7, the stable" in told
    told = json.loads(says(f"explain {yesterday} --json"))
    assert told["stable"]["digest"] == OLD
    assert "no time" in says("explain yesterday", code=2)


def test_times_are_this_machines_unless_they_say_otherwise():
    today = rollout._time("14:03")
    assert (today.hour, today.minute, today.date()) == (14, 3, datetime.now().date())
    assert rollout._time("2026-01-31T14:03Z").timestamp() == 1769868180
    assert rollout._time("2026-01-31").hour == 0
    for text in ("25:00", "-", "noon", "31.1.2026"):
        with pytest.raises(BadInputError, match="no time"):
            rollout._time(text)


def test_without_a_controller_it_says_that_none_took_the_command(
    url, rollout_store, says, monkeypatch
):
    monkeypatch.setattr("serving.api.admin.WAIT_S", 0.1)
    assert "is one running?" in says("freeze --reason x")
    assert "no controller has begun" in says("start v8 --reason x --wait", code=75)
    assert len(rollout_store.commands(rollout_store.read()[0])) == 2


def test_the_token_is_read_from_a_file_and_a_wrong_one_is_said_to_be_wrong(
    url, says, tmp_path, monkeypatch
):
    monkeypatch.delenv("COTERIE_ADMIN_TOKEN")
    file = tmp_path / "token"
    assert "COTERIE_ADMIN_TOKEN is not set" in says("status --once", code=2)
    assert "token" in says(f"status --once --token-file {file}", code=2)
    file.write_text(f"{TOKEN}\n")
    assert "v7" in says(f"status --once --token-file {file}")
    file.write_text("another token of another app")
    told = says(f"status --once --token-file {file}", code=2)
    assert "has another token" in told
    assert "another token of another app" not in told


def test_an_app_without_a_token_says_how_to_set_one(rollout_store, says, monkeypatch):
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)
    with served(make_app(rollout_store, token="")) as address:
        told = says(f"status --once --url {address}", code=2)
    assert "set COTERIE_ADMIN_TOKEN" in told


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.heard.append(dict(self.headers))
        code, headers, body = self.server.answers
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def elsewhere(code, headers, body=b""):
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        server.answers, server.heard = (code, headers, body), []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", server.heard
        server.shutdown()
        thread.join()


def test_the_token_is_not_sent_on_to_where_an_answer_points(says, monkeypatch):
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)
    with (
        elsewhere(200, {}, b"{}") as (other, heard),
        elsewhere(302, {"Location": f"{other}/v1/admin/rollouts"}) as (url, _),
    ):
        told = says(f"status --once --url {url}", code=2)
    assert "sends on to elsewhere" in told
    assert heard == []


@pytest.mark.parametrize(
    ("code", "body", "ends", "said"),
    [
        (404, b"", 2, "knows of no rollouts"),
        (200, b"<html>", 75, "is not Coterie"),
        (200, b"\xff\xfe", 75, "is not Coterie"),
        (503, b'{"detail": "the store is down"}', 75, "the store is down"),
        (500, b"oops", 75, "it answers 500"),
        (409, b'{"detail": "nothing\\nis held"}', 2, "nothing is held"),
    ],
)
def test_each_bad_answer_ends_in_one_line(says, monkeypatch, code, body, ends, said):
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)
    with elsewhere(code, {}, body) as (url, _):
        assert said in says(f"status --once --url {url}", code=ends)


def test_where_nothing_answers_it_says_what_to_start(says, monkeypatch):
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)
    url = f"http://127.0.0.1:{free_port()}"
    told = says(f"status --once --url {url}", code=75)
    assert "python -m serving.app" in told
    assert "--url" in told
    assert "is no address" in says("status --once --url file:///etc/passwd", code=2)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--plan absent.json", "NAME=VALUE or a JSON file"),
        ("--plan step_s=soon", "step_s"),
        ("--plan weights=[0.5,0.1]", "rise"),
        ("--plan joy=1", "joy"),
    ],
)
def test_a_senseless_plan_is_refused_in_one_line(url, says, typed, said):
    assert said in says(f"start v8 --reason x {typed}", code=2)


def test_a_live_view_ends_with_the_rollout(url, rollout_store, shop, monkeypatch):
    screen = Console(force_terminal=True, width=80, record=True, file=io.StringIO())
    monkeypatch.setattr(rollout, "Console", lambda: screen)
    with turning(rollout_store, shop):
        assert main(shlex.split(f"rollout start v8 --reason x --plan {QUICK} --wait")) == 0
    shown = screen.export_text()
    assert "promoted: v8 answers everybody" in shown


def test_a_view_in_80_columns_cuts_nothing_off(url, rollout_store, shop, says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    controller = make_controller(rollout_store, shop)
    with turning(rollout_store, shop):
        says(f"start v8 --reason x --plan {QUICK} step_s=1000")
    for _ in range(400):
        state = rollout_store.read()[0]
        if state.step == 2 and state.live_since:
            break
        controller.turn()
    told = says("status --once")
    assert "…" not in told
    assert max(len(line) for line in told.splitlines()) <= 80
    for word in ("of range", "purchases", "10 %", "next at 25 %", NEW[:12], "of 275"):
        assert word in told.replace("\N{NO-BREAK SPACE}", " "), word


def test_what_an_app_says_moves_no_cursor():
    assert rollout_view.clean("a\x1b[2Jb\rc\n") == "a [2Jb c "


@pytest.mark.parametrize("action", ACTIONS)
def test_the_example_in_the_help_of_an_action_can_be_typed(action, capsys):
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args(["rollout", action, "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out.split("example:")[1].strip()
    options = make_parser().parse_args(shlex.split(told)[1:])
    assert (options.command, options.action) == ("rollout", action)


def test_debug_may_be_said_before_or_after_the_action():
    parse = make_parser().parse_args
    assert not parse(["rollout", "status"]).debug
    assert parse(["rollout", "--debug", "status"]).debug
    assert parse(["rollout", "status", "--debug"]).debug


@pytest.mark.parametrize("typed", ["", "pause", "start v8", "start --reason x", "teleport"])
def test_what_lacks_a_part_ends_with_one_line(typed, capsys):
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args(["rollout", *typed.split()])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_no_option_takes_a_token(capsys):
    typed = ["--reason", "x", "--token", "secret"]
    for action in set(ACTIONS) - {"status", "history", "explain"}:
        with pytest.raises(SystemExit):
            make_parser().parse_args(["rollout", action, *NEEDED.get(action, ()), *typed])
        assert "--token" in capsys.readouterr().err
