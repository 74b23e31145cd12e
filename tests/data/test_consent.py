"""No input whatsoever turns a no into a yes."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop_files import small_shop, write_shop

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.load import load_dataset
from coterie.errors import BadInputError

CONFIG = IngestConfig(max_bad_share=1.0, now=datetime(2025, 1, 1, tzinfo=UTC))
NO_WORDS = ("no", "NO", "false", "0", "n", "N", " f ")
YES_WORDS = ("yes", "true", "1", "Y", "t", "")


def consents(tmp_path, name, content):
    """What is made of the five people of a shop, or None where the run stops."""
    raw = Path(write_shop(tmp_path / "raw", small_shop()))
    (raw / name).write_bytes(content)
    out = str(tmp_path / "clean")
    try:
        ingest(str(raw), out, CONFIG)
    except BadInputError:
        return None
    data = load_dataset(out)
    flags = data.people.select(["may_be_named", "may_be_used"]).to_pylist()
    return dict(zip(data.users.ids.to_pylist(), flags, strict=True))


ROWS = [
    "u1,N,yes",
    "u1,yes,opted-out",
    "u1,maybe,maybe",
    "u1,-,",
    "u1,yes",
    "u1,no,no,really",
    'u1,"yes, please",yes',
    "Doe, u1,no",
    "u1,NULL,N/A",
    "u1,0.0,1",
]


@pytest.mark.parametrize("row", ROWS)
def test_whatever_is_not_yes_or_nothing_is_a_no(tmp_path, row):
    text = f"user_id,may_be_named,may_be_used\nu0,yes,yes\n{row}\nu2,yes,\n"
    found = consents(tmp_path, "users.csv", text.encode())
    assert not (found["u1"]["may_be_named"] and found["u1"]["may_be_used"])
    assert found["u0"] == found["u2"] == {"may_be_named": True, "may_be_used": True}


def test_it_is_counted_and_told(tmp_path):
    raw = Path(write_shop(tmp_path / "raw", small_shop()))
    text = "user_id,may_be_named,may_be_used\nu1,yes,opted-out\nu2,yes,ja\nu3,no,no,x\n"
    (raw / "users.csv").write_text(text)
    report = ingest(str(raw), str(tmp_path / "clean"), CONFIG)
    counts = report.tables["users"]
    assert (counts.read, counts.bad, counts.taken_as_no, counts.added) == (3, 1, 2, 1)
    assert report.reasons["users.may_be_used: neither yes nor no: taken as no"] == 2
    assert report.warnings[0].startswith(
        "2 rows of users have a consent that is neither yes nor no"
    )
    assert report.warnings[1] == "1 people whose row of users is bad are taken to refuse"
    told = pq.read_table(tmp_path / "clean" / "quarantine.parquet").to_pylist()
    assert [(r["row"], r["found"]) for r in told] == [(1, "opted-out"), (2, "ja"), (3, "u3")]


def test_who_has_a_good_row_as_well_refuses_and_is_not_added(tmp_path):
    raw = Path(write_shop(tmp_path / "raw", small_shop()))
    text = "user_id,may_be_named,may_be_used\nu3,yes,yes\nu3,yes,yes\nu3,no,no,x\nu4,no,no,x\n"
    (raw / "users.csv").write_text(text)
    counts = ingest(str(raw), str(tmp_path / "clean"), CONFIG).tables["users"]
    assert (counts.kept, counts.bad, counts.duplicates, counts.added) == (2, 2, 1, 1)
    people = load_dataset(str(tmp_path / "clean")).people.to_pylist()
    refusing = {p["user_id"] for p in people if not p["may_be_named"] and not p["may_be_used"]}
    assert refusing == {"u3", "u4"}


JSON_ROWS = [
    {"user_id": "u1", "may_be_used": {"ads": True}},
    {"user_id": "u1", "may_be_used": []},
    {"user_id": "u1", "may_be_used": 2},
    {"user_id": ["u1"], "may_be_used": "no"},
    {"user": "u1", "may_be_used": False},
    {"user_id": "u1", "may_be_used": 0.0},
]


@pytest.mark.parametrize("row", JSON_ROWS, ids=json.dumps)
def test_json_says_no_in_many_ways(tmp_path, row):
    lines = [{"user_id": "u0", "may_be_used": True}, row]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    found = consents(tmp_path, "users.jsonl", content)
    assert found["u0"]["may_be_used"]
    assert not (found["u1"]["may_be_named"] and found["u1"]["may_be_used"])


def test_of_two_words_in_one_object_no_counts(tmp_path):
    line = '{"user_id": "u1", "may_be_used": "no", "may_be_used": "yes"}'
    assert not consents(tmp_path, "users.jsonl", line.encode())["u1"]["may_be_used"]


def test_a_misspelt_key_far_down_stops_the_run(tmp_path):
    lines = [{"user_id": f"v{i}", "may_be_used": True} for i in range(1_500)]
    lines.append({"user_id": "u1", "may_be_usd": False})
    content = "\n".join(json.dumps(line) for line in lines).encode()
    assert consents(tmp_path, "users.jsonl", content) is None


@pytest.mark.parametrize("folder", ["may_be_used=no", "may_be_used=opted-out"])
def test_a_folder_may_say_no_for_all_in_it(tmp_path, folder):
    raw = Path(write_shop(tmp_path / "raw", small_shop()))
    (raw / "users" / folder).mkdir(parents=True)
    (raw / "users" / folder / "0.csv").write_text("user_id\nu1\n")
    ingest(str(raw), str(tmp_path / "clean"), CONFIG)
    data = load_dataset(str(tmp_path / "clean"))
    assert not data.people["may_be_used"].to_pylist()[data.users.row("u1")]


def test_parquet_says_no_in_many_types(tmp_path):
    for kind in (pa.bool_(), pa.int8(), pa.float64(), pa.string()):
        column = pa.array([0, 1], pa.int8()).cast(kind) if kind != pa.string() else ["no", "yes"]
        table = pa.table({"user_id": ["u1", "u2"], "may_be_named": column})
        out = pa.BufferOutputStream()
        pq.write_table(table, out)
        found = consents(tmp_path / str(kind), "users.parquet", out.getvalue().to_pybytes())
        assert [found[user]["may_be_named"] for user in ("u1", "u2")] == [False, True]


WORDS = st.one_of(
    st.sampled_from(YES_WORDS),
    st.sampled_from(NO_WORDS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
# Columns in any order, one that the contract does not know, and rows of any width.
ORDERS = st.permutations(["user_id", "may_be_named", "may_be_used", "name"])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=ORDERS,
    noise=st.lists(st.lists(WORDS, min_size=0, max_size=6), max_size=4),
    word=st.one_of(st.sampled_from(NO_WORDS), st.sampled_from(["opt-out", "?", "nope", "-1"])),
    other=WORDS,
    cut=st.integers(0, 3),
    extra=st.lists(WORDS, max_size=2),
    spoilt=st.booleans(),
)
def test_no_file_turns_a_no_into_a_yes(
    tmp_path_factory, order, noise, word, other, cut, extra, spoilt
):
    """Whatever stands around it: a row that holds u1 and a word that is no yes is a no."""
    row = {"user_id": "u1", "may_be_named": other, "may_be_used": word, "name": "Doe, Jo"}
    fields = [row[name] for name in order]
    if spoilt:
        fields = fields[: len(fields) - cut] + extra
        if "u1" not in [field.strip() for field in fields]:
            return
    text = io.StringIO()
    # A line's end of both makes the writer quote either: a bare one would begin another row.
    csv.writer(text, lineterminator="\r\n").writerows([order, *noise, fields])
    found = consents(
        tmp_path_factory.mktemp("consent"), "users.csv", text.getvalue().encode("utf-8")
    )
    if found is None:
        return
    if fields == [row[name] for name in order]:
        assert not found["u1"]["may_be_used"]
    elif len(fields) != len(order):
        assert not found["u1"]["may_be_used"]
        assert not found["u1"]["may_be_named"]
