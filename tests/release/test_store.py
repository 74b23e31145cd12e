import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import torch

from coterie.errors import BadInputError, UnavailableError
from coterie.release.bundle import ReleaseContent, write_release
from coterie.release.store import ReleaseStore
from coterie.schema import ITEMS


@pytest.fixture(params=["local", "memory"])
def root(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "store")
    return f"memory://{uuid.uuid4().hex}"


def make(tmp_path, version, fill=1.0, day=1):
    catalogue = pa.Table.from_pylist(
        [{"item_id": "a", "title": "A"}, {"item_id": "b", "title": "B"}], schema=ITEMS.arrow
    )
    content = ReleaseContent(
        version=version,
        parameters={"item_out": torch.full((2, 3), fill)},
        catalogue=catalogue,
        popularity=np.array([2, 1], np.float32),
        metrics={},
        data_fingerprint="abc",
        limits={},
        created_at=datetime(2024, 1, day, tzinfo=UTC),
    )
    folder = str(tmp_path / f"made-{version}-{fill}-{day}")
    write_release(folder, content)
    return folder


def test_a_published_release_is_found_and_read(root, tmp_path):
    store = ReleaseStore(root)
    assert store.list() == ()
    assert store.latest() is None
    published = store.publish(make(tmp_path, "v1"))
    assert store.list() == ("v1",)
    assert store.get("v1").digest == published.digest


def test_a_release_is_found_by_its_digest(root, tmp_path):
    store = ReleaseStore(root)
    with pytest.raises(BadInputError, match="publish it there"):
        store.by_digest("a" * 64)
    digests = {v: store.publish(make(tmp_path, v)).digest for v in ("v1", "v2")}
    for version, digest in digests.items():
        assert store.by_digest(digest) == store.folder(version)
    with pytest.raises(BadInputError, match="among 2"):
        store.by_digest("a" * 64)


def test_versions_are_listed_by_age_not_by_name(root, tmp_path):
    store = ReleaseStore(root)
    for version, day in (("v10", 3), ("v9", 1), ("b", 2)):
        store.publish(make(tmp_path, version, day=day))
    assert store.list() == ("v9", "b", "v10")
    assert store.latest() == "v10"


def test_publishing_the_same_release_twice_changes_nothing(root, tmp_path):
    store, folder = ReleaseStore(root), make(tmp_path, "v1")
    assert store.publish(folder).digest == store.publish(folder).digest


def test_another_release_under_the_same_version_is_refused(root, tmp_path):
    store = ReleaseStore(root)
    first = store.publish(make(tmp_path, "v1"))
    with pytest.raises(BadInputError, match="never overwritten"):
        store.publish(make(tmp_path, "v1", fill=2.0))
    assert store.get("v1").digest == first.digest


def test_a_publisher_that_died_half_way_left_no_release_and_may_go_on(root, tmp_path, monkeypatch):
    store, folder = ReleaseStore(root), make(tmp_path, "v1")
    whole, written = store._replace, []

    def die(path, data):
        if path.endswith("manifest.json"):
            raise KeyboardInterrupt
        written.append(path)
        whole(path, data)

    monkeypatch.setattr(store, "_replace", die)
    with pytest.raises(KeyboardInterrupt):
        store.publish(folder)
    assert len(written) == 3
    again = ReleaseStore(root)
    assert again.list() == ()
    with pytest.raises(BadInputError, match="holds no release"):
        again.get("v1")
    assert again.publish(folder).version == "v1"


def test_a_damaged_release_is_neither_published_nor_crowned(root, tmp_path):
    store, folder = ReleaseStore(root), make(tmp_path, "v1")
    store.publish(folder)
    with fsspec.open(f"{root}/v1/manifest.json", "wb") as file:
        file.write(b"short")
    for version in ("v1", "v2"):
        with pytest.raises(BadInputError, match=f"is no JSON|no release '{version}'"):
            store.crown(version)
    assert store.champion() is None
    (tmp_path / "made-v1-1.0-1" / "items.parquet").write_bytes(b"short")
    with pytest.raises(BadInputError, match="truncated"):
        ReleaseStore(root + "-2").publish(folder)


def test_the_champion_is_the_one_that_was_crowned_last(root, tmp_path):
    store = ReleaseStore(root)
    for version in ("v1", "v2"):
        store.publish(make(tmp_path, version))
    assert store.champion() is None
    store.crown("v2")
    store.crown("v1")
    assert ReleaseStore(root).champion() == "v1"
    assert store.list() == ("v1", "v2")


def test_a_champion_whose_release_was_swapped_is_refused(root, tmp_path):
    store = ReleaseStore(root)
    store.publish(make(tmp_path, "v1"))
    store.crown("v1")
    other = make(tmp_path, "v1", fill=2.0)
    for name in ("parameters.safetensors", "manifest.json"):
        with fsspec.open(f"{root}/v1/{name}", "wb") as file:
            file.write(Path(other, name).read_bytes())
    store.get("v1")
    with pytest.raises(BadInputError, match="not the one that was crowned"):
        store.champion()


@pytest.mark.parametrize("pointer", ["", "{}", '{"version": "../x", "digest": ""}', "[]"])
def test_a_damaged_pointer_is_refused(root, tmp_path, pointer):
    store = ReleaseStore(root)
    store.publish(make(tmp_path, "v1"))
    with fsspec.open(f"{root}/champion.json", "w") as file:
        file.write(pointer)
    with pytest.raises(BadInputError):
        store.champion()


@pytest.mark.parametrize("version", ["../v1", "a/b", "", ".hidden", "v" * 65])
def test_a_version_that_is_a_path_is_refused(root, version):
    with pytest.raises(BadInputError, match="release version"):
        ReleaseStore(root).get(version)


def test_a_store_that_does_not_answer_may_be_asked_again(root, tmp_path, monkeypatch):
    store = ReleaseStore(root)
    store.publish(make(tmp_path, "v1"))

    def refuse(*_, **__):
        raise OSError("connection reset")

    monkeypatch.setattr(type(store._fs), "cat_file", refuse)
    with pytest.raises(UnavailableError, match="connection reset"):
        store.get("v1")


@pytest.mark.parametrize("ask", ["get", "list", "champion", "digests"])
def test_a_bucket_that_nobody_serves_may_be_asked_again(ask, monkeypatch):
    # The client's own errors are no OSErrors.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = ReleaseStore("s3://bucket/releases")
    with pytest.raises(UnavailableError, match="Could not connect"):
        getattr(store, ask)(*(["v1"] if ask == "get" else []))


def test_the_pointer_is_replaced_not_rewritten(tmp_path):
    store = ReleaseStore(str(tmp_path / "store"))
    store.publish(make(tmp_path, "v1"))
    store.crown("v1")
    with (tmp_path / "store" / "champion.json").open() as before:
        store.publish(make(tmp_path, "v2"))
        store.crown("v2")
        assert json.load(before)["version"] == "v1"  # a reader keeps the file it opened, whole
    assert sorted(p.name for p in (tmp_path / "store").iterdir()) == ["champion.json", "v1", "v2"]
