import json

import numpy as np
import pytest

from coterie.content.vectors import ItemVectors, kinds_in
from coterie.errors import BadInputError

DIGEST = "ab" * 32


def vectors(rows, ids=("a", "ü/1"), **changes):
    said = {"kind": "text", "encoder": "toy", "digest": DIGEST, "item_ids": tuple(ids)}
    return ItemVectors(**{**said, **changes}, vectors=np.asarray(rows, np.float16))


def test_vectors_come_in_the_order_asked_for_and_zero_where_an_item_has_none():
    found = vectors([[1, 2], [3, 4]]).for_items(["ü/1", "nobody", "a"])
    assert found.dtype == np.float32
    assert found.tolist() == [[3, 4], [0, 0], [1, 2]]


def test_no_items_at_all_have_vectors_of_their_width():
    none = vectors(np.zeros((0, 3)), ids=())
    assert none.for_items(["a"]).tolist() == [[0, 0, 0]]
    assert none.for_items([]).shape == (0, 3)


def test_what_is_written_is_read_back(tmp_path):
    kept = vectors([[1, 2], [0, 0]])
    kept.write(tmp_path)
    read = ItemVectors.read(tmp_path, "text")
    assert (read.encoder, read.digest, read.item_ids) == ("toy", DIGEST, ("a", "ü/1"))
    assert read.vectors.dtype == np.float16
    assert np.array_equal(read.vectors, kept.vectors)
    assert read.known.tolist() == [True, False]


def test_kinds_lie_side_by_side_and_a_new_writing_replaces_the_old(tmp_path):
    vectors([[1], [2]], kind="image").write(tmp_path)
    vectors([[1], [2]]).write(tmp_path)
    vectors([[5, 6, 7]], ids=["z"]).write(tmp_path)
    assert kinds_in(tmp_path) == ("image", "text")
    assert ItemVectors.read(tmp_path, "text").item_ids == ("z",)
    assert ItemVectors.read(tmp_path, "image").width == 1
    assert len(list(tmp_path.iterdir())) == 4


def test_a_writer_that_stops_before_the_end_leaves_the_old_vectors(tmp_path, monkeypatch):
    vectors([[1], [2]]).write(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("coterie.content.vectors._told", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            vectors([[5, 6, 7]], ids=["z"]).write(tmp_path)
    assert ItemVectors.read(tmp_path, "text").item_ids == ("a", "ü/1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "../text"}, "names files"),
        ({"digest": "v1"}, "no SHA-256"),
        ({"item_ids": ("a", "a")}, "distinct"),
        ({"item_ids": ("a",)}, "one each"),
        ({"vectors": np.ones((2, 2), np.float32)}, "float16"),
        ({"vectors": np.full((2, 2), np.inf, np.float16)}, "beyond float16"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, said):
    whole = {
        "kind": "text",
        "encoder": "toy",
        "digest": DIGEST,
        "item_ids": ("a", "b"),
        "vectors": np.ones((2, 2), np.float16),
    }
    with pytest.raises(BadInputError, match=said):
        ItemVectors(**{**whole, **changes})


def test_what_is_missing_or_changed_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="run the content step"):
        ItemVectors.read(tmp_path, "text")
    vectors([[1], [2]]).write(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BadInputError, match="does not match the digest"):
        ItemVectors.read(tmp_path, "text")
    file.unlink()
    with pytest.raises(BadInputError, match="cannot be read"):
        ItemVectors.read(tmp_path, "text")


@pytest.mark.parametrize(
    "change", [{"file": "../../etc/passwd"}, {"version": 2}, {"kind": "image"}]
)
def test_a_description_that_names_something_else_is_refused(tmp_path, change):
    vectors([[1], [2]]).write(tmp_path)
    said = json.loads((tmp_path / "text.vectors.json").read_text())
    (tmp_path / "text.vectors.json").write_text(json.dumps({**said, **change}))
    with pytest.raises(BadInputError):
        ItemVectors.read(tmp_path, "text")
