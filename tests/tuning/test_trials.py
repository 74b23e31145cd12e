"""One trial, in this process."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from synthetic import planted

from coterie.errors import BadInputError
from coterie.fitting.dataset_file import pack
from coterie.fitting.fit import fit
from coterie.models.ease import EASEConfig
from coterie.models.lightgcn import LightGCNConfig
from coterie.models.space import Choice, LogUniform
from coterie.training.loop import LoopConfig
from coterie.tuning.trials import Bounds, Search, attempt
from coterie.workflow.settings import change

SMALL = LightGCNConfig(
    embedding_size=8, batch_size=256, negatives=32, loop=LoopConfig(max_epochs=4, lr=1e-2)
)
LEARNED = Search("lightgcn", partial(change, SMALL), {"layers": Choice((1, 2))}, {"layers": 1}, 4)
SOLVED = Search("ease", partial(change, EASEConfig()), {"l2": LogUniform(1.0, 99.0)}, {"l2": 9.0})


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("packed") / "data.npz")
    pack(planted().data, path)
    return path


@pytest.fixture(autouse=True)
def threads_as_they_were():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(search, changes, packed):
    told = []
    attempt(search, changes, packed, told.append)
    return told


def test_a_model_that_learns_tells_of_every_epoch_and_of_its_end(packed):
    told = run(LEARNED, {"layers": 2}, packed)
    learned = fit(planted().data, "lightgcn", replace(SMALL, layers=2))
    epochs = [report for report in told if "score" in report]
    assert [e["epoch"] for e in epochs] == [1, 2, 3, 4]
    scores = [record.score for record in learned.history.epochs]
    assert [e["score"] for e in epochs] == pytest.approx(scores)
    assert [e["best"] for e in epochs] == pytest.approx(list(np.maximum.accumulate(scores)))
    assert told[-1] == {"best": pytest.approx(learned.history.best_score), "finished": True}


def test_a_repeat_learns_with_the_next_seed(packed):
    seeded = replace(LEARNED, seeds={"loop.seed": 3})
    with_seed = {
        seed: fit(
            planted().data,
            "lightgcn",
            replace(SMALL, layers=1, loop=replace(SMALL.loop, seed=seed)),
        ).history.best_score
        for seed in (3, 4)
    }
    told = []
    for repeat in (0, 1):
        attempt(seeded, {"layers": 1}, packed, told.append, repeat=repeat)
    reached = [report["best"] for report in told if "finished" in report]
    assert reached == [pytest.approx(with_seed[3]), pytest.approx(with_seed[4])]
    assert with_seed[3] != with_seed[4]


def test_a_model_that_is_solved_tells_once(packed):
    (report,) = run(SOLVED, {"l2": 7.0}, packed)
    assert report["finished"]
    assert 0.3 < report["best"] < 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"layers": 0}, "must be over 0"), ({"layers": "two"}, "a value like 3")],
)
def test_a_config_that_is_refused_is_reported(packed, changes, says):
    (report,) = run(LEARNED, changes, packed)
    assert says in report["failed"]
    assert report["best"] == 0
    assert "fault" not in report


def test_a_fault_of_ours_is_told_from_a_wrong_config(packed):
    broken = replace(SOLVED, configure=lambda changes: EASEConfig(wrong=1))
    (report,) = run(broken, {"l2": 7.0}, packed)
    assert report["failed"].startswith("TypeError: ")
    assert report["fault"]


def test_nothing_can_be_chosen_by_an_empty_validation_part(tmp_path):
    data = planted().data
    path = str(tmp_path / "data.npz")
    pack(replace(data, validation=data.validation.take(np.zeros(0, np.int64))), path)
    for search, changes in ((SOLVED, {"l2": 7.0}), (LEARNED, {"layers": 1})):
        assert "nothing to choose by" in run(search, changes, path)[-1]["failed"]


@pytest.mark.parametrize(
    "wrong", [{}, {"trials": 0}, {"seconds": 0.0}, {"trials": 1, "parallel": -1}]
)
def test_bounds_that_bound_nothing_are_refused(wrong):
    with pytest.raises(BadInputError):
        Bounds(**wrong)


def test_trials_share_a_gpu_where_there_are_too_few(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInputError, match="no GPU was found"):
        Bounds(trials=1, use_gpu=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Bounds(trials=1).gpu_share == 0
    one_each = Bounds(trials=1, use_gpu=True)
    assert (one_each.at_once, one_each.gpu_share) == (2, 1.0)
    assert Bounds(trials=1, use_gpu=True, parallel=8).gpu_share == 0.25
    assert Bounds(trials=1, use_gpu=True, parallel=8, address="auto").gpu_share == 1.0


def test_trials_share_the_cores():
    bounds = Bounds(trials=1, parallel=3)
    assert (bounds.at_once, bounds.threads >= 1) == (3, True)
    assert Bounds(trials=1).at_once >= 1
