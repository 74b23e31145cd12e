"""What is kept of shown lists, and read back."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.errors import BadInputError
from coterie.impressions.table import IMPRESSIONS, ShownList, impressions_table, read_impressions

SHOWN = ShownList(
    "0123456789ab-3e8-000000000000",
    "ana",
    1000,
    "home",
    "v1",
    "",
    "",
    "",
    ("pan", "lamp"),
    (1.0, 0.25),
)


def written(folder, *lists, name="a"):
    path = folder / "impressions" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(impressions_table(lists), path)


def test_a_list_becomes_a_row_an_item(tmp_path):
    written(tmp_path, replace(SHOWN, first_position=20))
    read = read_impressions(str(tmp_path))
    assert read.schema == IMPRESSIONS.arrow
    assert read["position"].to_pylist() == [20, 21]
    assert read["item_id"].to_pylist() == ["pan", "lamp"]
    assert read["propensity"].to_pylist() == [1.0, 0.25]


def test_what_was_written_twice_counts_once(tmp_path):
    earlier = replace(SHOWN, list_id="0123456789ab-3e7-000000000000", shown_ts_ms=999)
    written(tmp_path, SHOWN, earlier)
    written(tmp_path, SHOWN, name="b")
    read = read_impressions(str(tmp_path))
    assert read["shown_ts_ms"].to_pylist() == [999, 999, 1000, 1000]


def test_no_impressions_are_told_apart_from_bad_ones(tmp_path):
    with pytest.raises(BadInputError, match="holds no impressions"):
        read_impressions(str(tmp_path))
    written(tmp_path, replace(SHOWN, propensities=(1.0, 0.0)))
    with pytest.raises(BadInputError, match=r"propensity is 0\.0, not over 0"):
        read_impressions(str(tmp_path))


def test_missing_columns_are_named(tmp_path):
    (tmp_path / "impressions").mkdir()
    pq.write_table(pa.table({"list_id": ["a"]}), tmp_path / "impressions" / "a.parquet")
    with pytest.raises(BadInputError, match="lacks the columns item_id, position"):
        read_impressions(str(tmp_path))
