"""``coterie keys``, as a person types it."""

import json
import stat

import pytest

from coterie.access.keys import MAX_KEYS, id_in, parse_keys, read_keys
from coterie.access.last_use import FOLDER, LastUses
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, read_token
from coterie.cli import main
from coterie.errors import BadInputError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "made" / "keys.json"


@pytest.fixture
def type_(file, capsys):
    def typed(action, *more, code=0):
        assert main(["keys", action, "--file", str(file), *more]) == code
        said = capsys.readouterr()
        return said.err if code else said.out.strip()

    return typed


def created(type_, *scopes):
    return type_("create", "--name", "shop", "--scopes", *(scopes or ("lists:read",)))


def test_a_key_is_shown_once_and_the_file_holds_no_key(type_, file):
    key = created(type_, "events:write", "lists:read")
    (kept,) = read_keys(file)
    assert kept.scopes == (Scope.LISTS, Scope.EVENTS)
    assert (kept.id, kept.is_of(key), kept.is_of(key[:-1])) == (id_in(key), True, False)
    assert key.rpartition("_")[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert created(type_) != created(type_)
    assert len(read_keys(file)) == 3


def test_the_list_says_what_stands_and_when_it_was_used(type_, file, tmp_path):
    used, gone = created(type_), created(type_)
    uses = LastUses(tmp_path / FOLDER)
    uses.note(id_in(used), 1_700_000_000.0)
    type_("revoke", id_in(gone))
    rows = json.loads(type_("list", "--state", str(tmp_path), "--json"))
    assert [(row["stands"], row["last_used"]) for row in rows] == [
        ("holds", "2023-11-14T22:13:20+00:00"),
        ("revoked", ""),
    ]
    assert "digest" not in rows[0]
    assert "signing" not in rows[0]
    assert "lists:read" in type_("list")


def test_a_rotated_key_goes_on_for_a_while_under_its_scopes(type_, file):
    old = created(type_, "people:write")
    new = type_("rotate", id_in(old), "--overlap-hours", "2")
    first, second = read_keys(file)
    assert second.is_of(new)
    assert (second.scopes, second.name, first.expires > first.created) == (
        first.scopes,
        first.name,
        True,
    )
    type_("rotate", second.id, "--overlap-hours", "0")
    assert "opens nothing any more" in type_("rotate", second.id, code=2)


def test_tokens_and_links_stand_behind_a_key(type_, file):
    key = created(type_)
    (kept,) = read_keys(file)
    find = {kept.id: kept}.get
    token = type_("token", id_in(key), "--user", " a/b ")
    assert read_token(token, Purpose.SHOPPER, find) == (kept, "a/b")
    url, _, link = type_("link", id_in(key), "--url", "http://x:1/").partition("?token=")
    assert url == "http://x:1/session"
    assert read_token(link, Purpose.SIGN_IN, find) == (kept, kept.id)
    assert "up to 1:00:00" in type_("token", kept.id, "--user", "a", "--minutes", "61", code=2)
    other = created(type_, "admin")
    assert "lists:read" in type_("token", id_in(other), "--user", "a", code=2)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("create", "--name", "x", "--scopes", "lists:write"), "'lists:write' is no scope"),
        (("create", "--name", "", "--scopes", "admin"), "expected 1 to 64 characters"),
        (("revoke", "ffffffff"), "no key has the id 'ffffffff'"),
        (("link", "ffffffff"), "no keys in"),
        (("list",), "no keys in"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(type_, typed, said):
    told = type_(*typed, code=2)
    assert said in told
    assert told.count("\n") == 1


def test_without_a_file_it_asks_for_one(monkeypatch, capsys):
    monkeypatch.delenv("COTERIE_KEYS", raising=False)
    assert main(["keys", "list"]) == 2
    assert "COTERIE_KEYS" in capsys.readouterr().err


def spoilt(**changes):
    good = {"id": "a1", "digest": "0" * 64, "scopes": ["admin"], "signing": "s3cret"}
    return json.dumps({"version": 1, "keys": [good | changes]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"[" * 100_000, b"null", b'"x"', b"{}", b'{"version": 1, "keys": {}}'),
        *(spoilt(scopes=[]), spoilt(scopes="admin"), spoilt(scopes=["root"]), spoilt(id="")),
        *(spoilt(digest="0"), spoilt(expires="soon"), spoilt(expires="2030-01-01T00:00:00")),
        *(spoilt(id=3), spoilt(more="x"), b" " * (1 << 21)),
        json.dumps({"version": 1, "keys": [{}] * (MAX_KEYS + 1)}).encode(),
        json.dumps({"version": 1, "keys": json.loads(spoilt())["keys"] * 2}).encode(),
    ],
)
def test_bytes_that_are_no_file_of_keys_are_refused_without_telling_secrets(content):
    with pytest.raises(BadInputError) as refused:
        parse_keys(content, "keys.json")
    assert "keys.json" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert parse_keys(spoilt(), "keys.json")[0].id == "a1"
