"""The scripts that the chart mounts into pods, run as pods run them."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from chart import FOLDER

from coterie.local_ray import start_local_ray

FILES = FOLDER / "files"


def script(name):
    spec = importlib.util.spec_from_file_location(f"chart_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ask.py


class Shop(BaseHTTPRequestHandler):
    items: Any = ({"rank": 1, "score": 0.5, "item": {"item_id": "item-1", "title": "A"}},)
    accepted = 1
    duplicate = 0
    sent: ClassVar[list[str | None]] = []
    at_first: Any = ()
    """What comes before the shop answers: statuses, and 0 for a connection that is cut."""

    def parse_request(self):
        if not super().parse_request():
            return False
        if not self.waiting:
            return True
        status = self.waiting.pop(0)
        if status:
            self._answer(status, {"detail": "not yet"})
        self.close_connection = True
        return False

    def do_GET(self):
        self.sent.append(self.headers.get("Authorization"))
        if self.path == "/readyz":
            return self._answer(200, {"release": "7", "digest": "a" * 64})
        return self._answer(200, {"items": self.items})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (event,) = body["events"]
        assert event["item_id"] == "item-1"
        self._answer(
            202, {"accepted": self.accepted, "duplicate": self.duplicate, "applied": False}
        )

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def shop(**attributes):
    waiting = {"waiting": list(attributes.get("at_first", ()))}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("AShop", (Shop,), attributes | waiting))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_helm_test_asks_for_a_list_and_sends_an_event(capsys):
    with shop() as address:
        script("ask").main(address)
    said = capsys.readouterr().out
    assert "serves release 7" in said
    assert "an event was taken" in said


@pytest.mark.parametrize(
    ("wrong", "said"), [({"items": []}, "empty list"), ({"accepted": 0}, "not taken")]
)
def test_helm_test_fails_at_once_where_the_shop_does(wrong, said):
    with shop(**wrong) as address, pytest.raises(SystemExit, match=said):
        impatient(pauses_s=1e9).main(address)


def impatient(pauses_s=0.0, patience_s=60.0):
    """The script, which a pause that should not be would hang."""
    ask = script("ask")
    ask.PAUSE_S, ask.PATIENCE_S = pauses_s, patience_s
    return ask


def test_helm_test_asks_again_until_the_shop_is_reached(capsys):
    """A policy engine that does not know the pod yet refuses; a Service has no endpoint yet."""
    with shop(at_first=[0, 503, 0, 502]) as address:
        impatient().main(address)
    said = capsys.readouterr().out
    assert said.count("asking again") == 4
    assert "answered 503" in said
    assert "an event was taken" in said


def test_helm_test_sends_the_key_that_it_was_given_and_without_one_asks_for_nothing_more(
    capsys, monkeypatch
):
    monkeypatch.setenv("SHOP_KEY", "ck_1_2")
    Shop.sent.clear()
    with shop() as address:
        script("ask").main(address, needs_key=True)
    assert set(Shop.sent) == {"Bearer ck_1_2"}
    monkeypatch.delenv("SHOP_KEY")
    with shop() as address:
        script("ask").main(address, needs_key=True)
    assert capsys.readouterr().out.endswith("no shop-key to ask for lists with: this was all\n")


def test_an_event_that_is_sent_again_is_taken_as_well():
    with shop(accepted=0, duplicate=1) as address:
        impatient().main(address)


def test_helm_test_fails_at_once_where_it_is_refused():
    with shop(at_first=[404]) as address, pytest.raises(SystemExit, match="answered 404"):
        impatient(pauses_s=1e9).main(address)


def test_helm_test_says_in_the_end_that_nobody_answers():
    with pytest.raises(SystemExit, match=r"for 0 s: .* does not answer: .*refused"):
        impatient(patience_s=0).main("http://127.0.0.1:9")


def test_helm_test_says_where_names_are_let_through(monkeypatch):
    ask = impatient(patience_s=0)

    def unresolved(*_):
        raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(ask, "asked", unresolved)
    with pytest.raises(SystemExit, match=r"name resolution.*networkPolicy\.dns"):
        ask.main("http://coterie-api.shop.svc:8000")


def test_the_event_of_helm_test_is_one_that_serving_takes():
    messages = pytest.importorskip("serving.schemas")
    with shop() as address:
        sent = {}

        def keep(url, body):
            if body is not None:
                sent.update(body)
            return real(url, body)

        ask = script("ask")
        real, ask.asked = ask.asked, keep
        ask.main(address)
    messages.EventBatch.model_validate(sent)
    # What it read the item from has to be what serving answers.
    messages.ListedItem.model_validate(Shop.items[0])


# features.py


def features(*arguments):
    return subprocess.run(
        [sys.executable, str(FILES / "features.py"), *map(str, arguments)],
        env={**os.environ, "FEAST_REDIS_PASSWORD": "hunter2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_waiting_goes_on_where_the_store_does_not_answer(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    waited = features("wait", "--registry=s3://bucket/registry.db", "--seconds=0")
    assert waited.returncode == 1
    assert "does not answer" in waited.stdout
    assert "is not there" in waited.stderr


def test_waiting_for_a_registry_ends(tmp_path):
    waited = features("wait", f"--registry={tmp_path / 'none.db'}", "--seconds=0")
    assert waited.returncode == 1
    assert "is not there" in waited.stderr


# drain.py


def test_a_pod_finds_its_own_node():
    drain = script("drain")
    nodes = {
        b"\x01": SimpleNamespace(node_manager_address="10.0.0.1", state=0),
        b"\x02": SimpleNamespace(node_manager_address="10.0.0.2", state=1),
        b"\x03": SimpleNamespace(node_manager_address="10.0.0.2", state=0),
    }
    assert drain.own_node(nodes, "10.0.0.2") == "03"
    with pytest.raises(RuntimeError, match=r"no living node has address '10\.0\.0\.9'"):
        drain.own_node(nodes, "10.0.0.9")


def test_a_pod_ends_also_where_no_head_answers():
    environment = {**os.environ, "RAY_ADDRESS": ""}
    done = subprocess.run(
        [sys.executable, str(FILES / "drain.py"), "--seconds=0.1"],
        env={k: v for k, v in environment.items() if k != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert "not drained" in done.stderr


def test_a_pod_answers_as_ever_until_endpoints_have_forgotten_it(monkeypatch):
    """Where no other node has room, Serve stops the replicas of one that drains."""
    drain, now, asked = script("drain"), [100.0], []
    monkeypatch.setattr(drain.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(drain.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(drain, "drain", lambda *given: asked.append((now[0] - 100, *given)))
    monkeypatch.setattr("sys.argv", ["drain.py", "--seconds=10"])
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    drain.main()
    assert asked == [(3, "head:6379", 7)]
    assert now[0] == 110, "as long as it is told"


@pytest.mark.slow
def test_ray_takes_the_request_to_drain(monkeypatch):
    ray = pytest.importorskip("ray")
    drain = script("drain")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    start_local_ray(num_cpus=1)
    try:
        from ray._raylet import GcsClient

        address = ray.get_runtime_context().gcs_address
        nodes = GcsClient(address=address).get_all_node_info()
        (node,) = nodes.values()
        assert len(drain.own_node(nodes, node.node_manager_address)) == 56
        monkeypatch.setenv("POD_IP", node.node_manager_address)
        drain.drain(address, 5)
    finally:
        ray.shutdown()
