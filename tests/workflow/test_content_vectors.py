"""Vectors that the content step left reach the model that is trained, and are named by it."""

import numpy as np
import pytest

from coterie.content.vectors import ItemVectors
from coterie.data.vector_columns import vectors_of
from coterie.errors import BadInputError
from coterie.models.content_graph import content_graphs
from coterie.recommend.content import ContentTerm
from coterie.workflow import FitSettings, fit_challenger
from coterie.workflow.challenger import load_challenger, load_parameters
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


def test_a_challenger_learns_from_them_and_names_their_encoder(clean, content, tmp_path):
    config = {
        "embedding_size": 16,
        "loop.max_epochs": 2,
        "linear.rank": 16,
        "content.share": 0.3,
        "content.kinds": ["image"],
    }
    fit_challenger(clean, str(tmp_path), FitSettings("social", config, content=content))
    assert load_challenger(str(tmp_path)).encoders == {"image": f"lite {DIGEST}"}
    term = ContentTerm.of_tensors(
        load_parameters(str(tmp_path)), CleanShop.open(clean).split.num_items
    )
    data = CleanShop.open(clean, content=content).split.for_test()
    near = content_graphs(data, ("image",), 20)["image"]
    assert (term.near.toarray() > 0).tolist() == (near.toarray() > 0).tolist()
    assert not term.near[0].nnz
