"""One key a log: whoever comes first says it, all others are compared."""

import sqlite3
import sys
from pathlib import Path

import pytest

from coterie.data.people_key import agree_on_key, key_of_ids
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.errors import BadInputError, UnavailableError
from serving.events.open import open_log

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from redis_server import PASSWORD, RedisServer

ONE, OTHER = PseudonymKeys(["1" * 32]), PseudonymKeys(["2" * 32])


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path, redis):
    redis.ask("FLUSHALL")
    return redis.place if request.param == "redis" else f"sqlite://{tmp_path / 'events.sqlite'}"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (ONE, OTHER, f"pseudonyms of key {ONE.name} in the event log"),
        (ONE, NO_KEYS, "under the shop's own ids in the tables"),
        (NO_KEYS, ONE, f"under pseudonyms of key {ONE.name} in the tables"),
    ],
    ids=["another", "none any more", "a first one"],
)
def test_another_key_than_the_logs_is_refused(place, first, second, told):
    open_log(place, PASSWORD).close()
    agree_on_key(place, PASSWORD, first.name, "serving")
    agree_on_key(place, PASSWORD, first.name, "the tables")
    with pytest.raises(BadInputError, match="nobody would be known again") as refused:
        agree_on_key(place, PASSWORD, second.name, "the tables")
    assert told in str(refused.value)
    assert "1" * 32 not in str(refused.value)
    agree_on_key(place, PASSWORD, first.name, "serving")


def test_a_log_that_is_not_there_has_no_people_and_is_not_made(tmp_path):
    path = tmp_path / "events.sqlite"
    for key in (ONE, OTHER):
        agree_on_key(f"sqlite://{path}", "", key.name, "serving")
    assert not path.exists()


def test_a_log_that_does_not_answer_is_told_as_that(tmp_path):
    (tmp_path / "events.sqlite").write_bytes(b"not a log" * 999)
    with pytest.raises(UnavailableError, match="which key"):
        agree_on_key(f"sqlite://{tmp_path / 'events.sqlite'}", "", "", "serving")
    with pytest.raises(UnavailableError, match="does not answer"):
        agree_on_key("redis://127.0.0.1:1/0", "", "", "serving")


def test_the_log_knows_the_key_after_its_file_was_written_anew(tmp_path):
    path = tmp_path / "events.sqlite"
    log = open_log(f"sqlite://{path}")
    for whose in ("serving", "the tables"):
        agree_on_key(f"sqlite://{path}", "", ONE.name, whose)
    log.erase(ONE.of("ana"))
    log.compact()
    log.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT key_name FROM people").fetchall() == [(ONE.name,)]


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        (["ana", "bea"], ""),
        ([], ""),
        ([None, "", ONE.of("ana"), ONE.of("bea")], ONE.name),
        ([*map(str, range(1000)), ONE.of("ana")], ""),
    ],
    ids=["ids", "nobody", "pseudonyms", "not looked at"],
)
def test_ids_tell_which_key_they_are_under(ids, name):
    assert key_of_ids(ids) == name
