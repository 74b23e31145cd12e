"""Reviews in the texts of items: of the past, by people who may be used, and only where asked."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.content.encoder import EncodedBatch, unit_rows
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset, read_clean
from coterie.data.splits import choose
from coterie.errors import BadInputError
from coterie.schema import TIMESTAMP, UNDATED
from coterie.workflow.content import ContentSettings, encode_catalogue
from coterie.workflow.item_reviews import reviews_of
from tests.tiny_shop import write_raw

SETTINGS = '{"text": {"place": "default"}, "texts": {%s"max_reviews": 2}}'
READ = '"reviews": true, '


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Each event that is a review says which one it is, so that texts tell what was read."""
    home = tmp_path_factory.mktemp("shop")
    raw = write_raw(home / "raw")
    events = pq.read_table(raw / "events.parquet")
    told = [
        f"wrote-{one}" if event == "review" else None
        for one, event in zip(*(events[c].to_pylist() for c in ("event_id", "event")), strict=True)
    ]
    place = events.column_names.index("text")
    pq.write_table(events.set_column(place, "text", [told]), raw / "events.parquet")
    ingest(str(raw), str(home / "clean"))
    return str(home / "clean")


def texts_of(clean, out, more):
    """What an encoder is asked for."""
    asked = []

    class Listens:
        kind, name, digest, width = "text", "listens", "ab" * 32, 2

        def encode(self, batch):
            asked.extend(batch)
            return EncodedBatch(unit_rows(np.array([[1.0, 0.0]] * len(batch))), {})

    settings = ContentSettings.read(SETTINGS % more)
    encode_catalogue(clean, str(out), settings, make=lambda kind, choice, key: Listens())
    return "\n".join(asked)


def test_reviews_of_the_past_by_those_who_may_be_used_are_read(clean, tmp_path):
    _, tables = read_clean(clean)
    begins = choose(load_dataset(clean)).train.ts_ms.max()
    people = tables["users"].to_pylist()
    withheld = {one["user_id"] for one in people if not one["may_be_used"]}
    reviews = [one for one in tables["events"].to_pylist() if one["event"] == "review"]
    late = [one for one in reviews if one["ts"].timestamp() * 1000 > begins]
    theirs = [one for one in reviews if one["user_id"] in withheld]
    assert late  # or nothing would be left out here
    assert theirs
    newest = {}
    for one in reviews:
        if one not in late and one not in theirs:
            newest.setdefault(one["item_id"], []).append(one["text"])
    expected = {item: texts[-2:][::-1] for item, texts in newest.items()}
    assert reviews_of(clean, tables, 2) == expected
    read = re.findall(r"wrote-\S+", texts_of(clean, tmp_path, READ))
    assert sorted(read) == sorted(text for texts in expected.values() for text in texts)


def test_no_review_is_read_by_default(clean, tmp_path):
    assert "wrote-" not in texts_of(clean, tmp_path, "")


def test_reviews_of_no_known_time_are_refused(clean, tmp_path):
    raw = tmp_path / "raw"
    write_raw(raw)
    events = pq.read_table(raw / "events.parquet")
    place, never = events.column_names.index("ts"), pa.array([UNDATED] * len(events), TIMESTAMP)
    pq.write_table(events.set_column(place, "ts", never), raw / "events.parquet")
    ingest(str(raw), str(tmp_path / "clean"))
    with pytest.raises(BadInputError, match="no times of their own"):
        texts_of(str(tmp_path / "clean"), tmp_path / "out", READ)
