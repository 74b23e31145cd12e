"""Keys of pseudonyms before an app starts, and when a log is restored."""

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry

from coterie.data.changes import CHANGES, Change, changes_as_table
from coterie.data.ingest import IngestConfig, ingest
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.errors import BadInputError
from coterie.probes import Starting
from serving import consumer
from serving.events.open import open_log, open_rows
from serving.launch import preflight
from serving.launch.people_key import agree_on_people, compare_people
from serving.settings import Settings

FIRST, SECOND = "1" * 32, "2" * 32
ONE, BOTH = PseudonymKeys([FIRST]), PseudonymKeys([FIRST, SECOND])
NAME = "0a1b2c3d-000000000000001-000000000000009.parquet"


def clean(folder, keys):
    """Tables of two people, under these keys."""
    (folder / "raw").mkdir(parents=True)
    events = {"event_id": ["1"], "user_id": ["ana"], "item_id": ["i"], "event": ["view"]}
    events["ts"] = ["2024-01-01"]
    ties = {"src_user_id": ["ana"], "dst_user_id": ["bea"], "kind": ["friend"]}
    tables = {"events": events, "ties": ties, "items": {"item_id": ["i"], "title": ["t"]}}
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / "raw" / f"{name}.parquet")
    ingest(str(folder / "raw"), str(folder / "clean"), IngestConfig(pseudonyms=keys))
    return str(folder / "clean")


def look(shoppers, key, host="192.0.2.1"):
    settings = Settings("r", host=host, storefront=True, shoppers=shoppers, pseudonym_key=key)
    preflight._check_pseudonyms(settings)


@pytest.mark.parametrize(
    ("keys", "own"),
    [(NO_KEYS, ""), (ONE, FIRST), (BOTH, f"{FIRST}\n{SECOND}")],
    ids=["none", "one", "two"],
)
def test_tables_are_served_under_the_key_that_they_were_made_with(tmp_path, capsys, keys, own):
    shoppers = clean(tmp_path, keys)
    look(shoppers, own)
    kept = "people's ids are kept as the shop has them" in capsys.readouterr().err
    assert kept is not bool(keys)
    look(shoppers, own, "127.0.0.1")
    assert not capsys.readouterr().err
    for other in {"", FIRST, f"{FIRST}\n{SECOND}"} - {own}:
        with pytest.raises(BadInputError, match="give the key that ingest had") as refused:
            look(shoppers, other)
        assert FIRST not in str(refused.value)


def test_what_is_no_key_is_told_before_anything_is_started():
    with pytest.raises(BadInputError, match="expected at least 32"):
        preflight._check_pseudonyms(Settings("r", pseudonym_key="short"))


def test_a_restored_log_has_its_people_under_the_newest_key(tmp_path):
    (tmp_path / CHANGES).mkdir()
    said = {"may_be_named": False}
    changes = [Change("1", "users", (ONE.of("ana"),), 1, True, said)]
    changes.append(Change("2", "users", ("bea",), 2, True, said))  # from before there was a key
    pq.write_table(changes_as_table(changes), tmp_path / CHANGES / NAME)
    settings = Settings(
        "none",
        state=str(tmp_path / "state"),
        event_export=str(tmp_path),
        pseudonym_key=f"{FIRST}\n{SECOND}",
    )
    given = consumer.options(["--restore"])
    consumer.consume(settings, given, threading.Event(), CollectorRegistry(), Starting())
    rows = open_rows(settings.event_log_url)
    assert set(rows.since(0).users) == {BOTH.of("ana"), BOTH.of("bea")}
    rows.close()


def of_log(tmp_path, key):
    return Settings("r", state=str(tmp_path), event_export=str(tmp_path), pseudonym_key=key)


def refused_by(tmp_path, begin):
    """What is said to whoever begins with two keys on a log of one."""
    open_log(of_log(tmp_path, FIRST).event_log_url).close()
    agree_on_people(of_log(tmp_path, FIRST))
    with pytest.raises(BadInputError, match=r"under pseudonyms of key \w+ in serving"):
        begin(of_log(tmp_path, f"{FIRST}\n{SECOND}"))


def test_an_app_is_not_begun_on_a_log_under_another_key(tmp_path):
    refused_by(tmp_path, preflight._check_pseudonyms)


def test_changes_are_not_restored_into_a_log_under_another_key(tmp_path):
    def begin(settings):
        given = consumer.options(["--restore"])
        consumer.consume(settings, given, threading.Event(), CollectorRegistry(), Starting())

    refused_by(tmp_path, begin)


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nobody_writes_events_into_a_log_under_another_key(tmp_path, monkeypatch):
    from serving import deployments

    def begin(settings):
        monkeypatch.setattr(deployments, "read_settings", lambda: settings)
        monkeypatch.setattr(deployments, "start_logging", lambda *_: None)
        deployments.EventSink()

    refused_by(tmp_path, begin)


def test_an_app_begins_while_its_log_does_not_answer(caplog):
    away = Settings("r", event_log="redis://127.0.0.1:1/0", pseudonym_key=FIRST)
    compare_people(away)
    assert "keys of pseudonyms were not compared" in caplog.text
