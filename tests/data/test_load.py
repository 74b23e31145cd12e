import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from shop_files import small_shop, write_shop

from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS


def loaded(tmp_path, shop):
    ingest(write_shop(tmp_path / "raw", shop), str(tmp_path / "clean"))
    return load_dataset(str(tmp_path / "clean"))


def test_arrays_say_what_the_tables_said(tmp_path):
    shop = small_shop()
    data = loaded(tmp_path, shop)
    events = data.events
    seen = {
        (
            data.users.to_ids(events.user_idx[[i]])[0],
            data.items.to_ids(events.item_idx[[i]])[0],
            EVENT_KINDS[events.kind[i]],
        )
        for i in range(len(events))
    }
    assert seen == {(r["user_id"], r["item_id"], r["event"]) for r in shop["events"]}
    assert (np.diff(events.ts_ms) >= 0).all()
    assert np.isnan(events.value).all()
    assert (data.part == -1).all()
    assert events.ts_ms[0] == 1_704_103_200_000
    assert (events.referrer_idx >= 0).sum() == 4
    assert data.catalogue["item_id"].to_pylist() == data.items.ids.to_pylist()
    assert data.people["user_id"].to_pylist() == data.users.ids.to_pylist()
    assert len(data.ties) == 10
    assert (data.ties.since_ms == 0).all()


def test_everybody_who_is_named_anywhere_has_a_row(tmp_path):
    shop = small_shop()
    shop["events"][0]["referrer_user_id"] = "only-refers"
    shop["ties"].append({"src_user_id": "only-follows", "dst_user_id": "u0", "kind": "follow"})
    shop["users"] = [{"user_id": "only-listed", "may_be_named": "", "may_be_used": ""}]
    shop["events"][1] |= {"event": "share", "invited_user_id": "only-asked"}
    data = loaded(tmp_path, shop)
    ids = data.users.ids.to_pylist()
    others = ["only-asked", "only-follows", "only-listed", "only-refers"]
    assert ids == [*others, "u0", "u1", "u2", "u3", "u4"]
    assert data.users.to_ids(data.asked.user_idx) == ["only-asked"]
    assert data.asked.ts_ms[0] in data.events.ts_ms


def test_who_may_not_be_used_serves_nobody_but_keeps_their_own_ties_and_events(tmp_path):
    shop = small_shop()
    shop["users"] = [{"user_id": "u1", "may_be_named": "false", "may_be_used": "false"}]
    data = loaded(tmp_path, shop)
    hidden = data.users.row("u1")
    assert hidden not in data.events.user_idx
    assert hidden not in data.events.referrer_idx
    assert hidden not in data.ties.dst_idx
    assert (data.ties.src_idx == hidden).sum() == 2
    assert len(data.events) == len(data.part) == 32
    assert set(data.withheld.user_idx) == {hidden}
    assert len(data.withheld) == 8
    assert data.people["may_be_used"].to_pylist() == [True, False, True, True, True]


def spoil_table(clean):
    table = pq.read_table(clean / "items.parquet")
    pq.write_table(table.slice(1), clean / "items.parquet")


def spoil_bytes(clean):
    content = bytearray((clean / "events.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (clean / "events.parquet").write_bytes(content)


def spoil_schema(clean):
    report = json.loads((clean / "ingest.json").read_text()) | {"schema_version": 99}
    (clean / "ingest.json").write_text(json.dumps(report))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_table, r"items.parquet is not the file that ingest wrote"),
        (spoil_bytes, r"events.parquet is not the file that ingest wrote"),
        (spoil_schema, "written for schema 99, this is schema 1"),
        (lambda clean: (clean / "ties.parquet").unlink(), r"lacks ties.parquet"),
        (lambda clean: (clean / "ingest.json").unlink(), r"has no ingest.json"),
        (lambda clean: (clean / "ingest.json").write_text("{"), r"ingest.json is no JSON"),
        (lambda clean: (clean / "ingest.json").write_text("[]"), r"ingest.json is no JSON"),
    ],
)
def test_a_folder_that_ingest_did_not_leave_so_is_refused(tmp_path, spoil, said):
    loaded(tmp_path, small_shop())
    spoil(tmp_path / "clean")
    with pytest.raises(BadInputError, match=said):
        load_dataset(str(tmp_path / "clean"))


def test_a_folder_that_was_cleaned_before_there_were_tags_has_items_without(tmp_path):
    loaded(tmp_path, small_shop())
    clean = tmp_path / "clean"
    items = pq.read_table(clean / "items.parquet")
    pq.write_table(items.drop_columns(["tags"]), clean / "items.parquet")
    report = json.loads((clean / "ingest.json").read_text())
    data = (clean / "items.parquet").read_bytes()
    report["files"]["items.parquet"] = hashlib.sha256(data).hexdigest()
    (clean / "ingest.json").write_text(json.dumps(report))
    catalogue = load_dataset(str(clean)).catalogue
    assert catalogue["tags"].null_count == catalogue.num_rows > 0
