"""Vectors of items in the store that other programs of the shop read."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import yaml

from coterie.content.vectors import ItemVectors
from coterie.errors import BadInputError
from coterie.schema import ITEM_CONTENT_VIEW
from feature_repo import items
from feature_repo.handover import SharedStore
from feature_repo.items import HandedItems, hand_over_items

READ_MS = 1_800_000_000_500
DIGEST = "ab" * 32
TEXT, IMAGE = (f"{ITEM_CONTENT_VIEW}:vector_{kind}" for kind in ("text", "image"))


@pytest.fixture
def shared(tmp_path):
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(tmp_path / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": {"type": "sqlite", "path": str(tmp_path / "online.db")},
        "entity_key_serialization_version": 3,
    }
    log = f"sqlite://{tmp_path / 'events.sqlite'}"
    return SharedStore(str(tmp_path / "offline"), yaml.safe_dump(settings), log)


def vectors_of(kind, ids, seed=0, width=5):
    drawn = np.random.default_rng(seed).normal(size=(len(ids), width)).astype(np.float16)
    return ItemVectors(kind, "toy", DIGEST, tuple(ids), drawn)


@pytest.fixture
def content(tmp_path):
    """As the content step leaves it; nothing is known of how the second item looks."""
    folder = tmp_path / "content"
    vectors_of("text", "abcdefg").write(folder)
    looks = vectors_of("image", "abcdefg", width=3)
    looks.vectors[1] = 0
    looks.write(folder)
    return str(folder)


def online(shared, *ids):
    with shared.open() as store:
        rows = [{"item_id": one} for one in ids]
        return store.get_online_features(features=[TEXT, IMAGE], entity_rows=rows).to_dict()


def test_vectors_go_offline_as_of_when_the_tables_were_read(shared, content):
    assert hand_over_items(content, shared, READ_MS) == HandedItems(7, online=False, newer=False)
    times = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC))
    asked = pd.DataFrame({"item_id": ["c", "d"], "event_timestamp": times})
    with shared.open() as store:
        found = store.get_historical_features(entity_df=asked, features=[TEXT]).to_df()
        tags = store.get_feature_view(ITEM_CONTENT_VIEW).tags
    assert found["item_id"].tolist() == ["d"], "earlier nothing was known of the other"
    expected = ItemVectors.read(content, "text").for_items(["d"])
    np.testing.assert_array_equal(np.stack(found["vector_text"]), expected)
    assert tags == {"text": f"toy {DIGEST}", "image": f"toy {DIGEST}"}


def test_vectors_go_online_where_that_is_wanted_alone(shared, content, monkeypatch):
    monkeypatch.setattr(items, "ONLINE_ROWS", 3)
    hand_over_items(content, shared, READ_MS)
    assert online(shared, "a")["vector_text"] == [None]
    assert hand_over_items(content, shared, READ_MS, online=True).online
    found = online(shared, *"gba", "nobody")
    expected = ItemVectors.read(content, "text").for_items([*"gba"])
    np.testing.assert_array_equal(np.array(found["vector_text"][:3], np.float32), expected)
    assert found["vector_text"][3] is None
    assert found["vector_image"][1] is None, "nothing is known of it"
    assert len(found["vector_image"][2]) == 3


def test_tables_that_were_read_earlier_take_nothing_back(shared, content, tmp_path):
    hand_over_items(content, shared, READ_MS, online=True)
    before = online(shared, "a")
    vectors_of("text", "ab", seed=1).write(tmp_path / "older")
    older = hand_over_items(str(tmp_path / "older"), shared, READ_MS - 5_000, online=True)
    assert older.newer
    assert online(shared, "a") == before


def test_a_kind_that_is_not_encoded_is_null(shared, tmp_path):
    vectors_of("text", "ab").write(tmp_path / "words")
    hand_over_items(str(tmp_path / "words"), shared, READ_MS, online=True)
    assert online(shared, "a")["vector_image"] == [None]


def test_without_vectors_nothing_is_registered(shared, tmp_path):
    assert hand_over_items(str(tmp_path), shared, READ_MS) is None
    assert not (tmp_path / "registry.db").exists()


def test_damaged_vectors_are_not_handed_over(shared, content, tmp_path):
    (file,) = (tmp_path / "content").glob("text-*.safetensors")
    file.write_bytes(b"broken")
    with pytest.raises(BadInputError, match="does not match the digest"):
        hand_over_items(content, shared, READ_MS)
