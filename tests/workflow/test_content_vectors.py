"""Vectors that the content step left reach the model that is trained, and its release."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.content.vectors import ItemVectors
from coterie.data.vector_columns import vectors_of
from coterie.errors import BadInputError
from coterie.models.content_graph import content_graphs
from coterie.recommend.content import ContentTerm
from coterie.release.bundle import load_release
from coterie.release.gate import Limits
from coterie.workflow import (
    FitSettings,
    TuneSettings,
    evaluate_all,
    fit_challenger,
    make_release,
    tune_model,
)
from coterie.workflow.backtest import backtest
from coterie.workflow.challenger import load_challenger, load_parameters
from coterie.workflow.described_items import SEARCHED, SEARCHED_FILE
from coterie.workflow.shop import CleanShop
from tests.tiny_shop import write_clean

DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return str(write_clean(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def content(clean, tmp_path_factory):
    """Vectors of all items but the first, in an order of their own."""
    ids = CleanShop.open(clean).dataset.catalogue["item_id"].to_pylist()[:0:-1]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 6)).astype(np.float16)
    folder = tmp_path_factory.mktemp("content")
    ItemVectors("image", "lite", DIGEST, tuple(ids), vectors).write(folder)
    said = {"item_id": ids[0], "field": "title_zh", "value": "台灯", "source": "model"}
    pq.write_table(pa.Table.from_pylist([said], SEARCHED), folder / SEARCHED_FILE)
    return str(folder)


def test_vectors_stand_beside_the_columns_in_the_order_of_the_items(clean, content):
    shop = CleanShop.open(clean, content=content)
    found = vectors_of(shop.split.for_test().items, "image")
    kept = ItemVectors.read(content, "image")
    assert not found[0].any()
    assert found[-1] == pytest.approx(kept.vectors[0].astype(np.float32))
    assert vectors_of(CleanShop.open(clean).split.items, "image") is None


def test_a_folder_without_vectors_is_refused(clean, tmp_path):
    with pytest.raises(BadInputError, match="run the content step first"):
        CleanShop.open(clean, content=str(tmp_path))


@pytest.fixture(scope="module")
def trained(clean, content, tmp_path_factory):
    config = {
        "embedding_size": 16,
        "loop.max_epochs": 2,
        "linear.rank": 16,
        "content.share": 0.3,
        "content.kinds": ["image"],
    }
    folder = str(tmp_path_factory.mktemp("trained"))
    fit_challenger(clean, folder, FitSettings("social", config, content=content))
    return folder


def test_a_challenger_learns_from_them_and_names_their_encoder(clean, content, trained):
    assert load_challenger(trained).encoders == {"image": f"lite {DIGEST}"}
    term = ContentTerm.of_tensors(load_parameters(trained), CleanShop.open(clean).split.num_items)
    data = CleanShop.open(clean, content=content).split.for_test()
    near = content_graphs(data, ("image",), 20)["image"]
    assert (term.near.toarray() > 0).tolist() == (near.toarray() > 0).tolist()
    assert not term.near[0].nnz


ANY = Limits(min_gain_over_popularity=-1)


def test_its_release_holds_the_very_vectors_by_row_of_the_catalogue(
    clean, content, trained, tmp_path
):
    bundle = str(tmp_path / "bundle")
    make_release(clean, trained, bundle, "v1", ANY, content=content)
    release = load_release(bundle)
    kept = ItemVectors.read(content, "image")
    ids = release.catalogue["item_id"].to_pylist()
    assert list(release.vectors) == ["image"]
    assert release.vectors["image"].dtype == np.float16
    assert not release.vectors["image"][0].any(), "nothing is known of the first"
    rows = [ids.index(one) for one in kept.item_ids]
    assert (release.vectors["image"][rows] == kept.vectors).all()
    made = release.manifest.encoders["image"]
    assert (made.encoder, made.digest, made.place) == ("lite", DIGEST, "")
    said = {"field": "title_zh", "value": "台灯", "source": "model"}
    assert release.described.to_pylist() == [{"item_idx": len(ids) - 1} | said]


def test_where_training_had_none_there_are_none(clean, tmp_path):
    config = {"embedding_size": 16, "loop.max_epochs": 1}
    fit_challenger(clean, str(tmp_path / "model"), FitSettings("social", config))
    release = make_release(clean, str(tmp_path / "model"), str(tmp_path / "bundle"), "v1", ANY)
    assert not release.vectors
    assert release.described is None
    assert not (tmp_path / "bundle/content.safetensors").exists()
    assert "encoders" not in json.loads((tmp_path / "bundle/manifest.json").read_text())


def other_content(content, folder, digest=DIGEST):
    kept = ItemVectors.read(content, "image")
    vectors = kept.vectors.copy()
    vectors[3, 0] += np.float16(0.5)
    ItemVectors("image", "lite", digest, kept.item_ids, vectors).write(folder)
    return str(folder)


def test_other_vectors_than_those_that_training_had_are_refused(clean, content, trained, tmp_path):
    refused = {
        "": "fitted with vectors of image .lite abababababab., and there are ones of nothing",
        other_content(content, tmp_path / "same"): "others of image .lite abababababab.",
        other_content(content, tmp_path / "new", "cd" * 32): "ones of image .lite cdcdcdcdcdcd.",
    }
    for given, why in refused.items():
        with pytest.raises(BadInputError, match=why):
            make_release(clean, trained, str(tmp_path / "bundle"), "v1", ANY, content=given)
        with pytest.raises(BadInputError, match=why):
            evaluate_all(clean, str(tmp_path / "e"), ["social"], trained, content=given)


class SeenError(Exception):
    """Stops what would go on for minutes: what it was given is known."""


def test_tuning_learns_from_them_too(clean, content, tmp_path, monkeypatch):
    seen = []

    def run_study(study, search, data, *_):
        seen.append(vectors_of(data.items, "image"))
        raise SeenError

    monkeypatch.setitem(sys.modules, "coterie.tuning.tune", SimpleNamespace(run_study=run_study))
    settings = TuneSettings("content", trials=1, content=content)
    with pytest.raises(SeenError):
        tune_model(clean, str(tmp_path), settings)
    assert seen[0].shape == (CleanShop.open(clean).split.num_items, 6)


def test_past_weeks_are_foreseen_with_them(clean, content, tmp_path, monkeypatch):
    seen = []

    def fit_twice(split, name, config):
        seen.append(vectors_of(split.for_validation().items, "image"))
        raise SeenError

    monkeypatch.setattr("coterie.workflow.backtest.fit_twice", fit_twice)
    with pytest.raises(SeenError):
        backtest(clean, str(tmp_path), 1, ["content"], content=content)
    assert seen[0].shape[1] == 6
