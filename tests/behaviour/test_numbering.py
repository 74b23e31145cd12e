"""Numbers of segments stay where most of the people do."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie.behaviour.columns import PEOPLE_FILE
from coterie.behaviour.numbering import earlier_numbers, numbers_of
from coterie.behaviour.study import study_behaviour
from coterie.data.ingest import ingest
from coterie.errors import BadInputError
from coterie.schema import SEGMENT
from coterie.workflow.behaviour import REPORT_FILE, analyse_behaviour, read_behaviour_settings
from tests.tiny_shop import write_raw

QUICK = ("most_segments=3", "refits=2", "moments=1", "items=1", "weeks=1", "windows=2")


def numbered(label, earlier):
    label, earlier = np.array(label), np.array(earlier)
    return numbers_of(label, earlier, int(label.max()) + 1).tolist()


def test_segments_whose_sizes_change_places_keep_their_numbers():
    assert numbered([0] * 6 + [1] * 4, [1] * 6 + [0] * 4) == [1, 0]
    # Some moved, and who is new or was not known says nothing.
    assert numbered([0] * 6 + [1] * 4 + [0] * 9, [1] * 5 + [0] * 5 + [-1] * 9) == [1, 0]


def test_of_a_segment_that_was_split_the_greater_part_keeps_the_number():
    assert numbered([0] * 6 + [1] * 4 + [2] * 5, [0] * 10 + [1] * 5) == [0, 2, 1]
    assert numbered([0] * 5 + [1] * 5, [0] * 10) == [1, 2], "no half is the whole"


def test_what_two_became_is_one_of_them_or_new():
    assert numbered([0] * 10, [0] * 7 + [1] * 3) == [0]
    assert numbered([0] * 10, [0] * 5 + [1] * 5) == [2]


def test_without_an_earlier_run_segments_are_numbered_by_size():
    assert numbered([0, 0, 1, -1], [-1] * 4) == [0, 1]


def test_earlier_numbers_are_read_by_id(tmp_path):
    users, path = pa.array(["ana", "bea", "cleo"]), tmp_path / "people.parquet"
    for none in ("", str(path)):
        assert earlier_numbers(none, users).tolist() == [-1, -1, -1]
    pq.write_table(pa.table({"user_id": ["cleo", "dan", "bea"], SEGMENT: [4, 1, None]}), path)
    assert earlier_numbers(str(path), users).tolist() == [-1, -1, 4]
    pq.write_table(pa.table({"user_id": ["cleo"], SEGMENT: pa.nulls(1)}), path)
    assert earlier_numbers(str(path), users).tolist() == [-1, -1, -1]
    pq.write_table(pa.table({"user_id": ["cleo"]}), path)
    with pytest.raises(BadInputError, match="holds no segments"):
        earlier_numbers(str(path), users)


def test_a_run_goes_on_with_the_numbers_of_the_one_before(tmp_path, monkeypatch):
    found = []

    def study_once(*given):
        """The same of the same tables, which takes its time."""
        found.extend([study_behaviour(*given)] if not found else [])
        return found[0]

    monkeypatch.setattr("coterie.workflow.behaviour.study_behaviour", study_once)
    raw, out = write_raw(tmp_path / "raw"), tmp_path / "out"
    ingest(str(raw), str(tmp_path / "clean"))
    settings = read_behaviour_settings(*QUICK)
    analyse_behaviour(str(tmp_path / "clean"), str(out), settings)
    first = pq.read_table(out / PEOPLE_FILE)
    moved = first.set_column(1, SEGMENT, pc.add(first[SEGMENT], 5))
    pq.write_table(moved, out / PEOPLE_FILE)
    figures = analyse_behaviour(str(tmp_path / "clean"), str(out), settings)
    assert pq.read_table(out / PEOPLE_FILE) == moved
    numbers = [one["number"] for one in figures["segments"]["chosen"]]
    assert numbers == list(range(5, 5 + len(numbers)))
    page = (out / REPORT_FILE).read_text()
    assert all(f">{number}<" in page for number in numbers)
