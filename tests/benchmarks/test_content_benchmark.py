"""The content benchmark on sets made here in the published forms: what is held out stays out."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.content import WHAT, measure
from benchmarks.content_cold import _draw
from benchmarks.content_groups import measure_groups
from benchmarks.content_sets import read_amazon, read_lastfm, read_tiktok, read_yelp
from benchmarks.content_table import write_tables
from coterie.data.polarity import turned_down
from coterie.models.content import ContentConfig

USERS, ITEMS = 40, 120


def write_tiktok(folder, train=12):
    """Two tastes; what one likes has the same picture."""
    rng = np.random.default_rng(0)
    taste = np.arange(ITEMS) % 2
    own = [rng.permutation(np.flatnonzero(taste == user % 2)) for user in range(USERS)]
    start = 0
    for part, n in (("train", train), ("val", 3), ("test", 6)):
        rows = [(user, item) for user in range(USERS) for item in own[user][start : start + n]]
        start += n
        text = "user,item\n" + "".join(f"{u},{i}\n" for u, i in rows)
        (folder / f"{part}.csv").write_text(text)
    noise = rng.normal(size=(ITEMS, 8)) * 0.1
    np.save(folder / "image_feat.npy", (noise + taste[:, None]).astype(np.float16))
    np.save(folder / "audio_feat.npy", rng.normal(size=(ITEMS, 8)).astype(np.float16))


def test_a_set_is_measured_warm_and_cold(tmp_path):
    write_tiktok(tmp_path)
    told = read_tiktok(tmp_path)
    rows = measure(told, {}, ["rows"])
    found = measure(told, rows, [what for what in WHAT if what != "rows"])
    assert found["rows"] is rows["rows"]  # of which test is not asked again
    assert set(found["rows"]) >= {"EASE", "taste", "taste and image", "taste and content"}
    assert found["cold"]["image"]["ndcg"] > found["cold"]["random"]["ndcg"] + 0.05
    assert found["cold"]["all, mapped"]["ndcg"] > found["cold"]["random"]["ndcg"] + 0.05
    known = found["cold"]["had they been known"]["ndcg"]
    assert known > found["cold"]["random"]["ndcg"] + 0.05
    mixed = found["cold"]["mixed, mapped"]
    assert mixed["known_with_cold"] > 0.9 * mixed["known_without_cold"]
    assert found["rows"]["content alone"]["weights"]["image"] > 0
    tables = write_tables({"tiktok": found})
    assert "| TikTok @20 | taste and content |" in tables
    assert "by cold items beside them" in tables
    assert "a friend had it" not in tables  # nobody has friends there


def test_what_a_shopper_had_of_the_cold_items_is_not_in_their_lists(tmp_path):
    """Of their taste people had all but the targets, so pictures alone find every cold one."""
    write_tiktok(tmp_path, train=51)
    told = read_tiktok(tmp_path)
    rows = _draw(told, ContentConfig(("image",), (1.0,)), ("image",), 0)
    assert rows["image"]["ndcg"] > 0.99


def test_targets_are_told_apart_by_whether_a_friend_had_them(tmp_path):
    told = read_yelp(write_yelp(tmp_path))
    config = ContentConfig(("popular", "friends"), (1.0, 1.0))
    found = measure_groups(replace(told, k=3), config, {"friends alone": {"friends": 1.0}})
    assert sum(found["targets"].values()) == len(told.test.held_out)
    assert min(found["targets"].values()) > 0
    shares = found["friends alone"]
    assert shares["a friend had it"] > shares["friends, none had it"] + 0.2


def test_tags_for_what_is_held_out_from_their_giver_are_not_read(tmp_path):
    raw, split = tmp_path / "raw", tmp_path / "split"
    raw.mkdir()
    split.mkdir()
    (split / "userReindex.json").write_text(json.dumps({"7": 0, "8": 1}))
    (split / "itemReindex.json").write_text(json.dumps({"50": 0, "51": 1}))
    (split / "train_set.txt").write_text("user,item\n0,0\n1,1\n")
    (split / "test_set.txt").write_text("user,item\n0,1\n")
    (split / "trust.txt").write_text("user,friend\n0,1\n1,0\n")
    (raw / "artists.dat").write_text("id\tname\turl\n50\tAnna\tx\n51\tBert\tx\n")
    (raw / "tags.dat").write_text("tagID\ttagValue\n1\tfolk\n2\tsecret\n")
    head = "userID\tartistID\ttagID\tday\tmonth\tyear\n"
    (raw / "user_taggedartists.dat").write_text(
        f"{head}7\t51\t2\t1\t1\t2009\n8\t51\t1\t1\t1\t2009\n"
    )
    items = read_lastfm(tmp_path).test.fit.items
    assert items["tags"].to_pylist() == ["", "folk"]
    assert items["title"].to_pylist() == ["Anna", "Bert"]


def write_yelp(folder):
    """Twenty people, of whom a third of all pairs are friends, but for one of them."""
    rng = np.random.default_rng(0)
    rows = [(u, i, 5) for u in range(20) for i in rng.choice(60, 12, replace=False)]
    (folder / "ratings.txt").write_text("".join(f"{u}\t{i}\t{s}\n" for u, i, s in rows))
    ties = [(u, v) for u in range(19) for v in range(u) if (u + v) % 9 == 0]
    (folder / "friendships.txt").write_text("".join(f"{u}\t{v}\t1\n" for u, v in ties))
    (folder / "items.txt").write_text("".join(f"{i}\tPizza\n" for i in range(60)))
    return folder


def test_ratings_under_four_are_known_but_never_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(u, i, rng.integers(1, 6)) for u in range(100, 120) for i in range(900, 920)]
    (tmp_path / "ratings.txt").write_text("".join(f"{u}\t{i}\t{s}\n" for u, i, s in rows))
    (tmp_path / "friendships.txt").write_text("100\t101\t1\n101\t102\t1\n")
    (tmp_path / "items.txt").write_text(
        "".join(f"{i}\tPizza\n{i}\tBars\n" for i in range(900, 920))
    )
    found = read_yelp(tmp_path)
    bad = {(u - 100, i - 900) for u, i, s in rows if s < 4}
    asked = zip(found.test.held_out.user_idx, found.test.held_out.item_idx, strict=True)
    assert not bad & {(int(u), int(i)) for u, i in asked}
    fitted = found.test.fit.interactions
    assert turned_down(fitted).sum() == pytest.approx(0.8 * len(bad), rel=0.1)
    assert len(found.test.fit.ties) == 4
    assert found.test.fit.items["tags"][0].as_py() == "Pizza , Bars"


def test_nothing_is_learned_from_the_histories_of_the_test(tmp_path):
    told = {str(i): {"title": f"thing {i}", "brand": "B"} for i in range(6)}
    (tmp_path / "items.json").write_text(json.dumps(told))
    columns = ("user_id", "history_item_id", "item_id")
    rows = {
        "valid": [("a", [0, 1], 2), ("a", [0, 1, 2], 3), ("b", [1], 0)],
        "test": [("c", [4], 5)],
    }
    for part, lines in rows.items():
        with (tmp_path / f"{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([columns, *lines])
    found = read_amazon(tmp_path, folds=2)
    assert found.test.fit.interactions.item_idx.tolist() == [0, 1, 2, 3, 1, 0]
    assert found.test.serve.interactions.item_idx.tolist() == [4]
    assert found.test.held_out.item_idx.tolist() == [5]
    judged = len(found.validation.serve.validation)
    assert judged in (1, 2)
    assert found.validation.fit.num_users == 1
