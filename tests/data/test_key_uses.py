"""When keys were last used, as all processes of a service tell it."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coterie.access.keys import changing, make_key
from coterie.access.scopes import Scope
from coterie.cli import main
from coterie.data.key_uses import share_uses, shared_uses
from coterie.errors import UnavailableError

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from redis_server import PASSWORD, RedisServer

AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


def test_the_newest_word_counts_whoever_says_it_last(redis):
    for uses in ({"a": 1000.4, "b": 5.0}, {"a": 900.0}, {"c": 7.0, "b": 6.0}):
        share_uses(redis.place, PASSWORD, uses)
    assert shared_uses(redis.place, PASSWORD) == {"a": 1000.0, "b": 6.0, "c": 7.0}


def test_the_command_shows_what_other_machines_have_told(redis, tmp_path, monkeypatch, capsys):
    path = tmp_path / "keys.json"
    kept, _ = make_key("shop", [Scope.LISTS], datetime.now(UTC))
    with changing(path) as change:
        change.keys = (kept,)
    share_uses(redis.place, PASSWORD, {kept.id: 1000.0})
    asked = ["keys", "list", "--file", str(path), "--json"]
    monkeypatch.setenv("COTERIE_EVENT_LOG_PASSWORD", PASSWORD)
    assert main([*asked, "--log", redis.place]) == 0
    assert json.loads(capsys.readouterr().out)[0]["last_used"] == "1970-01-01T00:16:40+00:00"
    monkeypatch.setenv("COTERIE_EVENT_LOG", redis.place)
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out)[0]["last_used"]


def test_a_redis_that_is_away_hides_no_keys(tmp_path, capsys):
    path = tmp_path / "keys.json"
    with changing(path) as change:
        change.keys = (make_key("shop", [Scope.LISTS], datetime.now(UTC))[0],)
    assert main(["keys", "list", "--file", str(path), "--json", "--log", AWAY]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["last_used"] == ""
    assert "when keys were last used is not known" in said.err
    with pytest.raises(UnavailableError):
        shared_uses(AWAY, "")
