import json
import os
import signal
import subprocess
import sys
import time

import fsspec
import pytest
from waiting import wait_until

from coterie.cancel import CancelledError
from coterie.errors import BadInputError, UnavailableError
from coterie.monitoring.runs import IDLE_S, KEPT, SILENT_S, STEPS, Outcome, Run, Runs
from coterie.schema import INGEST_REPORT
from coterie.workflow.status import record_rows, recorded
from pipelines.local import StepFailedError, _named, _recorded_end
from pipelines.processes import StopRequestedError


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    if request.param == "folder":
        return str(tmp_path / "runs")
    return f"memory://{tmp_path.name}/runs"


def run_all(place, name, steps=STEPS):
    for step in steps:
        with recorded(place, name, step):
            pass


def only(place) -> Run:
    [run] = Runs(place).read()
    return run


def test_a_run_goes_on_until_its_last_step_ends(place):
    run_all(place, "v1", STEPS[:-1])
    assert only(place).outcome is Outcome.RUNNING
    run_all(place, "v1", STEPS[-1:])
    run = only(place)
    assert (run.name, run.outcome, run.pipeline) == ("v1", Outcome.SUCCEEDED, "train")
    assert list(run.steps) == list(STEPS)
    times = [t for step in run.steps.values() for t in (step.started, step.ended)]
    assert times == sorted(times)
    assert run.started <= times[0]
    assert run.ended == times[-1]


def test_a_run_is_known_by_the_pipeline_that_began_it(place):
    with recorded(place, "v1", STEPS[0], "refresh"):
        pass
    run_all(place, "v1", STEPS[1:])
    assert only(place).pipeline == "refresh"


def test_a_step_that_fails_fails_its_run_and_says_why(place):
    run_all(place, "v1", STEPS[:2])
    with pytest.raises(KeyError), recorded(place, "v1", "train"):
        raise KeyError("ts" * 1000)
    run = only(place)
    assert run.outcome is Outcome.FAILED
    assert run.why.startswith("train: KeyError: 'tsts")
    assert len(run.why) <= 500
    assert run.steps["train"].ended == run.ended


def test_a_step_that_is_asked_to_stop_has_not_failed(place):
    run_all(place, "v1", STEPS[:2])
    with pytest.raises(StopRequestedError), recorded(place, "v1", "train"):
        raise StopRequestedError
    assert only(place).outcome is Outcome.STOPPED


def test_a_step_that_kubernetes_ends_has_failed(place):
    """SIGTERM is what an evicted pod gets, and the step of a run that is terminated."""
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with recorded(place, "v1", "train"):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(CancelledError):
        work()
    run = only(place)
    assert (run.outcome, run.why) == (
        Outcome.FAILED,
        "train: SIGTERM came: the run was terminated, or its pod evicted",
    )
    assert signal.getsignal(signal.SIGTERM) == before


def at(place, seconds, begun=None):
    """The run so long after it began, or from now on."""
    [run] = Runs(place, lambda: (begun or time.time()) + seconds).read()
    return run


def test_a_step_that_fell_silent_was_killed(place):
    run_all(place, "v1", STEPS[:2])
    begun = time.time()
    Runs(place).change("v1", lambda run: run.step_started("train", begun))
    assert at(place, SILENT_S - 5, begun).outcome is Outcome.RUNNING
    run = at(place, SILENT_S + 5, begun)
    assert run.outcome is Outcome.FAILED
    assert run.why.startswith("train: no sign of it for 600 s: killed")
    assert run.ended == pytest.approx(begun + SILENT_S, abs=5)


def test_a_run_whose_next_step_never_begins_has_failed(place):
    run_all(place, "v1", STEPS[:2])
    assert at(place, IDLE_S - 5).outcome is Outcome.RUNNING, "pods wait for nodes and queues"
    assert at(place, IDLE_S + 5).why.startswith("no other step began for 86400 s")


def test_an_image_of_before_is_not_said_to_be_dead(place):
    """It never said that it is at work."""
    Runs(place).change("v1", lambda run: run.step_started("train", time.time()))
    fs, folder = fsspec.url_to_fs(place)
    [name] = fs.ls(folder, detail=False)
    content = json.loads(fs.cat_file(name))
    del content["alive"]
    fs.pipe_file(name, json.dumps(content).encode())
    assert at(place, SILENT_S + 5).outcome is Outcome.RUNNING
    assert at(place, IDLE_S + 5).outcome is Outcome.FAILED


def test_a_step_says_that_it_is_at_work_and_another_cannot_say_it_for_it(place):
    with recorded(place, "v1", "train", beat_s=0.01):
        first = only(place).alive
        wait_until(lambda: only(place).alive != first)
    ended = only(place)
    assert ended.beaten("train", 1.0, 2.0) == ended
    began = ended.step_started("train", 5.0)
    assert began.beaten("train", 4.0, 6.0) == began, "tried again: the first one is gone"
    assert began.beaten("train", 5.0, 6.0).alive == 6.0


def test_a_killed_step_is_exported_as_a_failure(place):
    from serving.telemetry.pipeline_runs import families

    with recorded(place, "v1", STEPS[0], "refresh"):
        pass
    begun = time.time()
    Runs(place).change("v1", lambda run: run.step_started("train", begun))
    now = begun + SILENT_S + 5
    told = {one.name: one for one in families([at(place, SILENT_S + 5, begun)], now, now)}
    (running,) = told["coterie_pipeline_running_seconds"].samples
    assert running.value == 0
    (failed,) = told["coterie_pipeline_last_failure_timestamp_seconds"].samples
    assert (failed.labels, failed.value) == (
        {"pipeline": "refresh"},
        pytest.approx(now - 5, abs=5),
    )


def test_a_step_that_is_tried_again_takes_its_run_up_again(place):
    run_all(place, "v1", STEPS[:2])
    with pytest.raises(KeyError), recorded(place, "v1", "train"):
        raise KeyError
    with recorded(place, "v1", "train"):
        assert only(place).outcome is Outcome.RUNNING
        assert only(place).steps["train"].ended is None
    run_all(place, "v1", STEPS[3:])
    assert only(place).outcome is Outcome.SUCCEEDED


def test_the_same_version_made_again_is_another_run(place):
    run_all(place, "a-b")
    run_all(place, "b")
    run_all(place, "a-b")
    assert [run.name for run in Runs(place).read()] == ["a-b", "b", "a-b"]
    assert {run.outcome for run in Runs(place).read()} == {Outcome.SUCCEEDED}


def test_rows_are_told_as_ingest_counted_them(place, tmp_path):
    counts = {"read": 9, "kept": 7, "bad": 2, "duplicates": 0}
    (tmp_path / INGEST_REPORT).write_text(json.dumps({"tables": {"ties": counts}}))
    with recorded(place, "v1", "ingest"):
        record_rows(place, "v1", str(tmp_path))
    assert (only(place).ingested, only(place).quarantined) == ({"ties": 7}, {"ties": 2})


def test_only_the_last_runs_are_kept(place):
    for n in range(KEPT + 3):
        with recorded(place, f"v{n}", STEPS[0]):
            pass
    names = [run.name for run in Runs(place).read()]
    assert names == [f"v{n}" for n in range(3, KEPT + 3)]


def test_nowhere_records_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_all("", "v1")
    record_rows("", "v1", "no-such-folder")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_passed_over(place):
    run_all(place, "v1")
    fs, folder = fsspec.url_to_fs(place)
    for n, text in enumerate(("{", "[]", "{}", '{"outcome": "odd"}', "null")):
        fs.pipe_file(f"{folder}/2{n}-odd.json", text.encode())
    fs.pipe_file(f"{folder}/.half.part", b"")
    assert only(place).name == "v1"


def test_an_empty_place_has_no_runs(place):
    assert Runs(place).read() == []


def test_a_version_may_hold_what_a_file_name_may_not(place):
    run_all(place, "../a b/ü")
    assert only(place).name == "../a b/ü"


def test_nothing_half_written_is_seen(tmp_path):
    place = str(tmp_path / "runs")
    run_all(place, "v1")
    assert [file.suffix for file in (tmp_path / "runs").iterdir()] == [".json"]


def test_a_store_that_does_not_answer_holds_up_no_step(monkeypatch, caplog):
    def fail(*_, **__):
        raise TimeoutError("too slow")

    monkeypatch.setattr(fsspec.filesystem("memory"), "pipe_file", fail)
    done = []
    with recorded("memory://gone", "v1", "ingest"):
        done.append("ingest")
    assert done == ["ingest"]
    assert len(caplog.records) == 2
    with pytest.raises(UnavailableError):
        Runs("memory://gone").change("v1", lambda run: run)


def test_an_error_of_the_step_is_not_hidden_by_one_of_the_store(monkeypatch):
    def fail(*_, **__):
        raise PermissionError("not yours any more")

    def work():
        with recorded("memory://lost", "v1", "ingest"):
            monkeypatch.setattr(fsspec.filesystem("memory"), "pipe_file", fail)
            raise KeyError("ts")

    with pytest.raises(KeyError):
        work()


def test_a_place_that_cannot_be_stops_the_step_before_it_begins():
    done = []
    with (
        pytest.raises(BadInputError, match="on no store that is known"),
        recorded("tape://x", "v1", "ingest"),
    ):
        done.append("ingest")
    assert done == []


def test_a_killed_run_is_ended_by_who_watched_it(place):
    run_all(place, "v1", STEPS[:2])
    Runs(place).end("v1", Outcome.FAILED, "killed from outside")
    assert (only(place).outcome, only(place).why) == (Outcome.FAILED, "killed from outside")
    Runs(place).end("v1", Outcome.STOPPED)
    assert only(place).outcome is Outcome.FAILED


def test_what_did_not_change_is_not_fetched_again(place, monkeypatch):
    run_all(place, "v1")
    run_all(place, "v2", STEPS[:1])
    runs = Runs(place)
    before = runs.read()
    fs, _ = fsspec.url_to_fs(place)
    fetched = []
    fetch = type(fs).cat_file
    monkeypatch.setattr(
        type(fs), "cat_file", lambda self, *a, **k: fetched.append(a) or fetch(self, *a, **k)
    )
    assert runs.read() == before
    assert fetched == []
    run_all(place, "v2", STEPS[1:2])
    fetched.clear()
    assert list(runs.read()[1].steps) == list(STEPS[:2])
    assert len(fetched) == 1


@pytest.mark.slow
def test_a_local_run_that_fails_leaves_its_step_and_its_reason(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/events.csv").write_text("event_id,user_id,item_id,event\n1,a,b,view\n")
    place = str(tmp_path / "runs")
    command = [sys.executable, "-m", "pipelines.local", "--root", str(tmp_path / "run")]
    command += [f"source={tmp_path / 'shop'}", f"status={place}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    run = only(place)
    assert run.outcome is Outcome.FAILED
    assert run.why.startswith("ingest: BadInputError: ")
    assert list(run.steps) == ["ingest"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(StopRequestedError(), Outcome.STOPPED), (StepFailedError("killed"), Outcome.FAILED)],
)
def test_the_local_runner_ends_a_run_whose_step_cannot(place, error, outcome):
    arguments = _named({"status": place, "version": ""})
    run_all(place, arguments["version"], STEPS[:2])
    with pytest.raises(type(error)), _recorded_end(arguments):
        raise error
    assert only(place).outcome is outcome
