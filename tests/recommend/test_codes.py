"""Codes are made once a machine, and read by whoever serves the same vectors next."""

import os

import numpy as np
import pytest

from coterie.recommend.codes import Codes

QUERIES = np.random.default_rng(1).normal(size=(5, 13)).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path / f"coterie-releases-{os.getuid()}"


def blocks(seed=0, num=700):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(num, width)).astype(np.float32) for width in (12, 1)]


def made(monkeypatch):
    """Count how often codes are made."""
    times, honest = [], Codes._made
    monkeypatch.setattr(
        Codes, "_made", lambda faiss, of: times.append(len(of[0])) or honest(faiss, of)
    )
    return times


def test_codes_that_are_kept_find_the_same_and_are_not_made_again(folder, monkeypatch):
    times = made(monkeypatch)
    first, again = Codes.of(blocks()), Codes.of(blocks())
    assert times == [700]
    assert again.num_items == first.num_items
    for one, other in zip(first.search(QUERIES, 50), again.search(QUERIES, 50), strict=True):
        np.testing.assert_array_equal(one, other)
    [path] = folder.iterdir()
    assert path.name.startswith("codes-")


def test_codes_of_other_vectors_are_others(folder, monkeypatch):
    times, changed = made(monkeypatch), blocks()
    changed[0][699, 3] += 1e-3
    for vectors in (blocks(), changed, blocks(num=650), [changed[0][:, :6], changed[1]]):
        Codes.of(vectors)
    assert times == [700, 700, 650, 700]
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d[:-1] + b"\x07", lambda _: b""])
def test_codes_that_are_not_what_was_kept_are_made_anew(folder, monkeypatch, spoil):
    times, first = made(monkeypatch), Codes.of(blocks())
    [path] = folder.iterdir()
    kept = path.read_bytes()
    path.write_bytes(spoil(kept))
    again = Codes.of(blocks())
    assert times == [700, 700]
    assert path.read_bytes() == kept
    np.testing.assert_array_equal(first.search(QUERIES, 50)[1], again.search(QUERIES, 50)[1])


def test_where_nothing_can_be_kept_codes_are_made(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    times = made(monkeypatch)
    assert Codes.of(blocks()).num_items == Codes.of(blocks()).num_items == 700
    assert times == [700, 700]
    assert not list(folder.iterdir())
