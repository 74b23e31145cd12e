"""What all lists are read from and written to: features of one moment, files that are whole."""

import json
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import s3  # noqa: F401 - a fixture

from coterie.all_lists import kernel, make
from coterie.all_lists.everyone import Everyone
from coterie.all_lists.feature_tables import read_everyone
from coterie.all_lists.lists import ListsWanted
from coterie.all_lists.output import MANIFEST, read_lists
from coterie.data.circle import EVERYBODY
from coterie.data.stores import open_store
from coterie.errors import BadInputError
from coterie.schema import (
    FEATURE_TIMESTAMP,
    FRIEND_IDS,
    FRIEND_STRENGTHS,
    FRIENDS_MUTUAL,
    FRIENDS_NAMED,
    RECENT_ITEMS,
    RECENT_KINDS,
    RECENT_TS,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
    STRENGTHS,
)
from coterie.workflow.all_lists import AllListsSettings, list_everyone
from tests.serving.small_shop import NOON_MS, item, write_small_release

BEFORE, NOW = (datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2))
NUM = 40
USERS = [f"u{row:02d}" for row in range(NUM)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("small") / "v1"


@pytest.fixture(scope="module")
def release(folder):
    return write_small_release(folder)


def write_features(folder: Path, users=USERS, when=(NOW,), **changes) -> str:
    """Each shopper had two items, and is friends with the next one; of before nobody had any."""
    recent, ties = [], []
    for moment in when:
        for user in users:
            row = USERS.index(user)
            had = [item(row), item(row + 50)] if moment == NOW else []
            recent.append(
                {
                    "user_id": user,
                    FEATURE_TIMESTAMP: moment,
                    RECENT_ITEMS: had,
                    RECENT_KINDS: [5] * len(had),
                    RECENT_TS: [NOON_MS - place for place in range(len(had))],
                }
            )
            ties.append(
                {
                    "user_id": user,
                    FEATURE_TIMESTAMP: moment,
                    FRIEND_IDS: [USERS[(row + 1) % NUM]],
                    FRIEND_STRENGTHS: [1.0] * len(STRENGTHS),
                    FRIENDS_NAMED: [1],
                    FRIENDS_MUTUAL: [1],
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    for view, rows in ((SHOPPER_RECENT_VIEW, recent), (SHOPPER_TIES_VIEW, ties)):
        gone = [name for name, kept in changes.items() if not kept]
        pq.write_table(
            pa.Table.from_pylist(rows).drop_columns([name for name in gone if name in rows[0]]),
            folder / f"{view}.parquet",
        )
    return str(folder)


@pytest.fixture(scope="module")
def everyone(release, tmp_path_factory) -> Everyone:
    return read(write_features(tmp_path_factory.mktemp("features")), release)


def read(folder, release):
    return read_everyone(folder, release, EVERYBODY, NOON_MS)


def write(release, everyone, out, **options):
    wanted = ListsWanted(5, now_ms=NOON_MS)
    return make.make_all_lists(release, everyone, wanted, EVERYBODY, str(out), **options)


def test_lists_do_not_depend_on_blocks_and_files(release, everyone, tmp_path, monkeypatch):
    write(release, everyone, tmp_path / "one")
    monkeypatch.setattr(kernel, "_COARSE", 3 * 120)
    monkeypatch.setattr(kernel, "_PART", 2)
    monkeypatch.setattr(make, "_GROUP", 2)
    made = write(release, everyone, tmp_path / "many", per_file=9, threads=3)
    assert made.files == 5
    said = json.loads((tmp_path / "many" / MANIFEST).read_text())
    assert list(said["files"].values()) == [9, 9, 9, 9, 4]
    names = {path.name for path in (tmp_path / "many").iterdir()}
    assert names == {MANIFEST, *said["files"]}
    sizes = [pq.read_metadata(tmp_path / "many" / name).num_rows for name in said["files"]]
    assert sizes == list(said["files"].values())
    assert read_lists(str(tmp_path / "many")).equals(read_lists(str(tmp_path / "one")))
    assert read_lists(str(tmp_path / "one"))["user_id"].to_pylist() == USERS


def test_new_lists_take_the_place_of_old_ones_and_of_nothing_else(release, everyone, tmp_path):
    write(release, everyone, tmp_path / "lists", per_file=9)
    write(release, everyone, tmp_path / "lists", per_file=30)
    assert len(list((tmp_path / "lists").glob("*.parquet"))) == 2
    assert len(read_lists(str(tmp_path / "lists"))) == NUM
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("!")
    with pytest.raises(BadInputError, match=r"holds me\.jpg"):
        write(release, everyone, tmp_path / "photos")


def test_lists_that_cannot_be_made_leave_the_old_ones(release, everyone, tmp_path, monkeypatch):
    write(release, everyone, tmp_path / "lists")
    before = read_lists(str(tmp_path / "lists"))
    monkeypatch.setattr(kernel, "_COARSE", 4 * 120)
    monkeypatch.setattr(kernel, "_PART", 2)
    whole = make.BlockLists.table

    def table(self, first, stop):
        if first >= 20:
            raise MemoryError
        return whole(self, first, stop)

    monkeypatch.setattr(make.BlockLists, "table", table)
    with pytest.raises(MemoryError):
        write(release, everyone, tmp_path / "lists", per_file=7)
    assert read_lists(str(tmp_path / "lists")).equals(before)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["lists"]


def test_a_bucket_gets_whole_lists_alone(release, everyone, tmp_path, s3, monkeypatch):  # noqa: F811
    write(release, everyone, tmp_path / "lists")
    write(release, everyone, "s3://shop/lists", per_file=9)
    write(release, everyone, "s3://shop/lists", per_file=30)
    fs, _ = open_store("s3://shop/lists")
    names = sorted(name.rpartition("/")[2] for name in fs.find("shop/lists"))
    assert names == ["lists-00000.parquet", "lists-00001.parquet", MANIFEST]
    assert read_lists("s3://shop/lists").equals(read_lists(str(tmp_path / "lists")))
    monkeypatch.setattr(make, "write_manifest", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(release, everyone, "s3://shop/lists")
    assert sorted(name.rpartition("/")[2] for name in fs.find("shop/lists")) == names
    fs.pipe_file("shop/photos/me.jpg", b"!")
    with pytest.raises(BadInputError, match=r"holds me\.jpg"):
        write(release, everyone, "s3://shop/photos")


def test_features_on_a_bucket_are_those_of_a_folder(release, everyone, tmp_path, s3):  # noqa: F811
    write_features(tmp_path / "features")
    fsspec.filesystem("s3").put(str(tmp_path / "features"), "shop/features", recursive=True)
    write(release, read("s3://shop/features", release), tmp_path / "there")
    write(release, everyone, tmp_path / "here")
    assert read_lists(str(tmp_path / "there")).equals(read_lists(str(tmp_path / "here")))


def test_the_newest_moment_counts_in_whatever_order_rows_come(release, everyone, tmp_path):
    shuffled = write_features(tmp_path / "features", USERS[::-1], when=(NOW, BEFORE))
    write(release, read(shuffled, release), tmp_path / "shuffled")
    write(release, everyone, tmp_path / "lists")
    assert read_lists(str(tmp_path / "shuffled")).equals(read_lists(str(tmp_path / "lists")))


def test_features_of_before_do_without_what_nobody_wrote_down(release, everyone, tmp_path):
    old = write_features(tmp_path / "features", **{FRIENDS_MUTUAL: False})
    write(release, read(old, release), tmp_path / "old")
    write(release, everyone, tmp_path / "lists")
    assert read_lists(str(tmp_path / "old")).equals(read_lists(str(tmp_path / "lists")))


def test_a_friend_without_features_is_one_of_whom_nothing_is_known(release, tmp_path):
    found = read(write_features(tmp_path / "features", USERS[:5]), release)
    assert len(found) == 5
    assert found.community.friends.person.tolist() == [1, 2, 3, 4, 5]
    assert found.shoppers(4, 5).histories.offsets.tolist() == [0, 2, 2]


def test_what_is_missing_is_named(release, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="lacks shopper_recent"):
        read(str(tmp_path / "empty"), release)
    bad = write_features(tmp_path / "bad", **{RECENT_KINDS: False})
    with pytest.raises(BadInputError, match="has no column recent_kinds"):
        read(bad, release)
    twice = write_features(tmp_path / "twice", [*USERS, USERS[0]])
    with pytest.raises(BadInputError, match="a shopper twice"):
        read(twice, release)
    (tmp_path / "twice" / f"{SHOPPER_TIES_VIEW}.parquet").write_text("no Parquet")
    with pytest.raises(BadInputError, match="cannot be read"):
        read(twice, release)
    with pytest.raises(BadInputError, match="no lists"):
        read_lists(str(tmp_path / "empty"))
    settings = AllListsSettings(rules=str(tmp_path / "absent.yaml"))
    with pytest.raises(BadInputError, match=r"absent\.yaml is no file"):
        list_everyone(str(folder), str(tmp_path / "out"), settings, features=twice)
    with pytest.raises(BadInputError, match="name one of them"):
        list_everyone(str(folder), str(tmp_path / "out"), AllListsSettings())
    with pytest.raises(BadInputError, match="lists of 0 items"):
        ListsWanted(0)


def test_a_release_of_another_shop_is_refused(release, tmp_path):
    other = write_small_release(tmp_path / "other", first_ids=[f"x{n}" for n in range(120)])
    with pytest.raises(BadInputError, match="made from other data"):
        read(write_features(tmp_path / "features"), other)
