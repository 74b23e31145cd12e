"""An upgrade from the version before, with its data: what it left behind is read and gone on with.

``make.py`` wrote ``state.json`` by that version's own code, and says how.
"""

import base64
import json
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "cluster"))
sys.path.append(str(Path(__file__).parents[1] / "helm"))
sys.path.append(str(Path(__file__).parents[1] / "serving"))

from chart import CI, SECRETS, Chart
from fake_api import FakeApi, serving
from kubernetes import client
from logged import numbered
from redis_server import PASSWORD, RedisServer
from test_chart_upgrade import _fixed
from tools import NoHelmError, helm

from coterie.cluster.api import Cluster
from coterie.cluster.store import ClusterRolloutStore
from coterie.rollout.commands import Verb
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import Phase
from coterie.rollout.store import FileRolloutStore
from serving.events.open import open_log

HERE = Path(__file__).parent
LEFT = json.loads((HERE / "state.json").read_text())


@pytest.fixture(scope="module")
def chart():
    try:
        return Chart(helm())
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")


@pytest.mark.parametrize("values", sorted(CI))
def test_what_nobody_may_change_is_as_it_was(chart, values):
    """Data is claimed by a StatefulSet's name and templates, pods are found by selectors."""
    before = json.loads((HERE / "chart" / f"{values}.json").read_text())
    now = _fixed(chart.objects(CI[values], *SECRETS))
    common = before.keys() & now.keys()
    assert len(common) > 5
    for name in common:
        assert now[name] == before[name], f"{name}: an upgrade would fail"
    kept = {name for name in before if name.startswith(("StatefulSet/", "Deployment/"))}
    assert kept <= now.keys(), "its data, or its pods, would be left behind"


def test_secrets_and_rollout_stores_have_the_names_that_they_had(chart):
    now = chart.objects(CI["gpu"])
    names = {(o["kind"], o["metadata"]["name"]) for o in now}
    kept = {
        ("ConfigMap", "coterie-rollout"),
        ("ConfigMap", "coterie-rollout-commands"),
        ("ConfigMap", "coterie-before"),
        ("Secret", "coterie-app"),
        ("Secret", "coterie-redis"),
        ("Lease", "coterie-rollout"),
        ("RayService", "coterie"),
    }
    assert kept <= names
    [keys] = [o["data"].keys() for o in now if o["metadata"]["name"] == "coterie-redis" and
              o["kind"] == "Secret"]  # fmt: skip
    assert "redis-password" in keys


@pytest.fixture
def sqlite_log(tmp_path):
    with sqlite3.connect(tmp_path / "events.sqlite") as database:
        database.executescript(LEFT["sqlite"])
    database.close()
    log = open_log(f"sqlite://{tmp_path}/events.sqlite")
    yield log
    log.close()


@pytest.fixture
def redis_log(tmp_path):
    server = RedisServer(tmp_path / "redis")
    for key, dump in LEFT["redis"].items():
        server.ask("RESTORE", key, 0, base64.b64decode(dump))
    log = open_log(server.place, PASSWORD)
    yield log
    log.close()
    server.stop()


@pytest.mark.parametrize("kind", ["sqlite_log", "redis_log"])
def test_the_event_log_goes_on_where_it_was(request, kind):
    """Ten events were pushed and exported, ten were pushed, ten neither."""
    log = request.getfixturevalue(kind)
    assert log.count_unpushed() == 10
    with log.lock("push"):
        unpushed = log.unpushed(100)
        assert [event.event_id for event in unpushed.events] == [f"e{n}" for n in range(20, 30)]
        log.mark_pushed(unpushed)
    unexported = log.unexported(100)
    assert [event.event_id for event in unexported.events] == [f"e{n}" for n in range(10, 30)]
    log.mark_exported(unexported)
    assert log.append(numbered(10, 30)) == [True] * 10
    assert len(log.unexported(100)) == 10


def test_a_rollout_that_was_under_way_is_read_with_its_command():
    api = FakeApi()
    for name in ("shop-rollout", "shop-rollout-commands"):
        api.put("configmaps", name, {"data": LEFT["config_maps"][name]})
    with serving(api) as address:
        settings = client.Configuration()
        settings.host = address
        cluster = Cluster("shop", settings)
        rollout_store = ClusterRolloutStore(cluster, "shop")
        state, version = rollout_store.read()
        digests = LEFT["config_maps"]["digests"]
        assert state.phase is Phase.STEP
        assert (state.stable, state.canary) == (digests["stable"], digests["canary"])
        assert set(state.evidence) <= set(SIGNALS)
        [command] = rollout_store.commands(state)
        assert (command.id, command.verb, command.who) == ("c2", Verb.PAUSE, "ana")
        assert [line.after for line in rollout_store.history()][-1] is Phase.STEP
        assert rollout_store.write(state, version) >= version
        cluster.close()


def test_a_rollout_store_on_a_disk_is_read_with_its_command(tmp_path):
    for name, text in LEFT["book"].items():
        (tmp_path / name).write_text(text)
    rollout_store = FileRolloutStore(tmp_path)
    state, version = rollout_store.read()
    assert (state.stable, version) == ("a" * 64, 1)
    assert [command.id for command in rollout_store.commands(state)] == ["c1"]
    # It goes by the signals that it was begun with.
    known = {name for name, signal in SIGNALS.items() if not signal.paired}
    assert {name for name, _ in state.plan.signals} == known
    assert rollout_store.write(state, version) == 2
