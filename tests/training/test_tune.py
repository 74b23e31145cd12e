"""Ray Tune: what it makes of a study, and what it survives."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import ray
import study_to_kill
from study_to_kill import BASE, OWN, SEARCH, TRIALS, run, treacherous

from coterie.errors import BadInputError
from coterie.training.study import TRIALS as LINES
from coterie.training.study import Ending
from coterie.training.trials import Bounds
from coterie.workflow.settings import change

SCRIPT = Path(__file__).with_name("study_to_kill.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def one_ray():
    """One for all studies of this file but the one that is killed: they take whatever is up."""
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
    )
    # Ray's processes cannot import what lies in a folder of tests.
    ray.cloudpickle.register_pickle_by_value(study_to_kill)
    yield
    ray.cloudpickle.unregister_pickle_by_value(study_to_kill)
    ray.shutdown()


def kill_after(trials, folder, limit_s=200):
    """Run the script until so many trials are kept, then kill it."""
    path = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + limit_s
        while lines_in(folder) < trials:
            assert process.poll() is None, f"it ended by itself with {process.returncode}"
            assert time.monotonic() < deadline, "it did not come to its second trial"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
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


def test_a_study_that_was_killed_goes_on_as_if_nothing_had_happened(undisturbed, tmp_path):
    kept = kill_after(2, tmp_path / "study")
    assert kept < TRIALS, "nothing was left to do"
    trials = run(tmp_path / "study", Bounds(trials=TRIALS, parallel=1))
    assert told(trials) == told(undisturbed)


def test_time_ends_a_study_within_a_trial_that_the_next_run_tries_again(tmp_path):
    endless = replace(BASE, loop=replace(BASE.loop, max_epochs=10**6, patience=10**6))
    search = replace(SEARCH, configure=partial(change, endless), max_epochs=10**6)
    started = time.monotonic()
    (cut,) = run(tmp_path / "study", Bounds(seconds=8.0, parallel=1), search)
    assert 8 < time.monotonic() - started < 60
    assert (cut.changes, cut.ending) == (OWN, Ending.CUT)
    again, finished = run(tmp_path / "study", Bounds(trials=1, parallel=1))
    assert again == cut
    assert (finished.changes, finished.ending) == (OWN, Ending.FINISHED)
    assert finished.elapsed_s > cut.elapsed_s
    assert run(tmp_path / "study", Bounds(trials=1)) == (again, finished), "there is nothing to do"


def test_a_process_that_dies_does_not_take_the_study_with_it(tmp_path):
    search = replace(SEARCH, configure=treacherous)
    trials = run(tmp_path / "study", Bounds(trials=3, parallel=1), search)
    assert [t.changes["neighbours"] for t in trials] == [20, 20, 10]
    own, _, dead = trials
    assert (own.ending, own.changes) == (Ending.FINISHED, OWN)
    assert (dead.ending, dead.score) == (Ending.FAILED, None)
    assert dead.error


def test_settings_that_cannot_be_fitted_are_refused_and_leave_no_trial(tmp_path):
    search = replace(SEARCH, configure=treacherous, defaults=OWN | {"neighbours": 5})
    with pytest.raises(BadInputError, match="five are too few"):
        run(tmp_path / "study", Bounds(trials=6, parallel=1), search)
    assert lines_in(tmp_path / "study") == 0
