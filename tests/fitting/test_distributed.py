"""Ray Train: what it must not change, and what it must survive."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray
import torch
from synthetic import ITEMS_A_BLOCK, NUM_USERS, planted, some_state
from tiny_shop import write_clean
from two_workers import CONFIG, for_epochs
from waiting import kill, wait_until

from components import training_job
from coterie.content.encoders import EncoderChoice
from coterie.errors import BadInputError, UnavailableError
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.pairs import ItemPairs
from coterie.finetuning.trainee import EncoderTrainee
from coterie.fitting.distributed import SNAPSHOT, _epochs_in, _mend_snapshot, cluster
from coterie.fitting.finetune import finetune
from coterie.fitting.fit import fit
from coterie.fitting.runs import RayWorkers
from coterie.models.social_config import SocialConfig
from coterie.training.loop import LoopConfig
from coterie.workflow import FitSettings, load_challenger, remote
from feature_repo.materialise import materialise
from tests.finetuning.planted_texts import texts_and_people, write_bert
from tests.models.test_hgt import SMALL as GRAPH
from tests.models.test_hgt import described

SCRIPT = Path(__file__).with_name("two_workers.py")


@pytest.fixture(scope="module")
def one_ray(tmp_path_factory):
    """One for all runs of this process, which would start one each. Those that are to be killed
    are processes of their own, with a Ray of their own: workers of theirs are forks there too."""
    with cluster(RayWorkers(str(tmp_path_factory.mktemp("runs")), count=2)):
        yield


def test_workers_are_forks_that_have_what_they_need(one_ray):
    @ray.remote(num_cpus=0)
    class Worker:
        def tell(self):
            import sys

            import psutil

            needed = {"ray.train.torch", "coterie.fitting.distributed", "coterie.models"}
            return needed - sys.modules.keys(), psutil.Process().parent().cmdline()

    def missing():
        """Of another worker each time: the first are forked while the template still imports."""
        workers.append(Worker.remote())
        lacking, parent = ray.get(workers[-1].tell.remote())
        assert "coterie.local_ray.template" in parent
        return lacking

    workers = []
    try:
        wait_until(lambda: not missing(), every=0.5)
    finally:
        for worker in workers:
            ray.kill(worker)


def kill_after(epochs, storage):
    """Run the script until its states hold so many epochs, then kill it; the epochs it had."""
    path = os.pathsep.join([str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(storage)],
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
    return _epochs_in(states)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_killed_midway_end_where_one_undisturbed_process_does(tmp_path, one_ray):
    before = kill_after(2, tmp_path)
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
def test_two_workers_train_a_graph_network_of_the_whole_shop(tmp_path, one_ray):
    shop, data = described()
    together = fit(data, "hgt", GRAPH, RayWorkers(str(tmp_path), count=2))
    alone = fit(data, "hgt", GRAPH)
    assert len(together.history.epochs) == GRAPH.loop.max_epochs
    # Each draws neighbours for its half of a step, so scores differ by what other seeds would.
    assert together.history.best_score > alone.history.best_score - 0.05
    new = np.arange(ITEMS_A_BLOCK - 1, data.num_items, ITEMS_A_BLOCK)
    best = together.scores(shop.experienced)[:, new].argmax(axis=1)
    assert (best == shop.user_block[shop.experienced]).mean() > 0.8, "workers read no items"


@pytest.mark.slow
def test_workers_go_on_from_a_release_as_this_process_does(tmp_path, one_ray):
    data = planted().data
    short = SocialConfig(
        embedding_size=16, linear_weight=0.5, loop=LoopConfig(max_epochs=2, lr=1e-2)
    )
    whole = replace(short, loop=replace(short.loop, max_epochs=12))
    champion = fit(replace(data, validation=None), "social", whole).parameters
    start = {**champion, "rows": torch.arange(len(champion["item_in"]))}
    here = fit(data, "social", short, start=start).history
    there = fit(data, "social", short, RayWorkers(str(tmp_path), count=1), start=start).history
    assert there.best_score == pytest.approx(here.best_score, abs=0.02)
    assert there.best_score > fit(data, "social", short).history.best_score


@pytest.mark.slow
def test_two_workers_fine_tune_an_encoder(tmp_path, one_ray):
    pytest.importorskip("transformers", reason="the extra content is not installed")
    choice = EncoderChoice(str(write_bert(tmp_path / "bert")))
    texts, had = texts_and_people()
    pairs = ItemPairs.of(had, texts, 0.2, seed=0)
    config = FinetuneConfig(
        loop=LoopConfig(max_epochs=2, lr=3e-3), batch_pairs=16, max_tokens=16, masked_epochs=1
    )
    workers = RayWorkers(str(tmp_path / "states"), count=2)
    found = finetune(choice, pairs, config, workers)
    assert found.is_better
    assert found.masked.history.best_score > 0
    assert found.masked.found != found.frozen
    trainee = EncoderTrainee(found.network, pairs, config, torch.device("cpu"))
    assert trainee.eval().validate() == pytest.approx(found.history.best_score, abs=1e-4)


def job(url, log):
    return subprocess.Popen(
        [sys.executable, "-m", "components.training_job", url],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_whose_cluster_is_lost_goes_on_from_its_checkpoint(
    tmp_path, one_ray, monkeypatch, capsys
):
    """As a RayJob runs it: killed with all its workers, then run again by its URL alone, on another
    cluster: that of this file."""
    clean, known = str(write_clean(tmp_path)), str(tmp_path / "known")
    materialise(clean, str(tmp_path / "store"), known, "v1")
    url = f"file://{tmp_path}/bucket/jobs/one"
    kept = tmp_path / "bucket" / "states"

    def send(patience):
        """It ends by patience alone, which is no part of a run's name."""
        config = {"loop.max_epochs": 10**6, "loop.patience": patience, "embedding_size": 16}
        settings = FitSettings(config=config, workers=1)
        remote.send(url, clean, known, settings, f"file://{kept}")

    send(10**6)  # on a busy machine it would come to any nearer end before it is killed
    with (tmp_path / "first").open("w") as log, job(url, log) as first:
        wait_until(lambda: epochs_in(kept) >= 2 or first.poll() is not None, 400)
        kill(first)
    before = epochs_in(kept)
    assert before >= 2, (tmp_path / "first").read_text()[-3000:]
    with pytest.raises(UnavailableError):
        remote.fetch(url, str(tmp_path / "out"))
    send(before + 2)  # it has to go on for two epochs at least
    monkeypatch.setattr(training_job, "expect_little_garbage", lambda: None)
    capsys.readouterr()
    assert training_job.main(url) == 0
    said = capsys.readouterr().out
    remote.fetch(url, str(tmp_path / "out"))
    training = load_challenger(str(tmp_path / "out")).training
    assert before - 1 <= training["resumed_from"] <= before
    assert len(training["epochs"]) >= before + 2
    assert "coterie-progress\t" in said
    assert json.loads((tmp_path / "out" / "challenger.json").read_text())["model"] == "social"


def epochs_in(states):
    """Count the epochs of the run whose states are there; 0 where none are yet."""
    runs = [one for one in states.glob("*") if not one.name.endswith("-data")]
    return max((_epochs_in(str(one)) for one in runs), default=0)


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
