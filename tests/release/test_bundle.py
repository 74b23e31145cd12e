import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy
import torch

from coterie.errors import BadInputError
from coterie.release.bundle import ReleaseContent, load_release, write_release
from coterie.release.encoders import ReleasedEncoder
from coterie.release.manifest import CONTENT, MANIFEST, FileDigest
from coterie.release.store import ReleaseStore
from coterie.schema import ITEMS, RELEASED_ITEMS, SCHEMA_VERSION


def items(count):
    rows = [
        {"item_id": f"item-{i:04d}", "title": f"Item {i}", "available": None if i else False}
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=ITEMS.arrow)


def content(version="v1", num_items=7):
    rng = np.random.default_rng(3)
    return ReleaseContent(
        version=version,
        parameters={
            "item_out": torch.tensor(rng.normal(size=(num_items, 4)), dtype=torch.float32),
            "gate": torch.tensor([0.5, 0.25]),
        },
        catalogue=items(num_items),
        popularity=rng.random(num_items).astype(np.float32),
        metrics={"validation": {"ndcg@20": 0.125}},
        data_fingerprint="abc",
        # The second is of releases made before: nobody is held to it any more.
        limits={"min_gain_over_popularity": 0.02, "max_loss_to_champion": 0.02},
    )


@pytest.fixture
def folder(tmp_path):
    path = str(tmp_path / "release")
    write_release(path, content())
    return path


def edit_manifest(folder, **fields):
    path = Path(folder, MANIFEST)
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def sign(folder, name, data):
    """Replace a file and its digest, as one who forges a release would."""
    Path(folder, name).write_bytes(data)
    files = json.loads(Path(folder, MANIFEST).read_text())["files"]
    digest = FileDigest.of(data)
    edit_manifest(folder, files=files | {name: {"sha256": digest.sha256, "size": digest.size}})


def test_what_is_written_is_read(folder):
    made, read = content(), load_release(folder)
    assert read.version == "v1"
    assert read.manifest.metrics == made.metrics
    assert read.manifest.limits == made.limits
    assert read.manifest.data_fingerprint == "abc"
    assert read.manifest.schema_version == SCHEMA_VERSION
    assert read.manifest.per_item == ("item_out",)
    # Servers of before would refuse a release with more columns, such as tags.
    assert read.catalogue.equals(made.catalogue.select(RELEASED_ITEMS.names))
    assert RELEASED_ITEMS.names == [
        *("item_id", "title", "description", "price", "category", "brand"),
        *("image_uri", "audio_uri", "available", "created_at"),
    ]
    np.testing.assert_array_equal(read.popularity, made.popularity)
    for name, tensor in made.parameters.items():
        torch.testing.assert_close(read.parameters[name], tensor, rtol=0, atol=0)
    assert read.available.tolist() == [False] + [True] * 6
    assert read.items.row("item-0003") == 3


def test_what_may_be_listed_again_is_part_of_the_release(tmp_path):
    made = write_release(
        str(tmp_path / "a"), replace(content(), repurchase={"Food": 30, "*": None})
    )
    assert made.manifest.repurchase == {"Food": 30.0, "*": None}
    assert np.isinf(made.days_until_again).all(), "items without a category"
    food = items(7).set_column(4, "category", pa.array(["Food/Tea", "Pets", *["Food"] * 5]))
    told = replace(content(), catalogue=food, repurchase={"Food": 30})
    assert write_release(str(tmp_path / "b"), told).days_until_again.tolist() == [
        30,
        np.inf,
        *[30] * 5,
    ]


def test_in_a_release_of_before_nothing_is_listed_again(folder):
    path = Path(folder, MANIFEST)
    fields = json.loads(path.read_text())
    fields.pop("repurchase")
    path.write_text(json.dumps(fields))
    assert np.isinf(load_release(folder).days_until_again).all()


def test_a_folder_that_exists_is_never_overwritten(folder):
    with pytest.raises(BadInputError, match="never overwritten"):
        write_release(folder, content())


def test_nothing_stays_behind_when_writing_fails(tmp_path):
    bad = replace(content(), metrics={"ndcg@20": float("nan")})
    with pytest.raises(BadInputError, match="finite"):
        write_release(str(tmp_path / "r"), bad)
    assert list(tmp_path.iterdir()) == []


def test_the_same_content_gives_the_same_digest(tmp_path, folder):
    made = load_release(folder).manifest.created_at
    again = replace(content(), created_at=datetime.fromisoformat(made))
    assert write_release(str(tmp_path / "b"), again).digest == load_release(folder).digest


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"item_out": torch.zeros(6, 4)}},
        {"parameters": {}},
        {"popularity": np.zeros(6, np.float32)},
        {"catalogue": items(8)},
        {"catalogue": pa.concat_tables([items(6), items(1)])},
        {"catalogue": items(7).drop_columns(["price"])},
        {"parameters": {"item_out": torch.full((7, 4), float("nan"))}},
        {"parameters": {"item_out": torch.full((7, 4), float("inf"))}},
        {"version": "../escape"},
        {"version": ""},
    ],
)
def test_content_that_contradicts_itself_is_not_written(tmp_path, change):
    with pytest.raises(BadInputError):
        write_release(str(tmp_path / "r"), replace(content(), **change))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*("parameters.safetensors", "items.parquet"), MANIFEST])
def test_a_missing_file_is_named(folder, name, tmp_path):
    (tmp_path / "release" / name).unlink()
    with pytest.raises(BadInputError, match=name):
        load_release(folder)


def test_an_extra_file_is_named(folder, tmp_path):
    (tmp_path / "release" / "model.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(BadInputError, match=r"unexpected files \['model.pkl'\]"):
        load_release(folder)


def test_a_link_in_the_place_of_a_file_is_refused(folder, tmp_path):
    inside, outside = tmp_path / "release" / "items.parquet", tmp_path / "elsewhere"
    shutil.move(inside, outside)
    inside.symlink_to(outside)
    with pytest.raises(BadInputError, match="plain files"):
        load_release(folder)


@pytest.mark.parametrize("kept", [0, 10, -1])
@pytest.mark.parametrize("name", ["parameters.safetensors", "popularity.safetensors"])
def test_a_truncated_file_is_refused_with_its_size(folder, name, kept, tmp_path):
    path = tmp_path / "release" / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadInputError, match="truncated"):
        load_release(folder)


@pytest.mark.parametrize("name", ["parameters.safetensors", "items.parquet"])
def test_one_changed_bit_is_noticed(folder, name, tmp_path):
    path = tmp_path / "release" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInputError, match="digest"):
        load_release(folder)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"format": "mlflow"}, "not a Coterie release"),
        ({"schema_version": SCHEMA_VERSION + 1}, "newer than this code"),
        ({"schema_version": True}, "no positive whole number"),
        ({"version": "../../etc"}, "release version"),
        ({"num_items": 10**18}, "no whole number"),
        ({"num_items": 0}, "no whole number"),
        ({"num_items": 8}, "its manifest says 8"),
        ({"files": {"../../etc/passwd": {"sha256": "0" * 64, "size": 1}}}, "names the files"),
        ({"files": None}, "names the files"),
        ({"per_item": ["gate"]}, "the item table has 7 rows"),
        ({"per_item": ["absent"]}, "absent"),
        ({"created_at": "yesterday"}, "damaged"),
        ({"limits": {"x": "y"}}, "no finite number"),
        ({"metrics": None}, "damaged"),
        ({"repurchase": ["Food"]}, "damaged"),
        ({"repurchase": {"Food": "soon"}}, "'Food' is 'soon'"),
    ],
)
def test_a_manifest_that_is_not_right_is_refused(folder, fields, says):
    edit_manifest(folder, **fields)
    with pytest.raises(BadInputError, match=says):
        load_release(folder)


@pytest.mark.parametrize("size", [-1, 0, 10**15, 1.5, "12", None])
def test_an_absurd_size_in_the_manifest_is_refused(folder, size):
    files = json.loads(Path(folder, MANIFEST).read_text())["files"]
    files["items.parquet"]["size"] = size
    edit_manifest(folder, files=files)
    with pytest.raises(BadInputError, match="no whole number"):
        load_release(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 50_000])
def test_a_manifest_of_another_kind_is_refused(folder, text, tmp_path):
    (tmp_path / "release" / MANIFEST).write_text(text)
    with pytest.raises(BadInputError):
        load_release(folder)


def test_a_huge_manifest_is_refused_unread(folder, tmp_path):
    (tmp_path / "release" / MANIFEST).write_bytes(b" " * (2 << 20))
    with pytest.raises(BadInputError, match="not ours"):
        load_release(folder)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("parameters.safetensors", b"\x80\x04K\x01.", "no safetensors"),
        ("parameters.safetensors", b"\xff" * 8 + b"{}", "no safetensors"),
        ("items.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", "no Parquet"),
    ],
)
def test_a_forged_file_with_the_right_digest_is_refused(folder, name, data, says):
    sign(folder, name, data)
    with pytest.raises(BadInputError, match=says):
        load_release(folder)


def test_forged_numbers_that_are_not_finite_are_refused(folder):
    from safetensors.torch import save

    sign(folder, "parameters.safetensors", save({"item_out": torch.full((7, 4), torch.nan)}))
    with pytest.raises(BadInputError, match="not finite"):
        load_release(folder)


@pytest.mark.parametrize("where", ["/nonexistent/release", "/etc/hostname"])
def test_a_place_without_a_release_is_refused(where):
    with pytest.raises(BadInputError, match="no folder"):
        load_release(where)


def with_vectors(version="v1", num_items=7, **changes):
    rng = np.random.default_rng(5)
    vectors = {
        kind: rng.normal(size=(num_items, width)).astype(np.float16)
        for kind, width in (("text", 5), ("image", 3))
    }
    encoders = {
        "text": ReleasedEncoder("e5", "ab" * 32, "s3://models/e5", prefix="query: "),
        "image": ReleasedEncoder("lite", "cd" * 32, "default"),
    }
    given = {"vectors": vectors, "encoders": encoders} | changes
    return replace(content(version, num_items), **given)


@pytest.fixture
def told(tmp_path):
    """A release with vectors."""
    write_release(str(tmp_path / "told"), with_vectors())
    return str(tmp_path / "told")


def test_vectors_and_what_made_them_are_read_as_they_were_written(told, folder):
    made, read = with_vectors(), load_release(told)
    assert list(read.manifest.encoders) == list(made.encoders)
    assert read.manifest.encoders == made.encoders
    assert sorted(read.vectors) == ["image", "text"]
    for kind, one in read.vectors.items():
        assert one.dtype == np.float16
        np.testing.assert_array_equal(one, made.vectors[kind])
    assert not load_release(folder).vectors
    assert not Path(folder, CONTENT).exists()
    assert "encoders" not in json.loads(Path(folder, MANIFEST).read_text())


def test_vectors_go_into_the_store_with_the_rest(told, tmp_path):
    found = ReleaseStore(str(tmp_path / "store")).publish(told)
    np.testing.assert_array_equal(found.vectors["text"], with_vectors().vectors["text"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encoders": {}}, "each kind needs both"),
        ({"vectors": {}}, "each kind needs both"),
        ({"vectors": {"text": np.zeros((7, 2), np.float32)}}, "each kind needs both"),
        ({"vectors": dict.fromkeys(("text", "image"), np.zeros((7, 2)))}, "are float64"),
        ({"vectors": dict.fromkeys(("text", "image"), np.zeros((6, 2), np.float16))}, "one row"),
        ({"vectors": dict.fromkeys(("text", "image"), np.full((7, 2), np.nan, np.float16))}, "not"),
    ],
)
def test_vectors_that_do_not_fit_are_not_written(tmp_path, changes, says):
    with pytest.raises(BadInputError, match=says):
        write_release(str(tmp_path / "release"), with_vectors(**changes))
    assert list(tmp_path.iterdir()) == []


def as_file(**tensors):
    return safetensors.numpy.save(tensors)


HALVES = np.zeros((7, 2), np.float16)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"none", "no safetensors"),
        (as_file(text=HALVES), "has vectors of .'text'., and the manifest names encoders"),
        (as_file(text=HALVES, image=HALVES, smell=HALVES), "manifest names encoders"),
        (as_file(text=HALVES, image=HALVES[:5]), "image are F16 of shape .5, 2."),
        (as_file(text=HALVES, image=HALVES.view(np.int16)), "image are I16"),
        (as_file(text=HALVES, image=HALVES.ravel()), "of shape .14,."),
        (as_file(text=HALVES, image=np.zeros((7, 8193), np.float16)), "image have 8193 numbers"),
        (as_file(text=HALVES, image=HALVES + np.float16("inf")), "not finite"),
    ],
)
def test_forged_vectors_with_the_right_digest_are_refused(told, data, says):
    sign(told, CONTENT, data)
    with pytest.raises(BadInputError, match=says):
        load_release(told)


def test_a_file_of_vectors_that_no_manifest_lists_is_refused(told, folder):
    shutil.copyfile(Path(told, CONTENT), Path(folder, CONTENT))
    with pytest.raises(BadInputError, match=r"unexpected files .'content\.safetensors'."):
        load_release(folder)
    Path(told, CONTENT).unlink()
    with pytest.raises(BadInputError, match=r"missing files .'content\.safetensors'."):
        load_release(told)


LITE = {"encoder": "lite", "digest": "cd" * 32}


@pytest.mark.parametrize(
    ("encoders", "says"),
    [
        ({}, "names the files"),
        ([LITE], "expected up to 16, by kind"),
        ({"../text": LITE}, "of the kind '../text'"),
        ({"text": "e5"}, "has no name or no digest"),
        ({"text": {"encoder": "e5"}}, "has no name or no digest"),
        ({"text": LITE | {"digest": "cd"}}, "expected a SHA-256"),
        ({"text": LITE | {"place": 7}}, "described by texts"),
        ({"text": LITE | {"prefix": "x" * 3000}}, "described by texts"),
    ],
)
def test_a_manifest_with_odd_encoders_is_refused(told, encoders, says):
    edit_manifest(told, encoders=encoders)
    with pytest.raises(BadInputError, match=says):
        load_release(told)
