"""All pipelines as a person runs them on one machine, on a small simulated shop."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from ports import free_port
from tiny_shop import train, write_raw

from coterie.content.texts import TextSettings, item_texts
from coterie.monitoring.runs import Runs
from coterie.release.queries import QueryEncoders
from coterie.release.store import ReleaseStore
from coterie.rollout.store import FileRolloutStore
from coterie.workflow.publish import publish

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from rollout_shop import OLD, TOKEN, VERSIONS, Shop, make_app, turning

QUICK = '{"loop.max_epochs": 3, "embedding_size": 16}'
CONTENT = '{"text": {"place": "default"}, "texts": {"max_characters": 60}}'
FIT = {"workers": "0", "min_gain": "-1", "baselines": "popularity social", "settings": QUICK}


@contextlib.contextmanager
def served(app):
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, "127.0.0.1", port, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def run(pipeline, root, environment=None, **given):
    command = [sys.executable, "-m", "pipelines.local", "--pipeline", pipeline, "--root", str(root)]
    with (root.parent / "said").open("w") as said:
        done = subprocess.run(
            [*command, *(f"{name}={value}" for name, value in given.items())],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=280,
            check=False,
        )
    return done.returncode, (root.parent / "said").read_text(), result_of(root)


def result_of(root):
    path = root / "result.json"
    return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return str(write_raw(tmp_path_factory.mktemp("shop") / "raw"))


@pytest.fixture
def app(tmp_path, monkeypatch):
    """An app that stands in for the cluster's, with a controller at work."""
    monkeypatch.setenv("COTERIE_ADMIN_TOKEN", TOKEN)
    rollout_store = FileRolloutStore(tmp_path / "rollouts")

    def crown(digest):
        """This shop's digests are made up."""
        store = ReleaseStore(str(tmp_path / "releases"))
        if VERSIONS[digest] in store.list() and store.champion() != VERSIONS[digest]:
            store.crown(VERSIONS[digest])

    with turning(rollout_store, Shop(), follow=crown), served(make_app(rollout_store)) as address:
        yield rollout_store, address


PLAN = '{"step_s": 20, "bake_s": 30, "min_samples": 100, "cooldown_s": 0}'


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_refresh_goes_on_from_the_champion_and_rolls_out(tmp_path, raw, app):
    rollout_store, address = app
    store, status = str(tmp_path / "releases"), str(tmp_path / "runs")
    kept = {"release_store": store, "status": status}
    publish(train(raw, tmp_path / "train", "v7", **json.loads(QUICK)).bundle, store)
    rc, said, result = run(
        "refresh",
        tmp_path / "refresh",
        source=raw,
        version="v8",
        roll_out="true",
        api=address,
        plan=PLAN,
        wait_s="120",
        content=CONTENT,
        **kept,
        **FIT,
    )
    assert rc == 0, said
    assert f"going on from {store}/v7" in said
    assert "v8 was promoted" in said
    assert [(one.name, one.pipeline) for one in Runs(status).read()] == [("v8", "refresh")]
    releases = ReleaseStore(store)
    assert releases.list() == ("v7", "v8")
    assert releases.champion() == "v8"
    assert VERSIONS[rollout_store.read()[0].stable] == "v8"
    assert Path(result["report"]).read_text().startswith("<!doctype html>")
    holds_vectors_that_queries_can_be_compared_with(releases.get("v8"))


def holds_vectors_that_queries_can_be_compared_with(release):
    """An item's own text, as a query, finds it, by what the content step made."""
    encoder = QueryEncoders().open(release)
    row = 7
    texts = item_texts(release.catalogue, TextSettings(max_characters=60))
    found = encoder.encode([texts[row]]).vectors @ release.vectors["text"].astype(np.float32).T
    assert len(release.vectors["text"]) == release.catalogue.num_rows
    assert found.argmax() == row


@pytest.mark.slow
def test_backtest_leaves_a_report_over_past_weeks(tmp_path, raw):
    rc, said, result = run(
        "backtest",
        tmp_path / "backtest",
        source=raw,
        weeks="2",
        models="popularity social",
        settings='{"loop.max_epochs": 3, "embedding_size": 16, "content.share": 0.3}',
        content=CONTENT,
    )
    assert rc == 0, said
    steps = [line.split()[0] for line in said.splitlines()]
    assert steps[:4] == ["ingest", "content", "text:", "backtest"], said
    assert "Past weeks, foreseen" in Path(result["report"]).read_text()
    assert len(json.loads(Path(result["figures"], "backtest.json").read_text())) == 2


@pytest.mark.slow
def test_the_rollback_button(tmp_path, app):
    rollout_store, address = app
    api = {"api": address, "wait_s": "60"}
    rc, said, _ = run("rollback", tmp_path / "none", reason="clicks fell", **api)
    assert rc == 1
    assert "no release before this one" in said
    from coterie.rollout.api import RolloutApi

    plan = {"step_s": 1e6, "deadline_s": 1e6, "min_samples": 100, "cooldown_s": 0}
    body = {"release": "v8", "reason": "better", "who": "ana", "plan": plan}
    RolloutApi(address, TOKEN).post("", body)
    rc, said, result = run("rollback", tmp_path / "back", reason="clicks fell", **api)
    assert rc == 0, said
    assert result == {"version": "v7"}
    state, _ = rollout_store.read()
    assert (state.phase, state.stable) == ("rolled_back", OLD)
    assert "clicks fell" in state.quarantine.values()


@pytest.mark.slow
def test_the_button_without_its_secret_says_so(tmp_path, app, monkeypatch):
    monkeypatch.delenv("COTERIE_ADMIN_TOKEN")
    rc, said, _ = run("rollback", tmp_path / "run", reason="clicks fell", api=app[1])
    assert rc == 1
    assert "COTERIE_ADMIN_TOKEN is not set" in said


@pytest.mark.slow
def test_a_rayjob_is_made_on_kubernetes_alone(tmp_path, raw):
    rc, said, _ = run("train", tmp_path / "run", source=raw, ray_address="rayjob", settings=QUICK)
    assert rc == 1
    assert "a RayJob can be made by a step on Kubernetes alone" in said
