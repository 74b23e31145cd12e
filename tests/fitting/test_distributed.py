"""Ray Train: what it must not change, and what it must survive."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray
from synthetic import NUM_USERS, planted, some_state
from two_workers import CONFIG, for_epochs
from waiting import kill, wait_until

from coterie.errors import BadInputError
from coterie.fitting.distributed import SNAPSHOT, _epochs_in, _mend_snapshot, cluster
from coterie.fitting.fit import fit
from coterie.fitting.runs import RayWorkers

SCRIPT = Path(__file__).with_name("two_workers.py")


@pytest.fixture(scope="module")
def one_ray(tmp_path_factory):
    """One for all runs of this file, which would start one each; its address."""
    with cluster(RayWorkers(str(tmp_path_factory.mktemp("runs")), count=2)):
        yield ray.get_runtime_context().gcs_address


def kill_after(epochs, storage, address):
    """Run the script until its states hold so many epochs, then kill it; the epochs it had."""
    path = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(storage), address],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        try:
            states = storage / "killed"
            wait_until(lambda: _epochs_in(states) >= epochs or run.poll() is not None, 400)
        finally:
            kill(run)
        assert run.returncode == -signal.SIGKILL, run.stderr.read()[-3000:]
    # Its workers die with it, once Ray has seen that it is gone.
    wait_until(lambda: ray.available_resources().get("CPU") == 2)
    return _epochs_in(states)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_killed_midway_end_where_one_undisturbed_process_does(tmp_path, one_ray):
    before = kill_after(2, tmp_path, one_ray)
    data = planted().data
    total = before + 2
    seen = []
    resumed = fit(
        data,
        "lightgcn",
        for_epochs(total),
        RayWorkers(str(tmp_path), "killed", count=2),
        lambda what, done, total: seen.append(done),
    )
    alone = fit(data, "lightgcn", for_epochs(total))
    assert before - 1 <= resumed.history.resumed_from < total, "lost more than an epoch"
    assert [record.epoch for record in resumed.history.epochs] == list(range(1, total + 1))
    assert seen == sorted(seen)
    assert seen[-1] >= before
    assert resumed.history.best_score == pytest.approx(alone.history.best_score, abs=0.01)
    users = np.arange(NUM_USERS)
    np.testing.assert_allclose(resumed.scores(users), alone.scores(users), atol=0.01)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_wrong_in_a_worker_is_wrong_for_the_caller(tmp_path, one_ray):
    data = planted().data
    nothing = replace(data, interactions=data.interactions.take(np.zeros(0, np.int64)))
    with pytest.raises(BadInputError, match="kind to learn from"):
        fit(nothing, "lightgcn", CONFIG, RayWorkers(str(tmp_path), retries=0))


def test_a_run_of_another_training_is_refused_before_ray_starts(tmp_path):

    from coterie.training.checkpoint import write_state

    write_state(tmp_path / "mine" / "checkpoint_2026", some_state(2), run="another")
    with pytest.raises(BadInputError, match="something else"):
        fit(planted().data, "lightgcn", CONFIG, RayWorkers(str(tmp_path), "mine"))


@pytest.mark.parametrize(
    "content",
    [
        '{"checkpoint_results": [',
        '{"ray_version": "1.0", "checkpoint_results": []}',
        '{"checkpoint_results": [{"checkpoint_dir_name": "checkpoint_lost"}]}',
    ],
)
def test_a_list_of_checkpoints_that_ray_would_choke_on_is_moved_aside(tmp_path, content):
    (tmp_path / SNAPSHOT).write_text(content)
    _mend_snapshot(str(tmp_path))
    assert not (tmp_path / SNAPSHOT).exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="at least one"):
        RayWorkers(str(tmp_path), count=0)
