"""Ray Tune: what it makes of a study, and what it survives."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import study_to_kill
from study_to_kill import BASE, OWN, SEARCH, TRIALS, run, stumbling, treacherous
from waiting import kill, wait_until

from coterie.errors import BadInputError
from coterie.models.space import Choice
from coterie.tuning import tune
from coterie.tuning.search import encode
from coterie.tuning.study import TRIALS as LINES
from coterie.tuning.study import Ending, Study, StudyPlan, Trial, open_study
from coterie.tuning.trial_recorder import TrialRecorder
from coterie.tuning.trials import Bounds
from coterie.tuning.tune import Halving, _cluster, _searcher, run_study
from coterie.workflow.settings import change

SCRIPT = Path(__file__).with_name("study_to_kill.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def one_ray():
    """One for all studies of this file, which take whatever is up; its address."""
    with _cluster(Bounds(trials=TRIALS, parallel=1)):
        # Ray's processes cannot import what lies in a folder of tests.
        ray.cloudpickle.register_pickle_by_value(study_to_kill)
        yield ray.get_runtime_context().gcs_address
        ray.cloudpickle.unregister_pickle_by_value(study_to_kill)


def test_processes_of_trials_are_forks_that_have_what_they_need():
    """Also those with variables of their own, as Ray Tune's are."""

    def tell():
        import sys

        import psutil

        there = {"coterie.tuning.tune", "coterie.models"} <= sys.modules.keys()
        return os.environ["TOLD"], there, psutil.Process().parent().cmdline()

    told = ray.remote(tell).options(runtime_env={"env_vars": {"TOLD": "so"}})
    variable, there, parent = ray.get(told.remote())
    assert (variable, there) == ("so", True)
    assert "coterie.local_ray.template" in parent


def kill_after(trials, folder, address):
    """Run the script until so many trials are kept, then kill it."""
    path = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), address],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: lines_in(folder) >= trials or process.poll() is not None, 400)
    finally:
        kill(process)
    assert process.returncode == -signal.SIGKILL
    # Its trial dies with it, once Ray has seen that it is gone.
    wait_until(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])
    return lines_in(folder)


def lines_in(folder):
    path = folder / LINES
    return path.read_bytes().count(b"\n") if path.exists() else 0


def told(trials):
    """What must not depend on whether the study was broken off."""
    return [(t.changes, t.ending, t.curve) for t in trials]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "study"
    return run(folder, Bounds(trials=TRIALS, parallel=1))


def test_the_models_own_settings_come_first_and_nothing_stops_them(undisturbed):
    assert undisturbed[0].changes == OWN
    assert undisturbed[0].ending is Ending.FINISHED
    assert len(undisturbed[0].curve) == BASE.loop.max_epochs


def test_those_that_fall_behind_are_stopped(undisturbed):
    stopped = [t for t in undisturbed if t.ending is Ending.STOPPED]
    assert stopped
    for trial in stopped:
        assert len(trial.curve) < BASE.loop.max_epochs
        assert trial.score < max(t.score for t in undisturbed)
    assert {t.ending for t in undisturbed} <= {Ending.STOPPED, Ending.FINISHED}


def test_a_study_that_was_killed_goes_on_as_if_nothing_had_happened(undisturbed, tmp_path, one_ray):
    kept = kill_after(2, tmp_path / "study", one_ray)
    assert kept < TRIALS, "nothing was left to do"
    trials = run(tmp_path / "study", Bounds(trials=TRIALS, parallel=1))
    assert told(trials) == told(undisturbed)


def test_what_earlier_runs_reached_decides_who_is_stopped(tmp_path):
    curve = [(epoch, 0.1 * epoch) for epoch in range(1, 10)]
    known = Trial({"loop.patience": 7, "loop.lr": 1e-3}, Ending.FINISHED, 0.9, 9, curve, 1.0, 1.0)
    plan = StudyPlan("social", {}, {}, "d", 0)

    def decide(trials, changes, epoch, best, search=SEARCH):
        scheduler = Halving(search, Study(tmp_path, plan, trials))
        scheduler.set_search_properties("best", "max")
        trial = SimpleNamespace(trial_id="new", config=encode(SEARCH.space, changes))
        scheduler.on_trial_add(None, trial)
        return scheduler.on_trial_result(None, trial, {"epoch": epoch, "best": best})

    other = {"loop.patience": 8, "loop.lr": 1e-3}
    assert decide([known], other, 3, 0.25) == "STOP"
    assert decide([known], other, 3, 0.35) == "CONTINUE"
    assert decide([], other, 3, 0.25) == "CONTINUE", "nobody is ahead"
    assert decide([known], OWN, 3, 0.25) == "CONTINUE", "own settings are spared"
    first = replace(SEARCH, starts=(other,))
    assert decide([known], other, 3, 0.25, first) == "CONTINUE", "so is what is tried first"
    assert decide([known], other, 9, 0.25) == "CONTINUE", "there is nothing left to save"
    cut = replace(known, ending=Ending.CUT)
    assert decide([cut], other, 3, 0.25) == "CONTINUE", "what was cut does not count"


def test_time_ends_a_study_within_a_trial(tmp_path, monkeypatch):
    endless = replace(BASE, loop=replace(BASE.loop, max_epochs=10**6, patience=10**6))
    search = replace(SEARCH, configure=partial(change, endless), max_epochs=10**6)
    now, leap = TrialRecorder._now, [0.0]
    monkeypatch.setattr(TrialRecorder, "_now", lambda recorder: now(recorder) + leap[0])

    def hours_pass(progress):
        if progress.running.startswith("epoch"):
            leap[0] = 9999.0

    (cut,) = run(tmp_path / "study", Bounds(seconds=9999.0, parallel=1), search, hours_pass)
    assert (cut.changes, cut.ending) == (OWN, Ending.CUT)
    assert cut.score > 0


@pytest.mark.parametrize(("ending", "again"), [(Ending.CUT, True), (Ending.FINISHED, False)])
def test_own_settings_are_tried_until_they_have_ended(tmp_path, ending, again):
    own = Trial(OWN, ending, 0.1, 1, [(1, 0.1)], 1.0, 1.0)
    searcher = _searcher(Study(tmp_path, StudyPlan("social", {}, {}, "d", 0), [own]), SEARCH)
    assert (searcher.suggest("next") == encode(SEARCH.space, OWN)) is again


def test_places_to_start_from_come_after_own_settings_and_once(tmp_path):
    start = {**OWN, "loop.patience": 7}
    search = replace(SEARCH, starts=(start,))
    own = Trial(OWN, Ending.FINISHED, 0.1, 1, [(1, 0.1)], 1.0, 1.0)
    searcher = _searcher(Study(tmp_path, StudyPlan("social", {}, {}, "d", 0), [own]), search)
    assert searcher.suggest("second") == encode(search.space, start)
    assert searcher.suggest("third") != encode(search.space, start)


CLOSE_CALL = replace(
    SEARCH, space={"loop.patience": Choice((7, 8, 9))}, defaults={"loop.patience": 9},
    starts=({"loop.patience": 8},), seeds={"loop.seed": 0},
)  # fmt: skip
"""Patience of which none is ever needed: what is tried comes to the same."""


@pytest.fixture(scope="module")
def close_call(tmp_path_factory):
    folder = tmp_path_factory.mktemp("close") / "study"
    return folder, run(folder, Bounds(trials=2, parallel=1), CLOSE_CALL)


def test_trials_that_are_close_are_fitted_again_with_another_seed(close_call):
    _, (own, other, *again) = close_call
    assert (own.score, own.repeat) == (other.score, 0)
    assert [(t.changes, t.repeat, t.ending) for t in again] == [
        (own.changes, 1, Ending.FINISHED),
        (other.changes, 1, Ending.FINISHED),
    ]
    seeds = {t.curve == own.curve for t in again}
    assert seeds == {False}, "the seed was another"
    assert again[0].curve == again[1].curve, "and the same for all"
    assert len(again[0].curve) == BASE.loop.max_epochs, "nothing was stopped"


def test_a_runoff_is_done_once_and_goes_on_where_it_was_broken_off(close_call, tmp_path):
    folder, trials = close_call
    bounds = Bounds(trials=2, parallel=1)
    assert run(folder, bounds, CLOSE_CALL) == trials
    broken = shutil.copytree(folder, tmp_path / "study")
    lines = (broken / LINES).read_bytes().splitlines(keepends=True)
    (broken / LINES).write_bytes(b"".join(lines[:3]))
    assert told(run(broken, bounds, CLOSE_CALL)) == told(trials)


def test_more_trials_after_a_runoff_are_those_of_a_study_without(close_call, tmp_path):
    folder, _ = close_call
    went_on = shutil.copytree(folder, tmp_path / "went on")
    bounds = Bounds(trials=4, parallel=1)
    searched = [t for t in run(went_on, bounds, CLOSE_CALL) if not t.repeat]
    unseeded = run(tmp_path / "study", bounds, replace(CLOSE_CALL, seeds={}))
    assert told(searched) == told(unseeded)


def test_a_finished_study_runs_nothing(undisturbed, monkeypatch, tmp_path):
    with open_study(tmp_path / "study", StudyPlan("social", {}, {}, "d", 0)) as study:
        study.add(undisturbed[0])
        run_study(study, SEARCH, None, Bounds(trials=1))
        assert study.trials == undisturbed[:1]


def test_settings_that_cannot_be_fitted_are_refused_and_leave_no_trial(tmp_path, monkeypatch):
    def refusing(study, search, bounds, work, recorder):
        def fit():
            recorder.started("a", OWN)
            recorder.reported("a", {"best": 0.0, "failed": "too few items"})
            recorder.ended("a")

        return SimpleNamespace(fit=fit)

    monkeypatch.setattr(tune, "_search", refusing)
    with pytest.raises(BadInputError, match="too few items"):
        run(tmp_path / "study", Bounds(trials=6))
    assert lines_in(tmp_path / "study") == 0
    assert not (tmp_path / "study" / ".work").exists()


def test_a_trial_whose_process_died_is_tried_once_more(undisturbed, tmp_path):
    search = replace(SEARCH, configure=partial(stumbling, tmp_path / "stumbled"))
    (own,) = run(tmp_path / "study", Bounds(trials=1, parallel=1), search)
    assert (tmp_path / "stumbled").exists()
    assert told([own]) == told(undisturbed[:1])


def test_a_process_that_dies_does_not_take_the_study_with_it(tmp_path):
    search = replace(SEARCH, configure=treacherous)
    trials = run(tmp_path / "study", Bounds(trials=3, parallel=1), search)
    assert [t.changes["loop.patience"] for t in trials] == [9, 9, 8]
    own, _, dead = trials
    assert (own.ending, own.changes) == (Ending.FINISHED, OWN)
    assert (dead.ending, dead.score) == (Ending.FAILED, None)
    assert dead.error
