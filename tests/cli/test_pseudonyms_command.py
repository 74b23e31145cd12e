"""``coterie pseudonyms``: keys are made and kept, never shown; what they make can be looked up."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.access.keys import make_key, read_keys, written
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, read_token
from coterie.cli.main import main
from coterie.data.pseudonyms import FILE_VARIABLE, VARIABLE, PseudonymKeys, read_secrets


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    for name in (VARIABLE, FILE_VARIABLE, "COTERIE_KEYS"):
        monkeypatch.delenv(name, raising=False)


def run(capsys, *words):
    code = main(list(map(str, words)))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_key_is_made_then_another_and_neither_is_shown(tmp_path, capsys):
    file = tmp_path / "pseudonyms.keys"
    told = ""
    for num in (1, 2):
        code, out, err = run(capsys, "pseudonyms", "rotate", "--file", file)
        assert code == 0, err
        told += out + err
        assert f"is the newest of {num} in" in out
    secrets = read_secrets(str(file))
    assert len(secrets) == 2
    assert not any(secret in told for secret in secrets)


def test_pseudonyms_are_looked_up_one_alone_and_many_beside_their_ids(tmp_path, capsys):
    file, ids = tmp_path / "pseudonyms.keys", tmp_path / "ids.txt"
    run(capsys, "pseudonyms", "rotate", "--file", file)
    keys = PseudonymKeys.given("", str(file))
    assert run(capsys, "pseudonyms", "of", " ana ", "--file", file)[1] == keys.of("ana") + "\n"
    ids.write_text("ana\n\n12.0\n")
    code, out, _ = run(capsys, "pseudonyms", "of", "--ids", ids, "--file", file)
    assert (code, out) == (0, f"ana\t{keys.of('ana')}\n12\t{keys.of('12')}\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["of", "ana"], "there is no pseudonym key"),
        (["rotate"], "which file of keys"),
        (["rotate", "--file", "{folder}/no-keys"], "holds no pseudonym key"),
        (["of", "--file", "{folder}/keys"], "whose pseudonyms"),
        (["of", "--ids", "{folder}/missing", "--file", "{folder}/keys"], "cannot read"),
    ],
)
def test_what_is_missing_is_said(tmp_path, capsys, words, why):
    (tmp_path / "no-keys").write_text("# nothing\n")
    (tmp_path / "keys").write_text("k" * 40 + "\n")
    code, _, err = run(capsys, "pseudonyms", *(one.format(folder=tmp_path) for one in words))
    assert code == 2
    assert why in err
    assert "k" * 40 not in err


def test_a_token_of_the_command_is_bound_to_what_the_app_compares(tmp_path, capsys, monkeypatch):
    kept, _ = make_key("lists", [Scope.LISTS], datetime.now(UTC))
    file = tmp_path / "keys.json"
    file.write_text(written([kept]))
    monkeypatch.setenv(VARIABLE, "k" * 40)
    code, token, _ = run(capsys, "keys", "token", kept.id, "--file", file, "--user", "ana")
    assert code == 0
    [key] = read_keys(file)
    _, shopper = read_token(token.strip(), Purpose.SHOPPER, lambda _: key)
    assert shopper == PseudonymKeys(["k" * 40]).of("ana")


def test_a_person_is_forgotten_under_their_pseudonyms_too(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{'1' * 32}\n{'2' * 32}")
    keys = PseudonymKeys(["1" * 32, "2" * 32])
    for name, who in (("raw", "ana"), ("old", keys.lineage("ana")[1]), ("new", keys.of("ana"))):
        table = pa.table({"user_id": [who, "somebody"]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    code, out, err = run(capsys, "forget", "ana", tmp_path)
    assert code == 0, err
    for name in ("raw", "old", "new"):
        assert pq.read_table(tmp_path / f"{name}.parquet")["user_id"].to_pylist() == ["somebody"]
    assert "3 files were looked at, 3 rewritten" in out
