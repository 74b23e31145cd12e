"""Tables that speak of other people or items join nothing, and that is said."""

import re

import pytest
from shop_files import small_shop, write_shop

from coterie.data.ingest import ingest
from coterie.errors import BadInputError


def large_shop():
    """30 people in a ring of friends, each with two events."""
    events = [
        {
            "event_id": f"e{i}",
            "user_id": f"u{i % 30}",
            "item_id": f"i{i % 25}",
            "event": "purchase",
            "ts": "2024-01-01",
        }
        for i in range(60)
    ]
    ties = [
        {"src_user_id": f"u{i}", "dst_user_id": f"u{(i + 1) % 30}", "kind": "friend"}
        for i in range(30)
    ]
    items = [{"item_id": f"i{i}", "title": f"Thing {i}"} for i in range(25)]
    users = [{"user_id": f"u{i}", "may_be_used": "no"} for i in range(30)]
    return {"events": events, "ties": ties, "items": items, "users": users}


def brought_in(tmp_path, shop):
    return ingest(write_shop(tmp_path / "raw", shop), str(tmp_path / "clean"))


def test_what_tables_share_is_counted(tmp_path):
    shop = large_shop()
    shop["events"] = [row for row in shop["events"] if row["user_id"] < "u2"]
    shop["items"].append({"item_id": "spare", "title": "Spare"})
    report = brought_in(tmp_path, shop)
    shared = report.shared
    people = {row["user_id"] for row in shop["events"]}
    named = {row["item_id"] for row in shop["events"]}
    assert (shared.people_of_events, shared.people_of_ties) == (len(people), 30)
    assert shared.people_of_ties_with_events == len(people)
    assert (shared.people_of_users, shared.people_of_users_with_events_or_ties) == (30, 30)
    assert (shared.items, shared.items_without_events) == (26, 26 - len(named))
    assert report.warnings == []


FOREIGN = {
    "ties": ("src_user_id", "dst_user_id"),
    "users": ("user_id",),
    "items": ("item_id",),
}


@pytest.mark.parametrize(("table", "columns"), FOREIGN.items())
def test_ids_of_another_kind_stop_the_run_with_examples_of_both(tmp_path, table, columns):
    shop = large_shop()
    for row in shop[table]:
        row |= {column: f"crm-{row[column]}" for column in columns}
    with pytest.raises(BadInputError, match=r"'crm-[ui]0?1?.*with the same ids") as caught:
        brought_in(tmp_path, shop)
    assert re.search(r"'[ui]0'", str(caught.value))
    assert not (tmp_path / "clean").exists()


def test_tables_that_share_hardly_anybody_are_warned_of(tmp_path):
    shop = large_shop()
    for row in shop["ties"][1:]:
        row |= {column: f"crm-{row[column]}" for column in ("src_user_id", "dst_user_id")}
    [warning] = brought_in(tmp_path, shop).warnings
    assert warning == (
        "only 2 of 32 people in ties have events: are both exported with the same ids?"
    )


def test_a_small_shop_is_warned_of_only(tmp_path):
    shop = small_shop()
    shop["ties"] = [{"src_user_id": "x", "dst_user_id": "y", "kind": "friend"}]
    assert len(brought_in(tmp_path, shop).warnings) == 1
