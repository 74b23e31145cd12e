"""Training elsewhere: by URLs alone, whole or not at all, and on from where it was broken off."""

import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_shop import write_clean
from waiting import PATIENCE_S, wait_until

from coterie.content.vectors import ItemVectors
from coterie.errors import BadInputError, UnavailableError
from coterie.workflow import FitSettings, fit_challenger, load_challenger, remote
from coterie.workflow.shop import CleanShop
from feature_repo.materialise import materialise

SHORT = {"loop.max_epochs": 3, "embedding_size": 16, "loop.seed": 4}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Clean tables, and what the features step knew of them."""
    home = tmp_path_factory.mktemp("shop")
    clean = str(write_clean(home))
    materialise(clean, str(home / "store"), str(home / "known"), "v1")
    return clean, str(home / "known")


@pytest.fixture
def url(tmp_path):
    return f"file://{tmp_path}/bucket/jobs/one"


def test_the_work_gives_what_it_would_have_given_here(shop, url, tmp_path):
    clean, known = shop
    heard = []
    settings = FitSettings(config=SHORT)
    remote.send(url, clean, known, settings, "")
    remote.fit_sent(url, lambda *told: heard.append(told))
    remote.fetch(url, str(tmp_path / "out"))
    there = load_challenger(str(tmp_path / "out"))
    here = fit_challenger(clean, str(tmp_path / "here"), settings, training_features=known)
    assert there.validation == here.validation
    parameters = [tmp_path / where / "parameters.safetensors" for where in ("out", "here")]
    assert parameters[0].read_bytes() == parameters[1].read_bytes()
    assert heard
    remote.forget(url)
    assert not Path(url.removeprefix("file://")).exists()


def test_vectors_of_items_go_along(shop, url, tmp_path):
    clean, known = shop
    ids = tuple(CleanShop.open(clean).dataset.catalogue["item_id"].to_pylist())
    vectors = np.eye(len(ids), dtype=np.float16)[:, :9]
    ItemVectors("text", "toy", "ab" * 32, ids, vectors).write(tmp_path / "content")
    settings = FitSettings("popularity", content=str(tmp_path / "content"))
    remote.send(url, clean, known, settings, "")
    shutil.rmtree(tmp_path / "content")  # the job's pods do not see it
    remote.fit_sent(url)
    remote.fetch(url, str(tmp_path / "out"))
    assert load_challenger(str(tmp_path / "out")).encoders == {"text": f"toy {'ab' * 32}"}


def test_what_is_wrong_is_told_to_who_sent_it(shop, url, tmp_path):
    clean, known = shop
    remote.send(url, clean, known, FitSettings(config={"embedding_size": -1}), "")
    with pytest.raises(BadInputError):
        remote.fit_sent(url)
    with pytest.raises(BadInputError, match="sizes and inverse_temperature must be over 0"):
        remote.fetch(url, str(tmp_path / "out"))


def test_what_was_broken_off_is_no_challenger(shop, url, tmp_path):
    clean, known = shop
    remote.send(url, clean, known, FitSettings(), "")
    with pytest.raises(UnavailableError, match="broken off"):
        remote.fetch(url, str(tmp_path / "out"))


def test_what_was_refused_before_does_not_stand_in_the_way(shop, url):
    clean, known = shop
    remote._write(f"{url}/outcome.json", {"refused": "old"})
    remote.send(url, clean, known, FitSettings(), "")
    remote.check_refusal(url)


def test_nothing_sent_is_nothing_to_do(url):
    with pytest.raises(BadInputError, match="nothing was sent"):
        remote.fit_sent(url)


def test_work_that_nobody_waits_for_any_more_is_given_up(url, monkeypatch):
    gone, now, looks, read = threading.Event(), [0.0], [], remote._read
    clock = SimpleNamespace(time=time.time, monotonic=lambda: now[0])
    monkeypatch.setattr(remote, "time", clock)
    monkeypatch.setattr(remote, "_read", lambda place: looks.append(place) or read(place))

    def look():
        """Until it was looked at what is there now: a look may have begun before."""
        seen = len(looks)
        wait_until(lambda: len(looks) > seen + 1 or gone.is_set())

    with remote.awaited(url, gone.set, silent_s=10.0, look_s=0.002):
        for _ in range(3):
            remote.beat(url)
            look()
            now[0] += 9.0
            look()
        assert not gone.is_set()
        now[0] += 2.0
        assert gone.wait(PATIENCE_S)


def test_work_that_is_done_is_not_given_up(url):
    gone = threading.Event()
    with remote.awaited(url, gone.set, silent_s=0.2, look_s=0.02):
        pass
    assert not gone.wait(0.5)
