from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from coterie.data.chunks import WHOLE_ROW, Chunk, FileForm
from coterie.data.mapping.apply import apply, distinct_items
from coterie.data.mapping.model import ColumnRule, FileMapping
from coterie.schema import EVENTS, ITEMS, UNDATED


def chunk_of(faults=None, **columns):
    arrays = {name: pa.array(column) for name, column in columns.items()}
    length = len(next(iter(arrays.values())))
    found = {name: pa.array(fault, pa.string()) for name, fault in (faults or {}).items()}
    return Chunk("events.csv", np.arange(1, length + 1), arrays, found)


def applied(chunk, table=EVENTS, dropped=None, **rules):
    part = FileMapping(("events.csv",), FileForm(), rules)
    return apply(table, part, chunk, Counter() if dropped is None else dropped)


def value_of(texts, **rule):
    found = applied(chunk_of(x=texts), value=ColumnRule(columns=("x",), **rule))
    faults = found.faults.get("value", pa.nulls(len(texts)))
    return found.columns["value"].to_pylist(), faults.to_pylist()


def test_ratings_of_any_scale_become_one_to_five():
    values, faults = value_of(["1", "10", "5.5", "0", "", None], scale=(1.0, 10.0))
    assert values == [1.0, 5.0, 3.0, None, None, None]
    assert faults == [None, None, None, "outside the scale from 1 to 10", None, None]


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("1.234,56", {"decimal": ",", "thousands": "."}, 1234.56),
        ("1,5", {"decimal": ","}, 1.5),
        ("$1,299.00", {"thousands": ",", "strip": "$"}, 1299.0),
        ("12,50 €", {"decimal": ",", "strip": "€"}, 12.5),
        ("-3", {"absolute": True}, 3.0),
        ("0", {"absolute": True, "empty": ("0",)}, None),
    ],
)
def test_numbers_are_read_as_the_shop_writes_them(text, rule, value):
    assert value_of([text], **rule) == ([value], [None])


@pytest.mark.parametrize("text", ["1.5", "1;5", "eleven", "1,5,0"])
def test_what_is_no_number_in_that_form_is_a_fault(text):
    values, faults = value_of([text], decimal=",")
    assert values == [None]
    assert "no number with ','" in faults[0]


def test_words_become_ours_and_none_is_lost_without_a_word():
    dropped = Counter()
    found = applied(
        chunk_of(
            type=["View", "addtocart ", "remove", "poke", None], user=["a", "b", "c", "d", "e"]
        ),
        dropped=dropped,
        user_id=ColumnRule(columns=("user",)),
        event=ColumnRule(
            columns=("type",), words={"view": "view", "addtocart": "cart"}, drop=("remove",)
        ),
    )
    assert found.rows.tolist() == [1, 2, 4, 5]
    assert found.columns["event"].to_pylist() == ["view", "cart", None, None]
    assert found.columns["user_id"].to_pylist() == ["a", "b", "d", "e"]
    assert found.faults["event"].to_pylist() == [
        None,
        None,
        "none of the mapping's words: view, addtocart, remove",
        None,
    ]
    assert dropped == {"event is one of remove": 1}


def test_rows_without_a_user_are_dropped_only_where_the_mapping_says_so():
    chunk = chunk_of(user=["a", " ", None], item=["x", "y", "z"])
    rule = ColumnRule(columns=("user",), missing="drop")
    dropped = Counter()
    assert applied(chunk, user_id=rule, dropped=dropped).rows.tolist() == [1]
    assert dropped == {"without user_id": 2}
    assert applied(chunk, user_id=ColumnRule(columns=("user",))).rows.tolist() == [1, 2, 3]


def test_a_cell_that_cannot_be_read_is_not_taken_for_a_missing_one():
    chunk = chunk_of({"user": ["a list or an object"]}, user=[None], item=["x"])
    found = applied(chunk, user_id=ColumnRule(columns=("user",), missing="drop"))
    assert found.faults["user_id"].to_pylist() == ["a list or an object"]


def test_a_negative_quantity_is_a_return():
    signs = {"negative": "return", "positive": "purchase"}
    found = applied(chunk_of(n=["6", "-1", "0"]), event=ColumnRule(columns=("n",), by_sign=signs))
    assert found.columns["event"].to_pylist() == ["purchase", "return", None]
    assert found.faults["event"].to_pylist()[2] == "zero, for which the mapping has no word"


@pytest.mark.parametrize(
    ("text", "rule", "moment"),
    [
        ("12/1/2010 8:26", {"format": "%m/%d/%Y %H:%M"}, (2010, 12, 1, 8, 26)),
        ("1.12.2010", {"format": "%d.%m.%Y"}, (2010, 12, 1)),
        ("2019-07-01 12:00", {"zone": "Europe/Berlin"}, (2019, 7, 1, 10)),
        ("2019-07-01 12:00 +0500", {"format": "%Y-%m-%d %H:%M %z"}, (2019, 7, 1, 7)),
    ],
)
def test_times_are_read_in_the_shops_form_and_zone(text, rule, moment):
    found = applied(chunk_of(t=[text]), ts=ColumnRule(columns=("t",), **rule))
    assert found.columns["ts"].to_pylist() == [datetime(*moment, tzinfo=UTC)]
    assert "ts" not in found.faults


@pytest.mark.parametrize("text", ["30/2/2010 8:26", "2010-12-01", "soon"])
def test_a_time_of_another_form_is_a_fault(text):
    found = applied(chunk_of(t=[text]), ts=ColumnRule(columns=("t",), format="%d/%m/%Y %H:%M"))
    assert found.columns["ts"].to_pylist() == [None]
    assert "no time of the form %d/%m/%Y %H:%M" in found.faults["ts"].to_pylist()[0]


def test_without_times_all_events_are_of_one_moment():
    found = applied(chunk_of(user=["a"]), user_id=ColumnRule(columns=("user",)))
    assert found.columns["ts"].to_pylist() == [UNDATED.isoformat()]


def test_an_id_made_of_a_row_depends_on_its_values_alone():
    rules = {
        "event_id": ColumnRule(digest=("user", "item")),
        "event": ColumnRule(always="view"),
    }
    users, items = ["a", "b", "ab", "a", None], ["bc", "c", "c", "bc", ""]
    whole = applied(chunk_of(user=users, item=items), **rules).columns["event_id"].to_pylist()
    apart = [
        applied(chunk_of(user=[u], item=[i]), **rules).columns["event_id"].to_pylist()[0]
        for u, i in zip(users, items, strict=True)
    ]
    assert whole == apart
    assert whole[0] == whole[3]
    assert len(set(whole)) == 4
    # Ids that are already out must not change: a second export would double every event.
    assert whole[0] == "8910825ed5d5d0fac37b6d46c4d793f9"
    bought = applied(
        chunk_of(user=["a"], item=["bc"]), **rules | {"event": ColumnRule(always="purchase")}
    )
    assert bought.columns["event_id"].to_pylist()[0] != whole[0]


def test_the_first_column_that_is_not_empty_counts():
    found = applied(
        chunk_of(name=["Cup", "", None], sku=["1", "2", "3"]),
        ITEMS,
        title=ColumnRule(columns=("name", "sku")),
    )
    assert found.columns["title"].to_pylist() == ["Cup", "2", "3"]


def test_a_list_of_texts_is_joined_where_the_mapping_says_how():
    cells, fault = ["\x1dHome\x1dPans", "Home", None], "a list or an object, expected one value"
    chunk = chunk_of({"c": [fault, None, None]}, c=cells)
    joined = applied(chunk, ITEMS, category=ColumnRule(columns=("c",), separator="/"))
    assert joined.columns["category"].to_pylist() == ["Home/Pans", "Home", None]
    assert "category" not in joined.faults
    assert "category" in applied(chunk, ITEMS, category=ColumnRule(columns=("c",))).faults


def test_a_row_that_is_too_wide_stays_bad_whatever_is_mapped():
    chunk = chunk_of({WHOLE_ROW: ["more fields than the header"]}, user=["a"], item=["x"])
    found = applied(chunk, item_id=ColumnRule(columns=("item",)))
    assert found.faults[WHOLE_ROW].to_pylist() == ["more fields than the header"]


def test_items_made_of_events_are_the_last_rows_of_each():
    chunk = chunk_of(item_id=["x", "y", "x", None, ""], title=["old", "y", "new", "?", "?"])
    found = distinct_items(chunk)
    assert found.columns["item_id"].to_pylist() == ["y", "x"]
    assert found.columns["title"].to_pylist() == ["y", "new"]
    assert found.rows.tolist() == [2, 3]


def test_rows_are_left_out_by_any_column_of_the_shop_and_counted():
    chunk = chunk_of(
        user=list("abcd"), status=["Paid", " Failed", "x", None], gone=["", "", "t", ""]
    )
    part = FileMapping(
        ("events.csv",),
        FileForm(),
        {"user_id": ColumnRule(columns=("user",))},
        {"status": ("failed", "cancelled"), "gone": ("any",), "absent": ("any",)},
    )
    dropped = Counter()
    assert apply(EVENTS, part, chunk, dropped).columns["user_id"].to_pylist() == ["a", "d"]
    assert dropped == {"status is one of failed, cancelled": 1, "with gone": 1}


def test_what_is_there_at_all_may_be_a_word():
    stamps = pa.array([None, datetime(2025, 1, 1, tzinfo=UTC)])
    rule = ColumnRule(columns=("x",), by_presence={"given": "no", "empty": "yes"})
    for values in (stamps, ["", "2025-01-01"]):
        found = applied(chunk_of(x=values), ITEMS, available=rule)
        assert (found.columns["available"].to_pylist(), found.faults) == (["yes", "no"], {})


def test_prices_in_cents_are_divided():
    assert value_of(["1295", "", "x"], divide=100.0)[0] == [12.95, None, None]
    found = applied(chunk_of(x=pa.array([1295])), value=ColumnRule(columns=("x",), divide=100.0))
    assert found.columns["value"].to_pylist() == [12.95]


def test_of_several_values_the_first_counts():
    rule = ColumnRule(columns=("x",), first=",", separator=" > ")
    found = applied(chunk_of(x=["A > B, A", "C", "", None]), ITEMS, category=rule)
    assert found.columns["category"].to_pylist() == ["A/B", "C", None, None]
