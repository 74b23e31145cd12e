"""Which clicks and purchases follow from what was shown."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from coterie.errors import BadInputError
from coterie.impressions.attribution import attributed
from coterie.impressions.table import ShownList, impressions_table
from coterie.schema import EVENTS

LISTS = [
    ShownList("l1", "ana", 1_000_000, "home", "v1", "", "", "", ("pan", "lamp"), (1.0, 1.0)),
    ShownList("l2", "ana", 1_060_000, "home", "v1", "", "", "", ("lamp", "rug"), (1.0, 1.0)),
    ShownList("l3", "lou", 1_000_000, "home", "v1", "", "", "", ("pan",), (1.0,)),
]


def events(*rows):
    fields = ("user_id", "item_id", "event", "at_ms", "list_id", "value")
    told = [dict(zip(fields, row, strict=True)) for row in rows]
    columns = {name: [one[name] for one in told] for name in fields if name != "at_ms"}
    columns["ts"] = [datetime.fromtimestamp(one["at_ms"] / 1000, UTC) for one in told]
    schema = pa.schema([*(f for f in EVENTS.arrow if f.name in columns), ("list_id", pa.string())])
    return pa.table(columns, schema=schema)


def joined(*rows, **options):
    made = attributed(impressions_table(LISTS), events(*rows), 100.0, **options)
    names = zip(made["list_id"].to_pylist(), made["item_id"].to_pylist(), strict=True)
    outcomes = zip(
        *(made[name].to_pylist() for name in ("clicked", "purchased", "revenue")), strict=True
    )
    return {key: found for key, found in zip(names, outcomes, strict=True) if found[0]}


def test_an_event_follows_from_the_list_that_it_names_within_the_window():
    assert joined(
        ("ana", "lamp", "click", 1_050_000, "l1", None),
        ("ana", "rug", "purchase", 1_160_000, "l2", 9.5),
        ("ana", "pan", "purchase", 1_100_001, "l1", 5.0),  # too late
        ("ana", "pan", "click", 999_999, "l1", None),  # before it was shown
        ("lou", "pan", "view", 1_010_000, "l3", None),  # no click
        ("lou", "rug", "click", 1_010_000, "l3", None),  # not of that list
    ) == {("l1", "lamp"): (True, False, 0.0), ("l2", "rug"): (True, True, 9.5)}


def test_one_that_names_none_follows_from_the_last_list_that_showed_it_if_that_is_wanted():
    rows = [
        ("ana", "lamp", "purchase", 1_070_000, None, 4.0),
        ("ana", "pan", "click", 1_090_000, None, None),
        ("lou", "pan", "click", 1_500_000, None, None),  # too late
        ("lou", "lamp", "click", 1_010_000, None, None),  # never shown to them
        ("max", "pan", "click", 1_010_000, None, None),
    ]
    assert joined(*rows) == {}
    assert joined(*rows, unnamed=True) == {
        ("l2", "lamp"): (True, True, 4.0),
        ("l1", "pan"): (True, False, 0.0),
    }


def test_purchases_add_up_and_nothing_is_no_trouble():
    twice = [("ana", "rug", "purchase", 1_070_000 + n, "l2", 2.0) for n in range(2)]
    assert joined(*twice)["l2", "rug"] == (True, True, 4.0)
    assert joined() == {}
    nothing = attributed(impressions_table([]), events(*twice), 100.0, unnamed=True)
    assert nothing.num_rows == 0
    with pytest.raises(BadInputError, match="window_s"):
        attributed(impressions_table([]), events(), 0.0)
