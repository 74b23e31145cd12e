"""The champion follows what is stable, whatever the store does meanwhile."""

import logging
import threading

import pytest
from test_store import make, root  # noqa: F401 - a fixture
from waiting import PATIENCE_S, not_for_as_long_as

from coterie.errors import UnavailableError
from coterie.release.champion import AGAIN_S, ChampionPointer
from coterie.release.store import ReleaseStore

LOG = logging.getLogger("coterie.tests")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(root, tmp_path):  # noqa: F811
    return ReleaseStore(root)


@pytest.fixture
def digests(store, tmp_path):
    return [store.publish(make(tmp_path, version)).digest for version in ("v1", "v2")]


@pytest.fixture
def pointer(store, clock):
    return ChampionPointer(store.root, LOG, clock=clock)


def follow(pointer, digest):
    pointer.follow(digest)
    pointer.wait()


def test_the_champion_follows_what_is_stable_there_and_back(store, digests, pointer):
    old, new = digests
    for digest, version in ((old, "v1"), (new, "v2"), (old, "v1")):
        follow(pointer, digest)
        assert store.champion() == version


def test_before_anything_is_stable_nobody_is_champion(store, digests, pointer):
    follow(pointer, "")
    assert store.champion() is None


def test_what_was_written_is_not_written_again(store, digests, pointer):
    follow(pointer, digests[0])
    store.crown("v2")
    follow(pointer, digests[0])
    assert store.champion() == "v2", "two installs on one store do not fight turn by turn"
    follow(ChampionPointer(store.root, LOG), digests[0])
    assert store.champion() == "v1", "a controller that begins writes what its rollout store says"


def test_a_store_that_is_away_is_said_once_and_written_when_it_is_back(
    store, digests, pointer, clock, monkeypatch, caplog
):
    tried = []

    def refuse(self, version):
        tried.append(version)
        raise UnavailableError(f"cannot write: trial {len(tried)}")

    with monkeypatch.context() as patch:
        patch.setattr(ReleaseStore, "crown", refuse)
        for _ in range(3):
            follow(pointer, digests[0])
            follow(pointer, digests[0])
            clock.now += AGAIN_S
    assert len(tried) == 3, "not in each turn"
    assert len(caplog.records) == 1
    assert "stays as it was" in caplog.text
    assert "trial 1" in caplog.text
    follow(pointer, digests[0])
    assert store.champion() == "v1"


def test_another_release_is_not_kept_waiting_by_one_that_failed(store, digests, pointer):
    follow(pointer, "f" * 64)
    follow(pointer, digests[1])
    assert store.champion() == "v2"


def test_a_release_outside_the_store_leaves_the_champion_and_is_said(
    store, digests, pointer, clock, tmp_path, caplog
):
    follow(pointer, digests[0])
    folder = make(tmp_path, "v3")
    elsewhere = ReleaseStore(str(tmp_path / "elsewhere")).publish(folder)
    follow(pointer, elsewhere.digest)
    assert store.champion() == "v1"
    assert "publish it there first" in caplog.text
    store.publish(folder)
    clock.now += AGAIN_S
    follow(pointer, elsewhere.digest)
    assert store.champion() == "v3"


def test_a_store_that_says_nothing_holds_nobody_up(store, digests, pointer, monkeypatch):
    speak, crown = threading.Event(), ReleaseStore.crown

    def silent(self, version):
        assert speak.wait(PATIENCE_S)
        crown(self, version)

    monkeypatch.setattr(ReleaseStore, "crown", silent)
    with not_for_as_long_as(PATIENCE_S):  # as a rollback would
        pointer.follow(digests[0])
        pointer.follow(digests[1])
    assert store.champion() is None
    speak.set()
    pointer.wait()
    follow(pointer, digests[1])
    assert store.champion() == "v2", "what was stable last, not what was asked for first"


def test_who_may_not_act_any_more_writes_nothing(store, digests):
    held = [True]
    pointer = ChampionPointer(store.root, LOG, may_act=lambda: held[0])
    held[0] = False
    follow(pointer, digests[0])
    assert store.champion() is None
    held[0] = True
    follow(pointer, digests[0])
    assert store.champion() == "v1"


def test_what_nobody_foresaw_is_said_and_tried_again(store, digests, clock, caplog):
    pointer = ChampionPointer("no-such-scheme://x", LOG, clock=clock)
    follow(pointer, digests[0])
    assert "no-such-scheme" in caplog.text


def test_a_damaged_pointer_is_mended(store, digests, pointer):
    import fsspec

    with fsspec.open(f"{store.root}/champion.json", "w") as file:
        file.write("{")
    follow(pointer, digests[0])
    assert store.champion() == "v1"
