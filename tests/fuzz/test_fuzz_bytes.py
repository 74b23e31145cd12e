"""Spoilt bytes are read, or refused in words: a short run, always the same."""

from collections import Counter

import pytest
from fuzz_bytes import PROCESSOR_S, Files, fuzz, readers, tried

from coterie.errors import BadInputError

INPUTS = 60
"""Of each reader; ``python tests/fuzz/fuzz_bytes.py`` goes on for as long as it is told."""


def test_whatever_bytes_come_they_are_read_or_refused(tmp_path):
    counts = Counter()
    found = readers(tmp_path)
    finds = fuzz(found, 7, counts, lambda number: number < INPUTS)
    assert [(name, number, said) for name, number, said, _ in finds] == []
    assert sum(counts.values()) == INPUTS * len(found)
    # Else nothing is tried but the first look at an input.
    for name in found:
        assert counts[name, "read"] > 0, name
        assert counts[name, "read"] + counts[name, "refused"] == INPUTS, name


def test_what_is_neither_is_found():
    def fails(data):
        raise KeyError(data)

    def refuses(data):
        raise BadInputError("no")

    assert "KeyError" in tried(fails, b"x")
    assert tried(refuses, b"x") == "refused"
    assert tried(len, b"x") == "read"


def test_what_takes_too_long_is_found(monkeypatch):
    times = iter([0.0, PROCESSOR_S + 0.5])
    monkeypatch.setattr("time.process_time", lambda: next(times))
    assert tried(len, b"x") == "took 2.5 s of the processor"


def test_the_same_seed_spoils_alike(tmp_path):
    seen = {}
    for run in range(2):
        kept = seen.setdefault(run, [])
        fuzz({"any": (kept.append, [b"abc", b"defg"])}, 3, Counter(), lambda n: n < 40)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 20


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_an_empty_file_is_refused(tmp_path, name):
    assert tried(Files(tmp_path, name), b"") == "refused"


def spoilt_parquet(folder):
    """A name of a column that is no UTF-8, and otherwise a whole file."""
    _, samples = readers(folder)["parquet"]
    return samples[1].replace(b"item_id", b"it\xffm_id")


@pytest.mark.parametrize("lines", ["\n", " ", "\r\n \t"])
def test_an_answer_of_nothing_but_lines_is_refused_at_once(tmp_path, lines):
    read, _ = readers(tmp_path)["answer of a model"]
    assert tried(read, b"```\n" + lines.encode() * 9_000) == "refused"


@pytest.mark.parametrize("form", ["mapping", "rules"])
@pytest.mark.parametrize("nested", ["[", '{"a":', "- "])
def test_what_is_nested_without_an_end_is_refused(tmp_path, nested, form):
    read, _ = readers(tmp_path)[form]
    assert tried(read, b"events: " + nested.encode() * 20_000) == "refused"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", lambda _: b'event_id,user_id,"\n0,u0,"a ""b"",\nc"\n'),
        ("t.csv", lambda _: b'event_id,"user_id"x,text\n0,u0,c\n'),
        ("t.parquet", spoilt_parquet),
    ],
)
def test_what_was_found_once_is_refused_since(tmp_path, name, content):
    assert tried(Files(tmp_path, name), content(tmp_path)) == "refused"
