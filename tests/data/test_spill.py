"""Rows that do not fit into memory come out as those that do."""

from datetime import UTC, datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop_files import small_shop, write_shop

from coterie.data import spill
from coterie.data.clean import keys_of, settle
from coterie.data.ingest import IngestConfig, clean_files, ingest
from coterie.data.spill import ROW_OFFSET, Spill, sorted_by
from coterie.schema import EVENTS, ITEMS, TIES, USERS

IDS = st.sampled_from(["a", "b", "c", "item-1", "item-10", "\u00e9", "zz", "x" * 40])
FLAGS = st.booleans()


def spilled(folder, table, rows, chunk, bucket_rows):
    held = Spill(folder, keys_of(table), len(rows), bucket_rows)
    whole = pa.Table.from_pylist(rows, schema=table.arrow)
    whole = whole.append_column(ROW_OFFSET, pa.array(np.arange(len(rows))))
    for start in range(0, len(rows), chunk):
        held.add(whole.slice(start, chunk))
    parts = [part.select(table.arrow.names) for part in held.settled(partial(settle, table))]
    return pa.concat_tables([table.arrow.empty_table(), *parts]).to_pylist()


ROWS = {
    EVENTS.name: st.fixed_dictionaries(
        {
            "event_id": IDS,
            "user_id": IDS,
            "ts": st.integers(0, 3).map(lambda s: datetime(2024, 1, 1, second=s, tzinfo=UTC)),
        }
    ),
    TIES.name: st.fixed_dictionaries(
        {
            "src_user_id": IDS,
            "dst_user_id": IDS,
            "kind": st.sampled_from(["friend", "follow"]),
            "weight": st.floats(1, 9),
        }
    ).filter(lambda row: row["src_user_id"] != row["dst_user_id"]),
    ITEMS.name: st.fixed_dictionaries({"item_id": IDS, "title": IDS, "available": FLAGS}),
    USERS.name: st.fixed_dictionaries(
        {"user_id": IDS, "may_be_named": FLAGS, "may_be_used": FLAGS}
    ),
}


def expected(table, rows):
    """The same by a loop that anybody can read."""
    found = {}
    if table is TIES:
        back = {"src_user_id": "dst_user_id", "dst_user_id": "src_user_id"}
        rows = rows + [
            {back.get(k, k): v for k, v in row.items()} for row in rows if row["kind"] == "friend"
        ]
    for row in rows:
        key = tuple(row[name] for name in table.key)
        before = found.get(key)
        if before is None or table is ITEMS:
            found[key] = dict(row)
        for flag in ("available", "may_be_named", "may_be_used"):
            if before is not None and flag in row:
                found[key][flag] = before[flag] and row[flag]
    return sorted(found.values(), key=lambda row: [row[name] for name in table.order])


@pytest.mark.parametrize("table", [EVENTS, TIES, ITEMS, USERS], ids=lambda t: t.name)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), chunk=st.integers(1, 7), bucket_rows=st.sampled_from([2, 5, 100]))
def test_one_row_a_key_is_left_in_order_however_the_rows_are_cut(
    tmp_path_factory, monkeypatch, table, data, chunk, bucket_rows
):
    rows = data.draw(st.lists(ROWS[table.name], min_size=1, max_size=25))
    monkeypatch.setattr(spill, "BUCKET_ROWS", 4)
    folder = tmp_path_factory.mktemp("spill") / table.name
    found = spilled(folder, table, rows, chunk, bucket_rows)
    names = list(rows[0])
    assert [{name: row[name] for name in names} for row in found] == expected(table, rows)


def test_ingest_writes_the_same_bytes_in_one_part_and_in_many(tmp_path, monkeypatch):
    shop = small_shop()
    shop["events"] += shop["events"][5:9]
    shop["events"][3]["ts"] = "never"
    source = write_shop(tmp_path / "raw", shop)
    ingest(source, str(tmp_path / "one"), IngestConfig(max_bad_share=0.5))
    monkeypatch.setattr(spill, "BUCKET_ROWS", 7)
    monkeypatch.setattr(Spill.__init__, "__defaults__", (7,))
    monkeypatch.setattr("coterie.data.delimited._BLOCK_BYTES", 600)
    ingest(source, str(tmp_path / "many"), IngestConfig(max_bad_share=0.5))
    for name in clean_files():
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_sorting_by_time_then_text_is_sorting_by_both():
    rng = np.random.default_rng(0)
    times = pa.array(rng.integers(0, 50, 1_000)).cast(pa.timestamp("us", "UTC"))
    rows = pa.table({"ts": times, "event_id": pa.array(rng.permutation(1_000)).cast(pa.string())})
    order = pc.sort_indices(rows, [("ts", "ascending"), ("event_id", "ascending")])
    assert sorted_by(rows, ["ts", "event_id"]).equals(rows.take(order))
