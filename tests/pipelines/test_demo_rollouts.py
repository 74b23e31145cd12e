"""The demo's rollouts: bad releases are written while the one before is rolled out."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

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


class HeldShop:
    """A shop whose rollouts wait for a person, and where nothing else may begin meanwhile."""

    def __init__(self):
        self.said = []

    def get(self, path, **query):
        return {"transitions": list(reversed(self.said))}

    def post(self, path, body):
        if path.endswith("/rollouts"):
            held = bool(self.said) and self.said[-1]["after"] == "inconclusive"
            assert not held, "what is held is in the way"
            steps = [("preflight", "start"), ("inconclusive", "no answer by the deadline")]
        else:
            assert path.endswith("/rollback")
            steps = [("rolling_back", body["reason"]), ("rolled_back", "stable alone is live")]
        self.said += [{"after": phase, "why": why, "at": time.time()} for phase, why in steps]


def test_what_waits_for_a_person_makes_room_for_the_next():
    shop, traffic = HeldShop(), SimpleNamespace(lists=0, failed=0)
    for _ in range(2):
        one = demo_rollouts.roll_out(shop, "v2", "a slow one", traffic)
        assert (one.phase, one.why) == ("inconclusive", "no answer by the deadline")
    assert shop.said[-1]["after"] == "rolled_back"
