import json

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.mapping.document import parse_mapping
from coterie.errors import BadInputError

MAPPING = """
events:
  - file: log-*.csv
    columns:
      event_id: {digest: [who, what, when]}
      user_id: who
      item_id: what
      event: {from: did, words: {looked: view, bought: purchase}, drop: [left]}
      ts: when
ties: none
items: {from: events, title: name}
"""
ROWS = "who,what,did,when,name\nann,i1,looked,2021-01-01,Cup\nbo,i2,bought,2021-01-02,Pan\n"


def write(tmp_path, **files):
    folder = tmp_path / "export"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_csv", ".csv").replace("__", "-")).write_text(text)
    return str(folder)


def take_in(tmp_path, folder, text=MAPPING, **config):
    out = tmp_path / "clean"
    ingest(folder, str(out), IngestConfig(**config), mapping=parse_mapping(text))
    return out


def test_a_mapped_folder_becomes_clean_tables(tmp_path):
    folder = write(tmp_path, log__1_csv=ROWS, log__2_csv=ROWS.replace("2021", "2022"), _csv="x")
    out = take_in(tmp_path, folder)
    events = pq.read_table(out / "events.parquet")
    assert events["user_id"].to_pylist() == ["ann", "bo", "ann", "bo"]
    assert events["event"].to_pylist() == ["view", "purchase", "view", "purchase"]
    assert pq.read_table(out / "items.parquet")["title"].to_pylist() == ["Cup", "Pan"]
    report = json.loads((out / "ingest.json").read_text())
    assert report["sources"]["events"] == {"log-1.csv": 2, "log-2.csv": 2}
    assert [found["file"] for found in report["passed_over"]] == [".csv"]


def test_the_same_export_again_gives_the_same_events(tmp_path):
    folder = write(tmp_path, log__1_csv=ROWS)
    first = pq.read_table(take_in(tmp_path, folder) / "events.parquet")
    # A later export overlaps with the one before.
    write(tmp_path, log__2_csv=ROWS + "cy,i1,bought,2021-03-01,Cup\n")
    second = pq.read_table(take_in(tmp_path, folder) / "events.parquet")
    assert second["event_id"].to_pylist()[:2] == first["event_id"].to_pylist()
    assert second.num_rows == 3
    report = json.loads((tmp_path / "clean" / "ingest.json").read_text())
    assert report["tables"]["events"]["duplicates"] == 2


def test_what_the_mapping_leaves_out_is_counted_and_said(tmp_path):
    more = "cy,i1,left,2021-03-01,Cup\n" * 3
    out = take_in(tmp_path, write(tmp_path, log__1_csv=ROWS + more))
    report = json.loads((out / "ingest.json").read_text())
    assert report["dropped"] == {"events": {"event is one of left": 3}}
    assert report["tables"]["events"]["read"] == 2
    assert report["notes"][0] == "no ties: every list draws on its shopper's own history alone"


def test_a_row_that_fits_no_rule_is_put_aside_with_its_place(tmp_path):
    more = "cy,i1,left,2021-03-01,Cup\ncy,i1,poked,2021-03-01,Cup\n"
    out = take_in(tmp_path, write(tmp_path, log__1_csv=ROWS + more), max_bad_share=0.5)
    (bad,) = pq.read_table(out / "quarantine.parquet").to_pylist()
    assert (bad["file"], bad["row"], bad["column"]) == ("log-1.csv", 4, "event")
    assert "none of the mapping's words: looked, bought, left" in bad["reason"]


def test_all_that_does_not_fit_the_folder_is_told_at_once(tmp_path):
    folder = write(tmp_path, log__1_csv=ROWS.replace("who", "user"))
    text = MAPPING.replace("title: name", "title: nom") + "users:\n  - file: people.csv\n"
    text += "    columns: {user_id: id}\n"
    with pytest.raises(BadInputError) as error:
        take_in(tmp_path, folder, text)
    told = str(error.value)
    assert "has 3 faults" in told
    assert "events: log-1.csv has no column 'who', only user, what, did, when, name" in told
    assert "items: no file of events has a column 'nom'" in told
    assert "users: no file is called people.csv" in told


def test_a_key_that_no_line_of_json_has_is_no_empty_column(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    row = {"who": "ann", "what": "i1", "did": "looked", "when": "2021-01-01", "name": "Cup"}
    (folder / "log-1.jsonl").write_text(json.dumps(row) + "\n")
    text = MAPPING.replace("log-*.csv", "log-*.jsonl")
    assert take_in(tmp_path, str(folder), text)
    with pytest.raises(BadInputError, match=r"no row of log-1.jsonl has wen"):
        take_in(tmp_path, str(folder), text.replace("ts: when", "ts: wen"))


USERS = """
users:
  - file: people.csv
    columns:
      user_id: id
      may_be_named: {from: named, words: {yes: "yes", no: "no", opted in: "yes"}}
      may_be_used: used
"""
SAID = st.sampled_from(["yes", "no", "", "opted in", "opted out", "NO ", "0", "maybe", "nein", "N"])


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(["ann", "bo"]), SAID, SAID), min_size=1, max_size=6))
def test_nothing_in_a_mapped_file_turns_a_no_into_a_yes(tmp_path, people):
    rows = "".join(",".join(row) + "\n" for row in people)
    folder = write(tmp_path, log__1_csv=ROWS, people_csv="id,named,used\n" + rows)
    out = take_in(tmp_path, folder, MAPPING + USERS, max_bad_share=1)
    clean = {row["user_id"]: row for row in pq.read_table(out / "users.parquet").to_pylist()}
    for user, named, used in people:
        if named not in ("yes", "opted in", ""):
            assert not clean[user]["may_be_named"], (user, named)
        if used not in ("yes", ""):
            assert not clean[user]["may_be_used"], (user, used)


@pytest.mark.parametrize(
    "rule",
    [
        "{from: named, missing: drop}",
        "{from: named, empty: [no]}",
        "{from: a, words: {b: no}, drop: [no]}",
    ],
)
def test_no_rule_of_users_may_leave_out_what_a_person_said(rule):
    with pytest.raises(BadInputError, match="is unknown"):
        parse_mapping(MAPPING + USERS.replace("used\n", rule + "\n"))
