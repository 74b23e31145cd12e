"""What training left behind under old names is read and gone on with; make_model.py wrote it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parents[1]))

from synthetic import planted

from coterie.fitting.fit import Here, fit
from coterie.fitting.runs import run_identity
from coterie.models import MODELS
from coterie.models.social_config import SocialConfig
from coterie.recommend.batches import Community
from coterie.recommend.recommender import Recommender
from coterie.release.bundle import load_release
from coterie.training.checkpoint import CheckpointFolder
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change
from coterie.workflow.start import open_start

LEFT = Path(__file__).parent / "model"


@pytest.fixture(scope="module")
def data():
    return planted().data


@pytest.fixture(scope="module")
def config():
    return change(SocialConfig(), flatten(json.loads((LEFT / "settings.json").read_text())))


@pytest.fixture(scope="module")
def release():
    return load_release(str(LEFT / "release"))


def test_settings_are_read_under_the_names_of_then(config):
    assert (config.embedding_size, config.heads, config.inverse_temperature) == (4, 2, 8.0)
    assert (config.linear_weight, config.popularity_weight) == (0.25, 0.5)
    assert (config.linear.residual_weight, config.loop.max_epochs) == (0.75, 2)


def test_a_release_makes_lists_and_is_gone_on_from(release, config, data):
    assert {"scale", "prior"} <= release.parameters.keys(), "it is one of before the renames"
    recommender = Recommender(release.parameters, release.popularity)
    lists = recommender.recommend(Community.of(data).shoppers(np.arange(20)), 10)
    assert np.isfinite(lists.score).any()
    begun = MODELS["social"](config).trainee(data, torch.device("cpu"))
    begun.start_from(open_start(str(LEFT / "release"), release.items))
    assert torch.equal(begun.release_parameters()["item_in"], release.parameters["item_in"])


def test_a_training_that_was_broken_off_goes_on(config, data, tmp_path):
    shutil.copytree(LEFT / "checkpoints", tmp_path / "checkpoints")
    state = CheckpointFolder(tmp_path / "checkpoints", run_identity("social", config, data)).load()
    assert state is not None
    more = change(config, {"loop.max_epochs": 3})
    model = fit(data, "social", more, Here(str(tmp_path / "checkpoints")))
    assert (model.history.resumed_from, len(model.history.epochs)) == (2, 3)


def test_what_is_written_now_has_the_new_names(release, config, data):
    fitted = fit(data, "social", change(config, {"loop.max_epochs": 1}))
    renamed = {"scale": "inverse_temperature", "prior": "popularity_weight"}
    assert fitted.parameters.keys() == {renamed.get(n, n) for n in release.parameters}
