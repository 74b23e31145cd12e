import json
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from waiting import PATIENCE_S, not_for_as_long_as, wait_until

from coterie.monitoring.runs import STEPS, Outcome, Run, Runs, Step
from coterie.schema import TABLES
from serving.settings import Settings
from serving.telemetry import pipeline_runs
from serving.telemetry.pipeline_runs import PipelineCollector, pipeline_collector

NOW = 1_800_000_000.0


class Store:
    """Runs that a test sets."""

    def __init__(self, *runs):
        self.runs, self.reads, self.down = list(runs), 0, False

    def read(self):
        self.reads += 1
        if self.down:
            from coterie.errors import UnavailableError

            raise UnavailableError("gone")
        return list(self.runs)


def values(collector):
    registry = CollectorRegistry()
    registry.register(collector)
    text = generate_latest(registry).decode()
    families = text_string_to_metric_families(text)
    return {
        s.name.removeprefix("coterie_") + "".join(f"/{v}" for v in s.labels.values()): s.value
        for family in families
        for s in family.samples
    }


def shown(*runs):
    collector = PipelineCollector(Store(*runs), clock=lambda: NOW)
    collector.read()
    return values(collector)


def steps(*seconds):
    at = NOW - 1000
    return {name: Step(at, at + s) for name, s in zip(STEPS, seconds, strict=False)}


def test_a_run_that_goes_on_shows_how_long_and_what_its_steps_took():
    run = Run("v1", NOW - 90, steps={"ingest": Step(NOW - 90, NOW - 60), "train": Step(NOW - 50)})
    found = shown(Run("v0", NOW - 900, outcome=Outcome.SUCCEEDED, ended=NOW - 800), run)
    assert found["pipeline_running_seconds"] == 90
    assert found["pipeline_step_seconds/ingest"] == 30
    assert found["pipeline_step_seconds/train"] == 50
    assert found["pipeline_last_success_timestamp_seconds/train"] == NOW - 800
    assert found["pipeline_failures"] == 0


def test_a_failed_run_is_counted_and_runs_no_longer():
    run = Run("v1", NOW - 90, outcome=Outcome.FAILED, ended=NOW - 10, steps=steps(3, 4))
    found = shown(run, Run("v0", NOW - 80, outcome=Outcome.STOPPED, ended=NOW - 70))
    assert found["pipeline_running_seconds"] == 0
    assert found["pipeline_failures"] == 1
    assert found["pipeline_last_failure_timestamp_seconds/train"] == NOW - 10
    assert "pipeline_last_success_timestamp_seconds/train" not in found


def test_one_pipeline_that_succeeds_hides_no_failure_of_another():
    failed = Run("v1", NOW - 90, outcome=Outcome.FAILED, ended=NOW - 80)
    found = shown(failed, Run("v2", NOW - 50, "refresh", Outcome.SUCCEEDED, NOW - 10))
    assert found["pipeline_last_failure_timestamp_seconds/train"] == NOW - 80
    assert found["pipeline_last_success_timestamp_seconds/refresh"] == NOW - 10
    assert "pipeline_last_success_timestamp_seconds/train" not in found


def test_rows_are_those_of_the_last_run_that_got_so_far():
    early = Run("v1", NOW - 90, ingested={"events": 10}, quarantined={"events": 1})
    late = Run("v2", NOW - 50, ingested={"events": 20}, quarantined={"events": 2})
    found = shown(early, late, Run("v3", NOW - 5))
    assert (found["ingested_rows/events"], found["quarantined_rows/events"]) == (20, 2)


def test_what_strangers_put_into_the_store_becomes_no_label():
    odd = {f"odd-{n}": 1 for n in range(50)}
    names = {name: Step(NOW - 5, NOW) for name in odd}
    run = Run("v1", NOW - 90, steps=names, ingested={**odd, "ties": 3}, quarantined=odd)
    found = shown(run, Run("x", NOW - 5, pipeline="odd", outcome=Outcome.FAILED, ended=NOW))
    assert not [name for name in found if "odd" in name]
    assert found["ingested_rows/ties"] == 3
    assert len(found) <= 5 + 2 * len(TABLES) + len(STEPS)


def test_the_store_is_read_beside_the_scrape_and_not_too_often():
    now = [NOW]
    store = Store(Run("v1", NOW - 90))
    collector = PipelineCollector(store, clock=lambda: now[0])
    for _ in range(5):
        values(collector)
    wait_until(lambda: values(collector)["pipeline_running_seconds"] == 90)
    assert store.reads == 1
    now[0] += pipeline_runs.EVERY_S - 1
    values(collector)
    assert store.reads == 1
    now[0] += 1
    values(collector)
    wait_until(lambda: store.reads == 2)


def test_a_store_that_hangs_holds_up_no_scrape(monkeypatch):
    asked, go_on = threading.Event(), threading.Event()
    store = Store()

    def hang():
        asked.set()
        go_on.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(store, "read", hang)
    collector = PipelineCollector(store)
    with not_for_as_long_as(PATIENCE_S):
        assert values(collector)["pipeline_status_read_timestamp_seconds"] == 0
    assert asked.wait(PATIENCE_S)
    go_on.set()


def test_what_was_known_stays_while_the_store_is_away_and_its_age_shows():
    now = [NOW]
    store = Store(Run("v1", NOW - 90, outcome=Outcome.FAILED, ended=NOW - 10))
    collector = PipelineCollector(store, clock=lambda: now[0])
    collector.read()
    store.down = True
    now[0] += 600
    collector.read()
    found = values(collector)
    assert found["pipeline_failures"] == 1
    assert found["pipeline_status_read_timestamp_seconds"] == NOW


def test_a_setting_says_where_runs_are(tmp_path):
    assert pipeline_collector(Settings(release="r")) is None
    runs = Runs(str(tmp_path / "runs"))
    runs.change("v1", lambda run: run.step_started("ingest", time.time()))
    collector = pipeline_collector(Settings(release="r", pipeline_status=str(tmp_path / "runs")))
    collector.read()
    assert values(collector)["pipeline_step_seconds/ingest"] >= 0


def test_a_damaged_record_of_a_foreign_kind_harms_no_scrape(tmp_path):
    run = Run("v1", NOW, ingested={"events": 1}).as_json()
    (tmp_path / "1-a.json").write_text(json.dumps(run | {"steps": [1]}))
    (tmp_path / "2-b.json").write_text(json.dumps(run | {"started": "soon"}))
    (tmp_path / "3-c.json").write_text(json.dumps(run | {"more": 1}))
    collector = PipelineCollector(Runs(str(tmp_path)))
    collector.read()
    assert "ingested_rows/events" not in values(collector)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "pipelines"])
