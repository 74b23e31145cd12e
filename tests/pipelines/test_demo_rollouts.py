"""The demo's rollouts: bad releases are written while the one before is rolled out."""

import threading
from pathlib import Path

import pytest

from coterie.errors import UnavailableError
from pipelines import demo_rollouts
from pipelines.faulty_releases.library import SHOWN

PATIENCE_S = 60.0


@pytest.fixture
def written(monkeypatch):
    """Set once all bad releases are there."""
    all_there = threading.Event()

    def write(folder, fault, out, version):
        assert Path(folder).name == "good"
        Path(out).mkdir()
        if fault == SHOWN[-1]:
            all_there.set()

    monkeypatch.setattr(demo_rollouts, "write_faulty", write)
    return all_there


def test_bad_releases_are_written_while_the_good_one_is_rolled_out(monkeypatch, tmp_path, written):
    begun = []

    def roll_out(shop, version, about, traffic, override):
        if version == "good":
            assert written.wait(PATIENCE_S), "they are written after it"
        else:
            assert (tmp_path / version).is_dir()
        begun.append(version)
        return version

    monkeypatch.setattr(demo_rollouts, "roll_out", roll_out)
    results = demo_rollouts.roll_out_all(None, str(tmp_path), "good", None)
    assert results == begun == ["good", *(f"good-{fault}" for fault in SHOWN)]


def test_what_cannot_be_written_ends_the_demo_in_words(monkeypatch, tmp_path):
    def refuse(folder, fault, out, version):
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(demo_rollouts, "write_faulty", refuse)
    monkeypatch.setattr(demo_rollouts, "roll_out", lambda *_: None)
    with pytest.raises(UnavailableError, match="the disk is full"):
        demo_rollouts.roll_out_all(None, str(tmp_path), "good", None)
