"""Exported files under the newest key."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.data.changed_tables import exported_changes
from coterie.data.changes import Change, changes_as_table
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.errors import BadInputError
from coterie.privacy.renew import renew

ONE, BOTH = PseudonymKeys(["1" * 32]), PseudonymKeys(["1" * 32, "2" * 32])
NAME = "0a1b2c3d-000000000000001-000000000000009.parquet"


@pytest.fixture
def exported(tmp_path):
    """Files of the consumer, and one of the shop beside them."""
    for name in ("events", "changes", "impressions"):
        (tmp_path / name).mkdir()
    events = pa.table({"user_id": [ONE.of("ana"), "bea"], "referrer_user_id": ["bea", None]})
    pq.write_table(events, tmp_path / "events" / NAME)
    pq.write_table(events, tmp_path / "events" / "mine.parquet")
    pq.write_table(pa.table({"user_id": [ONE.of("ana")]}), tmp_path / "impressions" / NAME)
    said = [Change("1", "users", (ONE.of("ana"),), 1, True, {"may_be_named": False})]
    pq.write_table(changes_as_table(said), tmp_path / "changes" / NAME)
    return tmp_path


def test_what_the_consumer_wrote_is_brought_to_the_newest_key(exported):
    mine = (exported / "events" / "mine.parquet").read_bytes()
    assert renew(str(exported), BOTH) == 3
    shown = pq.read_table(exported / "impressions" / NAME).to_pydict()
    assert shown["user_id"] == [BOTH.of("ana")]
    rows = pq.read_table(exported / "events" / NAME).to_pydict()
    assert rows["user_id"] == [BOTH.of("ana"), BOTH.of("bea")]
    assert rows["referrer_user_id"] == [BOTH.of("bea"), None]
    assert [one.key for one in exported_changes(str(exported))] == [(BOTH.of("ana"),)]
    assert (exported / "events" / "mine.parquet").read_bytes() == mine
    assert renew(str(exported), BOTH) == 0


def test_a_file_under_a_key_that_is_not_given_is_named(exported):
    with pytest.raises(BadInputError, match=rf"{NAME}: found a pseudonym under a key"):
        renew(str(exported), PseudonymKeys(["3" * 32]))
    with pytest.raises(BadInputError, match="no pseudonym key"):
        renew(str(exported), NO_KEYS)
