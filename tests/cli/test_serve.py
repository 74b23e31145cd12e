"""``coterie serve``: what ``coterie train`` left, answered over HTTP by one command."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime

import psutil
import pytest
from ports import free_port
from served_here import served_here, settings_of

from coterie.cli import main
from coterie.cli import serve as cli_serve

SERVE = (sys.executable, "-c", "import sys; from coterie.cli import main; sys.exit(main())")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    for typed in (
        f"simulate --out {folder}/raw --users 200 --items 120 --events 9000 --days 60",
        f"ingest {folder}/raw --out {folder}/clean",
        f"train {folder}/clean --out {folder}/model --epochs 2 --min-gain 0 --release-version v1",
    ):
        assert main(typed.split()) == 0
    return folder


@contextmanager
def served(shop, port):
    """The command, when it answers; on leaving Ctrl-C is typed, and nothing may be left of it."""
    command = [*SERVE, "serve", f"{shop}/model", "--data", f"{shop}/clean", "--port", str(port)]
    said = shop / f"said-{port}"
    with (
        said.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            await_ready(process, port, said)
            family = psutil.Process(process.pid).children(recursive=True)
            yield said
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert psutil.wait_procs(family, timeout=30)[1] == []
        finally:
            process.terminate()


def await_ready(process, port, said):
    last = time.monotonic() + 180
    while time.monotonic() < last and process.poll() is None:
        try:
            get(port, "/readyz")
        except OSError:
            time.sleep(0.2)
            continue
        # It answers a moment before the command knows: who interrupts it then stops a start.
        if "serving http" in said.read_text():
            return
        time.sleep(0.2)
    raise AssertionError(f"it did not answer: {said.read_text()[-3000:]}")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return answer.read().decode()


def post(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_what_was_trained_is_served_with_its_storefront_until_ctrl_c(shop, monkeypatch, capsys):
    port, user = free_port(), "shopper-0042"
    with served(shop, port) as said:
        listed = json.loads(get(port, f"/v1/users/{user}/recommendations?k=3"))
        assert listed["release"] == "v1"
        assert listed["source"] == "own"
        assert "<!doctype html>" in get(port, "/")
        assert json.loads(get(port, "/v1/shoppers?limit=3"))["shoppers"]
        bought = listed["items"][0]["item"]["item_id"]
        event = {"event_id": "e1", "user_id": user, "item_id": bought, "event": "purchase"}
        now = datetime.now(UTC).isoformat()
        post(port, "/v1/events", {"events": [{**event, "ts": now}]})
        assert bought not in items_of(port, user)
    assert "Filling the feature store" in said.read_text()
    # What the shopper did meanwhile is still known: the store is not filled again. That the app
    # stops and starts is seen; this time it answers in this process, where nothing has to start.
    started = []
    monkeypatch.setattr(cli_serve.os, "execve", lambda *given: started.append(given))
    capsys.readouterr()
    port = free_port()
    typed = ["serve", f"{shop}/model", "--data", f"{shop}/clean", "--port", str(port)]
    assert main(typed) == 0
    assert "Filling" not in capsys.readouterr().out
    [(_, command, environment)] = started
    with served_here(settings_of(command, environment)):
        assert bought not in items_of(port, user)


def items_of(port, user):
    answer = json.loads(get(port, f"/v1/users/{user}/recommendations?k=50"))
    return [line["item"]["item_id"] for line in answer["items"]]


def test_what_is_not_installed_is_named(shop, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "feast" else find(name)
    )
    monkeypatch.setattr(
        "coterie.cli.serve._fill", None
    )  # where nothing is missed, nothing is started here
    assert main(["serve", f"{shop}/model", "--data", f"{shop}/clean"]) == 2
    told = capsys.readouterr().err
    assert "serving needs feast, which is not installed: pip install 'coterie[serve]'" in told


def test_data_that_ingest_did_not_write_are_refused(shop, capsys):
    assert main(["serve", f"{shop}/model", "--data", f"{shop}/raw"]) == 2
    assert "has no ingest.json" in capsys.readouterr().err
