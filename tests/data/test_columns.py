from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from coterie.data.columns import MAX_LEAD_S, MAX_NUMBER, parse
from coterie.data.ids import MAX_ID
from coterie.errors import BadInputError
from coterie.schema import TABLES, Column

NOW = datetime(2025, 6, 1, tzinfo=UTC)
COLUMNS = {(t.name, c.name): c for t in TABLES.values() for c in t.columns}


def read(table: str, name: str, found: object, kind: pa.DataType | None = None):
    parsed = parse(COLUMNS[table, name], pa.array([found], kind), NOW)
    return parsed.value.to_pylist()[0], parsed.reason.to_pylist()[0]


@pytest.mark.parametrize(
    "found",
    [
        "2024-03-01T12:30:00Z",
        "2024-03-01 12:30:00",
        "2024-03-01T13:30:00+01:00",
        "2024-03-01T12:30",
        "1709296200",
        "1709296200000",
        "1709296200000000",
        "1709296200.0",
        1709296200,
        1709296200000,
        1709296200.0,
        "1709296200000000000",
        "2024-03-01 12:30:00 UTC",
        "2024-03-01T12:30:00 GMT",
        "2024-03-01 13:30:00 +0100",
        "20240301123000",
        "202403011230",
        datetime(2024, 3, 1, 12, 30),
        datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
    ],
)
def test_one_moment_has_many_spellings(found):
    assert read("events", "ts", found) == (datetime(2024, 3, 1, 12, 30, tzinfo=UTC), None)


def test_times_of_other_zones_and_units_are_the_same_moment():
    micros = int(datetime(2024, 3, 1, 12, 30, tzinfo=UTC).timestamp() * 1e6)
    for kind, units in ((pa.timestamp("ns", "Asia/Tokyo"), 1000), (pa.timestamp("us", "UTC"), 1)):
        found = pa.array([micros * units]).cast(kind)
        parsed = parse(COLUMNS["events", "ts"], found, NOW)
        assert parsed.value.cast(pa.int64()).to_pylist() == [micros]


@pytest.mark.parametrize("found", [date(2024, 3, 1), "2024-03-01", "20240301", 20240301])
def test_a_date_is_its_midnight(found):
    assert read("events", "ts", found) == (datetime(2024, 3, 1, tzinfo=UTC), None)


def test_a_clock_may_be_a_little_ahead():
    ahead = NOW + timedelta(seconds=MAX_LEAD_S)
    assert read("events", "ts", ahead.isoformat()) == (ahead, None)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ("yesterday", "no time in ISO 8601 or Unix form"),
        ("2024-02-30", "no time in ISO 8601 or Unix form"),
        ("01/02/2024", "no time in ISO 8601 or Unix form"),
        ("1e400", "no time in ISO 8601 or Unix form"),
        (float("nan"), "no time in ISO 8601 or Unix form"),
        ("1989-12-31T23:59:59Z", "before 1990"),
        ("0", "before 1990"),
        ("2025-06-01T00:05:01Z", "in the future"),
        ("45292", "a day number of a spreadsheet, expected a date"),
        ("45292.75", "a day number of a spreadsheet, expected a date"),
        (45292, "a day number of a spreadsheet, expected a date"),
        ("20240230", "no time in ISO 8601 or Unix form"),
        ("", "missing"),
        (None, "missing"),
    ],
)
def test_an_impossible_time_has_its_reason(found, reason):
    kind = pa.string() if found is None else None
    assert read("events", "ts", found, kind) == (None, reason)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("1.5", (1.5, None)),
        ("-2e3", (-2000.0, None)),
        (".5", (0.5, None)),
        (3, (3.0, None)),
        ("", (None, None)),
        ("nan", (None, "not a finite number")),
        ("-Infinity", (None, "not a finite number")),
        (float("inf"), (None, "not a finite number")),
        (float("nan"), (None, "not a finite number")),
        ("1,5", (None, "no number")),
        ("0x1F", (None, "no number")),
        ("1_000", (None, "no number")),
        ("ten", (None, "no number")),
        ("1e12", (MAX_NUMBER, None)),
        ("1e39", (None, "over 1e+12")),
        (-1e13, (None, "over 1e+12")),
    ],
)
def test_numbers_are_finite_or_bad(found, expected):
    assert read("events", "value", found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (" u1 ", ("u1", None)),
        (7, ("7", None)),
        ("12345678901234567890", ("12345678901234567890", None)),
        ("007", ("007", None)),
        ("a" * MAX_ID, ("a" * MAX_ID, None)),
        ("a" * (MAX_ID + 1), (None, f"longer than {MAX_ID} characters")),
        ("a\x07b", (None, "holds control characters")),
        ("a\u202eb", (None, "holds control characters")),
        ("  ", (None, "missing")),
        ("12.0", ("12", None)),
        (12.0, ("12", None)),
        (12.5, (None, "a number with a fraction, or too large to be exact")),
        (1e17, (None, "a number with a fraction, or too large to be exact")),
        ("NULL", (None, "a word that stands for a missing value")),
        ("1.2E+11", (None, "a number in a spreadsheet's short form, which has lost digits")),
    ],
)
def test_ids_stay_as_they_are_or_are_bad(found, expected):
    assert read("events", "user_id", found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (True, True),
        ("TRUE", True),
        ("1", True),
        ("Y", True),
        (1.0, True),
        (0, False),
        ("no", False),
        ("N", False),
        ("", None),
    ],
)
def test_flags_have_many_spellings(found, expected):
    assert read("items", "available", found) == (expected, None)


def test_a_flag_that_is_neither_is_bad():
    assert read("users", "may_be_used", "maybe") == (None, "neither yes nor no")


def test_kinds_are_read_in_any_case():
    assert read("events", "event", " Purchase ") == ("purchase", None)
    assert read("ties", "kind", "enemy") == (None, "none of friend, follow, trust, referral")


def test_a_long_text_is_cut_and_says_so():
    parsed = parse(COLUMNS["items", "title"], pa.array(["x" * 2000, "short"]), NOW)
    assert [len(t) for t in parsed.value.to_pylist()] == [1000, 5]
    assert parsed.cut.to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("user_id", pa.bool_()),
        ("text", pa.float64()),
        ("ts", pa.bool_()),
        ("value", pa.list_(pa.float64())),
    ],
)
def test_a_type_that_cannot_be_meant_is_refused(name, kind):
    with pytest.raises(BadInputError, match=f"column {name} is stored as"):
        parse(COLUMNS["events", name], pa.nulls(1, kind), NOW)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=lambda c: c.name)
def test_no_rows_are_no_trouble(column: Column):
    parsed = parse(column, pa.array([], pa.large_string()), NOW)
    assert parsed.value.type == column.type
    assert len(parsed.value) == len(parsed.reason) == 0


def test_a_category_may_be_a_list_of_texts():
    assert read("items", "category", ["Home", "Pans"]) == ("Home/Pans", None)
    assert read("items", "category", [], pa.list_(pa.string())) == (None, None)
