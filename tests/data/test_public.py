import json

import numpy as np
import pytest
import scipy.io
from shop_files import real_data

from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.public import READERS, convert, form_of
from coterie.data.splits import by_time, choose
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS, PARTS, EventKind, TieKind

PURCHASE = EVENT_KINDS.index(EventKind.PURCHASE)


def bring_in(tmp_path, dataset, source):
    convert(dataset, str(source), str(tmp_path / "raw"))
    report = ingest(str(tmp_path / "raw"), str(tmp_path / "clean"))
    return report, load_dataset(str(tmp_path / "clean"))


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def rows_of(table, *columns):
    return list(zip(*(table[c].to_pylist() for c in columns), strict=True))


def test_beidian_purchases_name_the_friend_who_shared(tmp_path):
    files = {
        "train": "0\t5\n1\t5\n",
        "val": "0\t6\n",
        "test": "1\t7\n",
        "social": "0\t1\n1\t0\n",
        "ufi": "1\t0\t5\n1\t2\t5\n1\t0\t5\n",
    }
    tables = READERS["beidian"](write(tmp_path, files))
    assert rows_of(
        tables["events"], "user_id", "item_id", "event", "referrer_user_id", "split"
    ) == [
        ("0", "5", "purchase", None, "train"),
        ("1", "5", "purchase", "0", "train"),
        ("0", "6", "purchase", None, "val"),
        ("1", "7", "purchase", None, "test"),
        ("1", "5", "click", "2", "train"),
    ]
    assert set(tables["ties"]["kind"].to_pylist()) == {TieKind.FRIEND}
    assert tables["items"]["item_id"].to_pylist() == ["5", "6", "7"]


LASTFM = {
    "artists.dat": 'id\tname\turl\tpictureURL\n9\tThe "Quotes\thttp://a\thttp://p\n8\tSigur\tx\ty\n',
    "tags.dat": "tagID\ttagValue\n1\tmetal\n",
    "user_artists.dat": "userID\tartistID\tweight\n2\t9\t13\n3\t8\t7\n",
    "user_friends.dat": "userID\tfriendID\n2\t3\n3\t2\n",
    "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t9\t1\t3\t4\t2009\n",
}
SPLIT = {
    "userReindex.json": json.dumps({"2": 0, "3": 1}),
    "itemReindex.json": json.dumps({"8": 1, "9": 0}),
    "train_set.txt": "user,item\n0,0\n",
    "test_set.txt": "user,item\n1,1\n",
}


@pytest.mark.parametrize("given", ["the folder above", "the raw folder", "no split"])
def test_lastfm_listens_carry_the_split_and_tags_their_day(tmp_path, given):
    raw = write(tmp_path / "raw", LASTFM)
    if given != "no split":
        write(tmp_path / "split", SPLIT)
    tables = READERS["lastfm"](tmp_path if given == "the folder above" else raw)
    columns = ("user_id", "item_id", "event", "value", "text", "split")
    parts = ("train", "train" if given == "no split" else "test")
    assert rows_of(tables["events"], *columns) == [
        ("2", "9", "purchase", 13.0, None, parts[0]),
        ("3", "8", "purchase", 7.0, None, parts[1]),
        ("2", "9", "review", None, "metal", None),
    ]
    assert str(tables["events"]["ts"][2].as_py().date()) == "2009-04-03"
    assert tables["items"]["title"].to_pylist() == ['The "Quotes', "Sigur"]


def test_ciao_with_times_counts_what_is_there_twice_once(tmp_path):
    day = 959_670_000
    ratings = [[1, 7, 3, 5, 4, day], [1, 7, 4, 5, 4, day], [2, 8, 3, 1, 0, day + 86_400]]
    scipy.io.savemat(
        tmp_path / "rating_with_timestamp.mat", {"rating": np.array(ratings, np.int32)}
    )
    scipy.io.savemat(tmp_path / "trust.mat", {"trust": np.array([[1, 2]], np.uint16)})
    report, data = bring_in(tmp_path / "out", "ciao", tmp_path)
    assert (report.tables["events"].kept, report.tables["events"].duplicates) == (2, 1)
    assert data.events.value.tolist() == [5.0, 1.0]
    assert data.events.ts_ms.tolist() == [day * 1000, (day + 86_400) * 1000]
    assert data.catalogue["category"].to_pylist() == ["Category 3", "Category 3"]


def test_douban_books_that_nobody_read_are_ranked_too(tmp_path):
    files = {
        "train.csv": "user,item\n0,3\n",
        "test.csv": "user,item\n0,1\n",
        "social.csv": "user,friend\n0,4\n",
    }
    tables = READERS["douban_book"](write(tmp_path, files))
    assert tables["items"]["item_id"].to_pylist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("heading", ["user,item,rating\n", ""])
def test_any_split_as_csv_is_read_with_or_without_headings_and_further_columns(tmp_path, heading):
    files = {
        "train.csv": f"{heading}0,3,5\n1,3,4\n",
        "test.csv": f"{heading}0,1,2\n",
        "social.csv": "0\t1\n",
    }
    tables = READERS["split_csv"](write(tmp_path, files))
    assert tables["events"]["user_id"].to_pylist() == ["0", "1", "0"]
    assert tables["events"]["split"].to_pylist() == ["train", "train", "test"]
    assert tables["items"]["item_id"].to_pylist() == ["3", "1"]
    assert tables["ties"]["dst_user_id"].to_pylist() == ["1"]


def test_a_folder_is_known_by_its_files(tmp_path):
    assert form_of(tmp_path) is None
    (tmp_path / "train.csv").touch()
    assert form_of(tmp_path) == "split_csv"
    (tmp_path / "category.csv").touch()
    assert form_of(tmp_path) == "ciao"


@pytest.mark.parametrize("dataset", READERS)
def test_a_folder_of_another_kind_is_refused(tmp_path, dataset):
    with pytest.raises(BadInputError, match="is missing: is this the folder of that data set"):
        convert(dataset, str(tmp_path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_form_is_refused(tmp_path):
    (tmp_path / "rating_with_timestamp.mat").write_bytes(b"no matrix" * 100)
    with pytest.raises(BadInputError, match="is no MATLAB file"):
        convert("ciao", str(tmp_path), str(tmp_path / "out"))
    files = {"train": "0 1 2 3\n0 1\n", "ufi": "0 1 2\n", "val": "", "test": "", "social": ""}
    with pytest.raises(BadInputError, match="train is not user, item in columns"):
        convert("beidian", str(write(tmp_path / "b", files)), str(tmp_path / "out"))


def test_an_unknown_set_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(BadInputError, match="expected one of beidian, lastfm, ciao, douban_book"):
        convert("netflix", str(tmp_path), str(tmp_path / "out"))


def sizes(split, kind=None):
    parts = (split.train, split.val, split.test)
    return tuple(len(p) if kind is None else int((p.kind == kind).sum()) for p in parts)


def test_beidian_has_its_published_numbers(tmp_path):
    report, data = bring_in(tmp_path, "beidian", real_data("beidian"))
    split = choose(data)
    assert (len(data.users), len(data.items), len(data.ties)) == (2_841, 2_298, 4_734)
    assert sizes(split, PURCHASE) == (22_321, 4_673, 8_152)
    # 4,000 different shares: one a purchase as its referrer, the others clicks.
    assert (split.train.referrer_idx >= 0).sum() == 4_000
    assert sizes(split) == (22_321 + 1_025, 4_673, 8_152)
    # All shares are of purchases in train: no click tells of what is to be found.
    learned = pairs(split.train)
    assert not learned & pairs(split.val)
    assert not learned & pairs(split.test)
    assert not report.reasons


def pairs(events):
    return set(zip(events.user_idx.tolist(), events.item_idx.tolist(), strict=True))


def test_lastfm_has_its_published_numbers(tmp_path):
    report, data = bring_in(tmp_path, "lastfm", real_data("lastfm"))
    assert (len(data.users), len(data.items), len(data.ties)) == (1_892, 17_632, 25_434)
    assert [(data.part == PARTS.index(p)).sum() for p in PARTS] == [74_267, 0, 18_567]
    split = choose(data)
    assert len(split.train) + len(split.val) == 74_267
    assert abs(len(split.val) / 74_267 - 0.1) < 0.002
    assert report.reasons == {"events.ts: before 1990": 5}
    dated = by_time(data)
    assert len(dated.train) + len(dated.between) <= 186_479 - 1_543
    assert dated.train.ts_ms.max() < dated.val.ts_ms.min() < dated.test.ts_ms.min()


def test_ciao_has_its_published_numbers(tmp_path):
    report, data = bring_in(tmp_path, "ciao", real_data("ciao"))
    assert (len(data.users), len(data.items), len(data.ties)) == (1_925, 15_053, 65_084)
    assert sizes(choose(data)) == (23_223, 3_317, 6_635)
    assert report.tables["items"].duplicates == 3


@pytest.mark.slow
def test_ciao_with_times_has_its_published_numbers(tmp_path):
    report, data = bring_in(tmp_path, "ciao", real_data("ciao_time"))
    assert (len(data.users), len(data.items), len(data.ties)) == (7_375, 105_114, 57_544)
    counts = report.tables["events"]
    assert (counts.read, counts.kept, counts.duplicates, counts.bad) == (284_086, 283_728, 358, 0)
    split = choose(data)
    assert split.name == "by_time"
    assert abs(len(split.train) / counts.kept - 0.8) < 0.001


@pytest.mark.slow
def test_douban_book_has_its_published_numbers(tmp_path):
    report, data = bring_in(tmp_path, "douban_book", real_data("douban_book"))
    assert len(data.items) == 22_347
    assert [(data.part == PARTS.index(p)).sum() for p in PARTS] == [478_730, 0, 119_690]
    assert len(data.ties) == 169_150 - 8
    assert report.reasons == {"ties.dst_user_id: a tie to oneself": 8}
