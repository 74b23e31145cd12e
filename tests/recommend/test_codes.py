"""Codes are made once a machine, and read by whoever serves the same vectors next."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coterie.recommend import mapped_codes
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
    path.unlink()  # others have it mapped
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


def mapped_at(address):
    """Name the file that is mapped where a process has an address; empty where there is none."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(one, 16) for one in line.split()[0].split("-"))
        if first <= address < last:
            return " ".join(line.split()[5:])
    return ""


def address_of(codes):
    return int(codes.index.codes.get())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_codes_are_read_where_their_file_is_mapped(folder):
    first, again = Codes.of(blocks()), Codes.of(blocks())
    [path] = folder.iterdir()
    assert mapped_at(address_of(first)) == mapped_at(address_of(again)) == str(path)
    assert address_of(again) % mapped_codes.ALIGNED == 0


def test_what_was_mapped_is_let_go_with_its_index(folder):
    Codes.of(blocks())
    codes = [Codes.of(blocks()) for _ in range(20)]
    wanted = codes[0].search(QUERIES, 50)[1]
    [path] = folder.iterdir()
    inner = codes[0].index.this
    del codes
    gc.collect()
    assert inner.own()  # its end is that of the index within faiss
    if sys.platform == "linux":
        assert str(path) not in Path("/proc/self/maps").read_text()
    np.testing.assert_array_equal(Codes.of(blocks()).search(QUERIES, 50)[1], wanted)


def test_a_table_that_is_laid_out_otherwise_gets_a_copy(folder, monkeypatch):
    wanted = Codes.of(blocks()).search(QUERIES, 50)
    monkeypatch.setattr(mapped_codes, "_is_laid_out", lambda index: False)
    copied = Codes.of(blocks())
    assert mapped_at(address_of(copied)) in ("", "[heap]")
    for one, other in zip(copied.search(QUERIES, 50), wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_python_ends_well_with_codes_that_are_mapped(folder):
    Codes.of(blocks())
    program = f"""
import tempfile; tempfile.tempdir = {str(folder.parent)!r}
import numpy as np
from coterie.recommend.codes import Codes
rng = np.random.default_rng(0)
codes = Codes.of([rng.normal(size=(700, w)).astype(np.float32) for w in (12, 1)])
print(codes.index.ntotal)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "700\n", "")
