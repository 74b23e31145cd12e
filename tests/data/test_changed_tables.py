"""What was changed live comes back into the tables that training reads, once."""

from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from coterie.data.changes import Change, changes_as_table, referral
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.errors import BadInputError

ITEMS = "item_id,title,price,available\npan,Pan,10,true\npot,Pot,20,true\ncup,Cup,3,false\n"
TIES = (
    "src_user_id,dst_user_id,kind,weight\nana,bea,friend,1\nana,cleo,follow,2\nlou,ana,follow,1\n"
)
USERS = "user_id,may_be_named,may_be_used\nbea,false,true\n"
EVENTS = "event_id,user_id,item_id,event,ts\ne1,ana,pan,view,2025-01-02T03:04:05Z\n"
TS = 1_750_000_000_000


def put(change_id, table, *key, ts_ms=TS, **values):
    return Change(change_id, table, key, ts_ms, True, values)


def patch(change_id, table, *key, ts_ms=TS, **values):
    return Change(change_id, table, key, ts_ms, None, values)


def gone(change_id, table, *key, ts_ms=TS):
    return Change(change_id, table, key, ts_ms, False)


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    (folder / "changes").mkdir(parents=True)
    for name, text in {"items": ITEMS, "ties": TIES, "users": USERS, "events": EVENTS}.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def cleaned(shop, *files):
    """Clean tables, by name, as rows, after these changes were exported."""
    for number, changes in enumerate(files):
        pq.write_table(changes_as_table(changes), shop / "changes" / f"log-{number}.parquet")
    out = shop.parent / "clean"
    report = ingest(str(shop), str(out))
    assert all(counts.bad == 0 for counts in report.tables.values())
    rows = {name: pq.read_table(out / f"{name}.parquet").to_pylist() for name in report.tables}
    load_dataset(str(out))
    return report, rows


def by_id(rows):
    return {row["item_id"]: row for row in rows}


def test_without_changes_nothing_is_different(shop):
    before, _ = cleaned(shop)
    after, _ = cleaned(shop, [])
    assert (after.fingerprint, after.changed) == (before.fingerprint, {})


def test_items_are_as_the_last_word_says(shop):
    report, rows = cleaned(
        shop,
        [patch("c1", "items", "pan", price=12.5), gone("c2", "items", "pot")],
        [put("c3", "items", "new", title="New", price=None, available=True)],
        [patch("c4", "items", "cup", available=True), patch("c5", "items", "ghost", price=1.0)],
    )
    items = by_id(rows["items"])
    assert list(items) == ["cup", "new", "pan"]
    assert (items["pan"]["price"], items["pan"]["title"]) == (12.5, "Pan")
    assert items["cup"]["available"] is True
    assert items["new"]["title"] == "New"
    assert report.changed == {"items": 5}


def test_a_change_that_is_there_twice_or_late_counts_once(shop):
    first, last = (
        patch("c1", "items", "pan", price=1.0),
        patch("c2", "items", "pan", ts_ms=TS + 1, price=2.0),
    )
    one, _ = cleaned(shop, [first, last])
    two, rows = cleaned(shop, [last, last], [first])
    assert by_id(rows["items"])["pan"]["price"] == 2.0
    assert one.fingerprint == two.fingerprint


def test_ties_end_and_begin_for_both_friends(shop):
    _, rows = cleaned(
        shop,
        [
            gone("c1", "ties", "ana", "bea", "friend"),
            gone("c2", "ties", "lou", "ana", "follow"),
            put("c3", "ties", "max", "zoe", "friend", weight=1.5, since=None),
        ],
    )
    ties = {(row["src_user_id"], row["dst_user_id"]): row for row in rows["ties"]}
    assert list(ties) == [("ana", "cleo"), ("max", "zoe"), ("zoe", "max")]
    formed = datetime.fromtimestamp(TS / 1000, UTC)
    assert (ties["zoe", "max"]["weight"], ties["zoe", "max"]["since"]) == (1.5, formed)


def test_a_referral_weighs_by_its_events_however_often_they_come(shop):
    brought = [referral(f"e{n}", "ana", "lou", TS + n, 0.1) for n in range(3)]
    _, rows = cleaned(shop, brought, brought[1:])
    [tie] = [row for row in rows["ties"] if row["kind"] == "referral"]
    assert (tie["src_user_id"], tie["dst_user_id"]) == ("ana", "lou")
    assert tie["weight"] == pytest.approx(0.3)


def test_the_last_word_on_consent_holds(shop):
    _, rows = cleaned(
        shop,
        [
            put("c1", "users", "bea", may_be_named=True),
            put("c2", "users", "cleo", may_be_used=False),
        ],
    )
    assert rows["users"] == [
        {"user_id": "bea", "may_be_named": True, "may_be_used": True},
        {"user_id": "cleo", "may_be_named": True, "may_be_used": False},
    ]


def test_an_item_that_is_gone_and_was_had_is_learned_from_and_not_sold(shop):
    _, rows = cleaned(shop, [gone("c1", "items", "pan")])
    assert by_id(rows["items"])["pan"]["available"] is False


def test_a_file_that_is_none_of_the_consumers_is_refused(shop):
    (shop / "changes" / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="holds no changes as the event consumer"):
        ingest(str(shop), str(shop.parent / "clean"))
