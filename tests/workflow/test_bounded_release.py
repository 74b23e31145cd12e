"""A bounded challenger, its release, what the manifest tells, and the lists that serving makes."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_shop

from coterie import workflow
from coterie.cli import main
from coterie.errors import BadInputError
from coterie.models.engagement import engagement
from coterie.privacy.promise import LEAVES_OUT
from coterie.release.bundle import load_release
from coterie.release.gate import Limits
from coterie.release.learned_until import until_of
from coterie.workflow.challenger import load_challenger, load_popularity
from coterie.workflow.shop import CleanShop
from feature_repo.materialise import materialise
from serving.features.online_store import FeastFeatures
from serving.lists.list_maker import ListMaker
from serving.telemetry.metrics import ServingMetrics

ANYTHING = Limits(min_gain_over_popularity=-1)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(tiny_shop.write_clean(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def trained(clean, tmp_path_factory):
    """What training leaves: the challenger's folder, and its release's."""
    out = str(tmp_path_factory.mktemp("model"))
    given = {"epsilon": 40, "row_length": 1}
    workflow.fit_challenger(clean, out, workflow.FitSettings("bounded", given))
    # Of 150 people nothing is left that has to win.
    workflow.make_release(clean, out, f"{out}/releases/v1", "v1", ANYTHING)
    return out, f"{out}/releases/v1"


def test_the_manifest_says_what_is_promised_and_what_is_not(trained):
    told = json.loads(Path(trained[1], "manifest.json").read_text())["bound"]
    assert 39 < told["epsilon"] <= 40
    assert told["delta"] == 1e-6
    assert told["accountant"].startswith("opacus")
    assert told["covers"] == ["parameters.safetensors", "popularity.safetensors"]
    assert told["leaves_out"] == list(LEAVES_OUT)
    assert until_of(load_release(trained[1]).manifest.metrics) is None
    assert load_release(trained[1]).manifest.bound == load_challenger(trained[0]).promise


def test_the_release_holds_no_true_count(trained, clean):
    held = load_release(trained[1]).popularity
    np.testing.assert_array_equal(held, load_popularity(trained[0]))
    true = np.asarray(engagement(CleanShop.open(clean).split.for_test()).sum(axis=0)).ravel()
    assert (held != true)[true > 0].all()


def test_serving_makes_lists_of_it(trained, clean, tmp_path):
    materialise(clean, str(tmp_path / "store"), str(tmp_path / "known"), "v1")
    features, shop = FeastFeatures(str(tmp_path / "store")), CleanShop.open(clean)
    maker = ListMaker(load_release(trained[1]), features, ServingMetrics())
    had = np.diff(engagement(shop.split.for_test()).indptr)
    lists = set()
    for user_idx in np.argsort(-had)[:5].tolist():
        found = maker.recommend(shop.dataset.users.ids[user_idx].as_py(), 10, True)
        assert len(found.items) == 10
        lists.add(tuple(listed.item.item_id for listed in found.items))
    assert len(lists) > 1


def test_what_promises_nothing_is_not_released(clean, tmp_path):
    for given in ({"epsilon": None}, {"epsilon": 3.0, "noise_seed": 1}):
        out = str(tmp_path / str(len(given)))
        workflow.fit_challenger(clean, out, workflow.FitSettings("bounded", given))
        with pytest.raises(BadInputError, match="promises nothing"):
            workflow.make_release(clean, out, f"{out}/release", "v1", ANYTHING)


def test_an_epsilon_that_bounds_nothing_is_said_so_on_the_command_line(clean, tmp_path, capsys):
    asked = ["train", clean, "--out", str(tmp_path), "--model", "bounded", "--config", "epsilon=0"]
    assert main(asked) != 0
    assert "epsilon is 0.0, expected a number over 0" in " ".join(capsys.readouterr().err.split())


def test_an_evaluation_of_it_is_of_the_popularity_that_is_released(trained, clean, tmp_path):
    found = workflow.evaluate_all(clean, str(tmp_path), ["bounded", "popularity"], trained[0])
    assert set(found.models) == {"bounded", "popularity"}
