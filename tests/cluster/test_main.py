"""The controller as a process: begins, turns, tells, and ends when it is told to."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry
from starting import held_up
from waiting import PATIENCE_S, wait_until

from coterie.cluster import __main__ as program
from coterie.cluster.api import Cluster
from coterie.cluster.statements import Statements
from coterie.cluster.store import ClusterRolloutStore
from coterie.json_logs import JsonFormatter
from coterie.release.champion import ChampionPointer
from coterie.release.store import CHAMPION, ReleaseStore
from coterie.rollout.commands import Command, Verb
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.state import Phase, State


class Held:
    """A lease in a test's hand."""

    def __init__(self, held=True):
        self.held, self.renewed, self.uid = held, True, "install-1"

    def __bool__(self):
        return self.held


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def loop(shop, cluster, registry):
    arms = shop.arms(cluster)
    arms.live()
    shop.now += 60
    rollout_store = ClusterRolloutStore(cluster, "shop", "me")
    exported = RolloutMetrics(registry)
    statements = Statements(cluster, rollout_store, clock=shop.clock)
    return program.Loop(
        rollout_store, arms, statements, shop, Held(), exported, 0.001, clock=shop.clock
    )


@contextmanager
def running(loop):
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        loop.stop.set()
        thread.join()


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_the_first_controller_takes_what_is_live_for_stable(shop, loop):
    with running(loop):
        wait_until(lambda: loop.rollout_store.read()[0].stable == shop.old)


def test_a_rollout_is_turned_to_its_end_and_exported(shop, loop, registry, caplog):
    caplog.set_level("INFO", "coterie.cluster")
    shop.start(loop.rollout_store._cluster)
    with running(loop):
        wait_until(lambda: loop.rollout_store.read()[0].phase is Phase.PROMOTED)
        wait_until(
            lambda: registry.get_sample_value("coterie_rollout_state", {"phase": "promoted"})
        )
    lines = [r.fields for r in caplog.records if r.getMessage() == "transition"]
    assert [one["after"] for one in lines][-2:] == [Phase.BAKE, Phase.PROMOTED]
    assert lines[0]["who"] == "ana"


def test_the_champion_is_what_was_promoted(shop, loop):
    store = ReleaseStore(shop.store)
    pointer = ChampionPointer(shop.store, program.logger, loop.may_act)
    loop.follow, shop.failures = pointer.follow, 0.0
    shop.start(loop.rollout_store._cluster)
    controller = loop.controller()
    for phase, champion in ((Phase.STEP, "v1"), (Phase.PROMOTED, "v2")):
        for _ in range(60):
            loop._turn(controller)
            wait_until(lambda: not (check := loop.arms._check) or check.over)
            if loop.rollout_store.read()[0].phase is phase:
                break
        pointer.wait()
        assert store.champion() == champion


def test_a_command_that_is_refused_is_logged_with_the_reason(loop, caplog):
    loop.rollout_store.command(Command("c1", Verb.PAUSE, "ana", "lunch"))
    with running(loop):
        wait_until(lambda: "command refused" in caplog.text)
    assert caplog.records[-1].fields["why"] == "nothing is being rolled out"


def test_who_has_no_lease_changes_and_shows_nothing(api, shop, loop, registry):
    shop.start(loop.rollout_store._cluster)
    loop.lease.held = False
    before = len(api.writes())
    with running(loop):
        wait_until(loop.ready)
    assert len(api.writes()) == before
    assert registry.get_sample_value("coterie_rollout_state", {"phase": "idle"}) == 0


def test_a_missing_right_is_said_once_and_the_loop_goes_on(api, shop, loop, caplog):
    loop.rollout_store.write(State(stable=shop.old), 0)
    fault = api.fail("get", "rayservices", 403, times=1e9)
    with running(loop):
        wait_until(lambda: fault.times < 1e9 - 5)
        assert not loop.ready()
        assert loop.alive()
        api.heal()
        wait_until(loop.ready)
    assert caplog.text.count("verb get on rayservices shop") == 1


def test_what_nobody_foresaw_does_not_end_it(loop, caplog, monkeypatch):
    def fail(self):
        raise ZeroDivisionError

    monkeypatch.setattr("coterie.rollout.controller.Controller.turn", fail)
    with running(loop):
        wait_until(lambda: "a turn failed" in caplog.text)
        assert not loop.ready()
        monkeypatch.undo()
        wait_until(loop.ready)


def test_pages_tell_how_it_is(loop, registry):
    with program.pages(0, registry, loop) as port:
        assert get(port, "/healthz") == (200, "")
        assert get(port, "/readyz") == (503, "")
        with running(loop):
            wait_until(loop.ready)
        assert get(port, "/readyz") == (200, "")
        assert 'coterie_rollout_state{phase="idle"} 1.0' in get(port, "/metrics")[1]
        assert get(port, "/other")[0] == 404
        loop.lease.renewed = False
        assert get(port, "/healthz") == (503, "")
        loop.lease.renewed, loop.came_round = True, loop.came_round - 1000
        assert get(port, "/healthz") == (503, "")


@pytest.fixture
def kubeconfig(tmp_path, address):
    path = tmp_path / "config"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "me", "user": {"token": "a-secret-token"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def arguments(store):
    given = {
        "--namespace": "shop",
        "--service": "shop",
        "--releases": store,
        "--prometheus": "http://127.0.0.1:9",
        "--interval": "0.1",
        "--port": "0",
    }
    return [word for pair in given.items() for word in pair]


@pytest.mark.slow
def test_a_process_gives_its_lease_back_when_it_is_told_to_end(api, shop, kubeconfig):
    command = [sys.executable, "-m", "coterie.cluster", *arguments(shop.store)]
    champion = Path(shop.store, CHAMPION)
    champion.unlink(missing_ok=True)
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: ("leases", "shop-rollout") in api.objects)
        wait_until(lambda: ("configmaps", "shop-rollout") in api.objects)
        wait_until(champion.exists)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    messages = [json.loads(line)["message"] for line in said.splitlines()]
    assert (messages[0], messages[-1]) == ("listens", "ends")
    assert "transition" in messages
    assert ReleaseStore(shop.store).champion() == "v1"
    assert "holderIdentity" not in api.objects["leases", "shop-rollout"]["spec"]
    assert "a-secret-token" not in said


def test_it_lives_before_it_is_loaded_and_is_ready_without_torch(shop, kubeconfig):
    given = ["coterie.cluster", *arguments(shop.store)]
    with held_up(*given, KUBECONFIG=str(kubeconfig)) as controller:
        assert (controller.alive, controller.ready) == (200, 503)
        controller.go_on()
        wait_until(lambda: controller.ready == 200)


@pytest.fixture
def undisturbed(monkeypatch):
    """Handlers of signals and logs are the process's own."""
    monkeypatch.setattr(program.signal, "signal", lambda *_: None)
    monkeypatch.setattr(program.logging, "basicConfig", lambda **_: None)


def test_it_ends_with_one_clear_error_if_it_may_not_begin(
    api, shop, kubeconfig, monkeypatch, undisturbed, caplog
):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    # Read when the client is imported.
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig)
    )
    api.fail("get", "leases", 403, times=1e9)
    assert program.main(arguments(shop.store)) == 1
    (record,) = caplog.records
    assert "verb get on leases shop-rollout" in record.getMessage()


def test_a_log_line_is_one_object_without_what_an_exception_quotes():
    try:
        raise ValueError("a-secret-token")
    except ValueError:
        trace = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "a turn %s", ("failed",), trace)
    record.fields = {"phase": Phase.STEP}
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert (line["message"], line["phase"], line["error"]) == (
        "a turn failed",
        "step",
        "ValueError",
    )
    assert "a-secret-token" not in text


def test_kubernetes_is_asked_past_the_proxy_of_what_is_outside(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setattr("kubernetes.config.load_incluster_config", lambda **_: None)
    assert Cluster.connect("shop")._client.configuration.proxy is None
