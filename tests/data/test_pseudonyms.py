"""Pseudonyms: of one id, of columns of them, under one key and under a chain."""

import base64
import hashlib
import hmac
import stat
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.changes import Change, tie_key
from coterie.data.ids import normal_id
from coterie.data.ingest import IngestConfig, ingest
from coterie.data.pseudonymous import PseudonymousRows, renewed_changes, suppressed_before
from coterie.data.pseudonyms import (
    NO_KEYS,
    PseudonymKeys,
    add_key,
    is_pseudonym,
    read_secrets,
)
from coterie.data.suppressed import Suppressed
from coterie.errors import BadInputError
from coterie.schema import TieKind

FIRST, SECOND = "1" * 32, "second-key-0123456789abcdef0123456"
ONE, BOTH = PseudonymKeys([FIRST]), PseudonymKeys([FIRST, SECOND])
EXPORTED = "events/0a1b2c3d-000000000000001-000000000000009.parquet"
IDS = st.text(min_size=1, max_size=40).filter(lambda text: _is_id(text))


def _is_id(text):
    try:
        return normal_id(text) == text
    except BadInputError:
        return False


def test_a_pseudonym_is_128_bits_of_an_hmac_sha_256():
    made = ONE.of("Zoë")
    digest = hmac.new(FIRST.encode(), "Zoë".encode(), hashlib.sha256).digest()[:16]
    written = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert made == f"ps-{ONE.name}-{written}"
    assert is_pseudonym(made)
    assert normal_id(made) == made


def test_the_next_key_is_over_the_pseudonym_of_the_one_before():
    assert BOTH.lineage("ana") == ("ana", ONE.of("ana"), BOTH.of("ana"))
    assert BOTH.of(ONE.of("ana")) == BOTH.of("ana")
    alone = PseudonymKeys([SECOND])
    assert BOTH.of("ana") == alone.prefix + _end(_digest_of(SECOND, ONE.of("ana")))


def _digest_of(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()[:16]


def _end(digest):
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@settings(max_examples=25)
@given(st.lists(IDS, max_size=20))
def test_columns_get_what_each_id_gets(ids):
    column = pa.chunked_array([pa.array([*ids, None, *ids[:3]], pa.string())])
    for keys in (ONE, BOTH):
        found = PseudonymousRows(keys).newest(column).to_pylist()
        assert found == [*map(keys.of, ids), None, *map(keys.of, ids[:3])]


def test_columns_of_older_and_newer_pseudonyms_meet():
    column = pa.chunked_array([[ONE.of("ana"), "ana", BOTH.of("ana"), None, "bea"]])
    found = PseudonymousRows(BOTH).newest(column).to_pylist()
    assert found == [BOTH.of("ana")] * 3 + [None, BOTH.of("bea")]


def test_more_ids_than_are_remembered_make_no_difference(monkeypatch):
    monkeypatch.setattr("coterie.data.pseudonymous._REMEMBERED", 3)
    rows, ids = PseudonymousRows(ONE), [f"u{n}" for n in range(9)]
    for part in (ids[:2], ids, ids[1:4]):
        assert rows.newest(pa.chunked_array([part])).to_pylist() == [ONE.of(one) for one in part]


def test_a_pseudonym_of_another_key_is_refused_and_the_key_it_names_is_told():
    other = PseudonymKeys([SECOND]).of("ana")
    with pytest.raises(BadInputError, match=f"names key {other[3:11]}, expected one of {ONE.name}"):
        ONE.of(other)
    with pytest.raises(BadInputError, match="a key that is not among those given"):
        PseudonymousRows(ONE).newest(pa.chunked_array([[other]]))


def test_without_keys_ids_stay_as_they_are():
    assert (NO_KEYS.of("ana"), NO_KEYS.lineage("ana"), bool(NO_KEYS)) == ("ana", ("ana",), False)
    assert PseudonymKeys.read({}) == NO_KEYS


@pytest.mark.parametrize("secret", ["short" * 6, "é" * 40, "has a space in it " * 3])
def test_what_is_no_key_is_refused_and_not_shown(secret):
    with pytest.raises(BadInputError, match="expected at least 32") as refused:
        PseudonymKeys.read({"COTERIE_PSEUDONYM_KEY": f"{FIRST}\n{secret}"})
    assert secret not in str(refused.value)
    assert FIRST not in str(refused.value)
    assert "key 2 of 2" in str(refused.value)


def test_no_key_is_shown():
    for text in (repr(BOTH), str(BOTH), repr(IngestConfig(pseudonyms=BOTH))):
        assert FIRST not in text
        assert SECOND not in text


def test_keys_come_from_one_place(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# oldest first\n{FIRST}\n\n{SECOND}\n")
    assert PseudonymKeys.read({"COTERIE_PSEUDONYM_KEY_FILE": str(file)}) == BOTH
    assert PseudonymKeys.read({"COTERIE_PSEUDONYM_KEY": file.read_text()}) == BOTH
    both = {"COTERIE_PSEUDONYM_KEY_FILE": str(file), "COTERIE_PSEUDONYM_KEY": FIRST}
    with pytest.raises(BadInputError, match="both set"):
        PseudonymKeys.read(both)
    with pytest.raises(BadInputError, match="given twice"):
        PseudonymKeys([FIRST, FIRST])
    with pytest.raises(BadInputError, match="cannot read the pseudonym keys"):
        PseudonymKeys.given("", str(tmp_path / "missing"))
    file.write_text("# none\n")
    with pytest.raises(BadInputError, match="holds no pseudonym key"):
        read_secrets(str(file))


def test_a_file_of_keys_is_begun_and_added_to(tmp_path):
    file = tmp_path / "keys"
    first = add_key(str(file))
    second = add_key(str(file))
    assert (len(first), len(second)) == (1, 2)
    assert second.of(first.of("ana")) == second.of("ana")
    assert PseudonymKeys.given("", str(file)) == second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_who_was_erased_is_known_under_every_key():
    mark = Suppressed().mark_for("ana"), Suppressed().mark_for(ONE.of("bea"))
    gone = suppressed_before(Suppressed(mark), BOTH)
    assert ("ana" in gone, "bea" in gone, "cleo" in gone) == (True, True, False)
    assert (BOTH.of("ana") in gone, ONE.of("bea") in gone) == (False, True)
    assert gone.among(pa.array(["ana", "cleo", None, "bea"])).to_pylist() == [
        True,
        False,
        False,
        True,
    ]


def test_changes_are_brought_to_the_newest_key_and_the_erased_left_out():
    mark = Suppressed().mark_for(ONE.of("gone"))
    tie = ("ana", "bea", "friend")
    changes = [
        Change("1", "ties", tie, 1, True),
        Change("2", "ties", (ONE.of("ana"), ONE.of("gone"), "follow"), 2, True),
        Change("3", "users", (ONE.of("bea"),), 3, True, {"may_be_named": False}),
        Change("4", "items", ("item",), 4, True),
        Change("5", "erased", (mark,), 5, True),
    ]
    found = renewed_changes(changes, BOTH)
    friends = tuple(sorted((BOTH.of("ana"), BOTH.of("bea"))))
    assert [one.key for one in found] == [
        (*friends, "friend"),
        (BOTH.of("bea"),),
        ("item",),
        (mark,),
    ]
    assert renewed_changes(changes, NO_KEYS) == changes


def test_a_friendship_has_one_key_whichever_friend_comes_first_inside():
    pairs = list(combinations(("ana", "bea", "cleo", "dan", "eve", "fay"), 2))
    ties = [Change(a + b, "ties", (a, b, "friend"), 1, True) for a, b in pairs]
    found = [one.key for one in renewed_changes(ties, ONE)]
    assert found == [tie_key(ONE.of(a), ONE.of(b), TieKind.FRIEND) for a, b in pairs]
    # Both orders are among them.
    assert {key[0] == ONE.of(a) for key, (a, _) in zip(found, pairs, strict=True)} == {True, False}


def raw(folder, **events):
    """A shop whose files say something of three people."""
    folder.mkdir()
    base = {"event_id": ["1", "2"], "user_id": ["ana", "bea"], "item_id": ["i", "i"]}
    base |= {"event": ["view", "view"], "ts": ["2024-01-01", "2024-01-02"]}
    pq.write_table(pa.table(base | events), folder / "events.parquet")
    pq.write_table(pa.table({"item_id": ["i"], "title": ["t"]}), folder / "items.parquet")
    ties = {"src_user_id": ["ana"], "dst_user_id": ["bea"], "kind": ["friend"]}
    pq.write_table(pa.table(ties), folder / "ties.parquet")
    users = {"user_id": ["ana", None], "may_be_named": ["no", "bea"], "may_be_used": ["yes", "no"]}
    pq.write_table(pa.table(users), folder / "users.parquet")
    return folder


LENIENT = IngestConfig(max_bad_share=1.0, pseudonyms=BOTH)


def clean(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_ingest_takes_exported_pseudonyms_beside_ids(tmp_path):
    source, out = raw(tmp_path / "raw"), tmp_path / "clean"
    (source / "events").mkdir()
    exported = {"event_id": ["3", "4"], "user_id": [ONE.of("ana"), BOTH.of("cleo")]}
    exported |= {"item_id": ["i", "i"], "event": ["view", "cart"], "ts": ["2024-01-03"] * 2}
    exported["referrer_user_id"] = [None, "bea"]
    pq.write_table(pa.table(exported), source / EXPORTED)
    report = ingest(str(source), str(out), LENIENT)
    events = {row["event_id"]: row for row in clean(out, "events")}
    assert {key: row["user_id"] for key, row in events.items()} == {
        "1": BOTH.of("ana"),
        "2": BOTH.of("bea"),
        "3": BOTH.of("ana"),
        "4": BOTH.of("cleo"),
    }
    assert events["4"]["referrer_user_id"] == BOTH.of("bea")
    assert {row["src_user_id"] for row in clean(out, "ties")} == {BOTH.of("ana"), BOTH.of("bea")}
    assert report.pseudonym_key == BOTH.name


def test_a_refusal_in_a_bad_row_finds_its_person_under_their_pseudonym(tmp_path):
    source, out = raw(tmp_path / "raw"), tmp_path / "clean"
    ingest(str(source), str(out), LENIENT)
    users = {row["user_id"]: row["may_be_named"] for row in clean(out, "users")}
    assert users == {BOTH.of("ana"): False, BOTH.of("bea"): False}


def test_quarantine_keeps_no_value_that_may_be_an_id(tmp_path):
    source, out = raw(tmp_path / "raw", event=["view", "bea"]), tmp_path / "clean"
    ingest(str(source), str(out), LENIENT)
    bad = [row for row in clean(out, "quarantine") if row["table"] == "events"]
    assert [(row["row"], row["column"], row["found"]) for row in bad] == [
        (2, "event", "kept back: it may be an id")
    ]


def test_who_calls_himself_by_the_pseudonym_of_another_is_not_the_other(tmp_path):
    source, out = raw(tmp_path / "raw", user_id=["ana", BOTH.of("ana")]), tmp_path / "clean"
    report = ingest(str(source), str(out), LENIENT)
    assert [row["event_id"] for row in clean(out, "events")] == ["1"]
    (reason,) = [one for one in report.reasons if one.startswith("events.")]
    assert reason == "events.user_id: has the form of a pseudonym: send the id that the shop has"
