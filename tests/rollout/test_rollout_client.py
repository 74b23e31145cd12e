"""Programs that roll releases out, against a real app with a controller at work."""

import contextlib
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from ports import free_port

from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.api import RolloutApi
from coterie.rollout.client import RolloutClient
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.store import FileRolloutStore

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from rollout_shop import TOKEN, Shop, make_app, turning

QUICK = {"step_s": 20, "bake_s": 30, "min_samples": 100, "cooldown_s": 0}


@contextlib.contextmanager
def served(app):
    port = free_port()
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def rollout_store(tmp_path):
    return FileRolloutStore(tmp_path / "rollouts")


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def address(rollout_store):
    with served(make_app(rollout_store)) as address:
        yield address


@pytest.fixture
def told():
    return []


@pytest.fixture
def rollout_client(address, told):
    def progress(what, done, total):
        told.append((what, done, total))

    api = RolloutApi(address, TOKEN)
    return RolloutClient(api, "a-pipeline", progress, told.append, look_s=0.01, patience_s=0.3)


def test_a_good_release_is_waited_for(rollout_store, shop, rollout_client, told):
    with turning(rollout_store, shop):
        assert rollout_client.start("v8", "better offline", QUICK, 20)
    assert "v8 was promoted" in told
    done = [one[1] for one in told if isinstance(one, tuple)]
    assert done == sorted(done)
    assert {line.who for line in rollout_store.history()} == {"a-pipeline", "controller"}


def test_a_bad_one_fails_with_the_reason(rollout_store, shop, rollout_client):
    shop.preflight = lambda digest: "it lists nothing"
    with (
        turning(rollout_store, shop),
        pytest.raises(BadInputError, match="v8 was rolled back: preflight: it lists nothing"),
    ):
        rollout_client.start("v8", "better offline", QUICK, 20)


def test_a_verdict_need_not_be_waited_for(rollout_store, shop, rollout_client):
    with turning(rollout_store, shop):
        assert rollout_client.start("v8", "better offline", QUICK, 0) is False
    assert "start" in rollout_store.history()[0].why


def test_a_step_that_is_run_again_goes_on_waiting(rollout_store, shop, rollout_client, told):
    with turning(rollout_store, shop):
        rollout_client.start("v8", "better offline", {**QUICK, "step_s": 60}, 0)
        assert rollout_client.start("v8", "again", QUICK, 20)
        assert rollout_client.start("v8", "and again", QUICK, 20)
    starts = [line for line in rollout_store.history() if line.why.startswith("start")]
    assert len(starts) == 1
    assert told[-1] == "v8 is what shoppers get already"


def test_a_rollout_without_a_controller_is_given_up(rollout_client, monkeypatch):
    monkeypatch.setattr("serving.api.admin.WAIT_S", 0.05)
    with pytest.raises(UnavailableError, match="no verdict on v8 within 0 s"):
        rollout_client.start("v8", "better offline", QUICK, 0.1)


def test_what_the_app_refuses_is_not_asked_for_again(rollout_store, shop, rollout_client):
    with turning(rollout_store, shop), pytest.raises(BadInputError):
        rollout_client.start("v99", "better offline", QUICK, 20)


def test_an_app_that_is_away_is_waited_for(address, rollout_client, told):
    away = RolloutClient(
        RolloutApi("http://127.0.0.1:9", TOKEN), "a", say=told.append, look_s=0.01, patience_s=1.0
    )
    with pytest.raises(UnavailableError, match="nothing answers"):
        away.back("bad", 1)
    assert told


def test_what_is_being_rolled_out_is_taken_back(rollout_store, shop, rollout_client):
    with turning(rollout_store, shop):
        rollout_client.start("v8", "better offline", {**QUICK, "step_s": 1e6, "deadline_s": 1e6}, 0)
        assert rollout_client.back("it is slow", 20) == "v7"
    state, _ = rollout_store.read()
    assert state.phase == "rolled_back"
    assert "it is slow" in state.quarantine.values()


def test_after_a_promotion_the_release_before_comes_back(rollout_store, shop, rollout_client):
    with turning(rollout_store, shop):
        assert rollout_client.start("v8", "better offline", QUICK, 20)
        assert rollout_client.back("clicks fell overnight", 20) == "v7"
        assert rollout_client.api.get()["stable"]["version"] == "v7"
    assert any("clicks fell overnight" in line.why for line in rollout_store.history())


def test_the_release_before_comes_back_however_much_what_is_live_differs_from_it(
    rollout_store, shop, rollout_client
):
    with turning(rollout_store, shop):
        assert rollout_client.start("v8", "better offline", QUICK, 20)
        shop.figures = ComparedFigure("titles_changed", 1.0), ComparedFigure("older_than_live", 1.0)
        assert rollout_client.back("all of its titles are ?", 20) == "v7"
    state, _ = rollout_store.read()
    assert not state.quarantine
    assert any("overriding all" in line.why for line in rollout_store.history())


def test_there_may_be_nothing_to_go_back_to(rollout_store, shop, rollout_client):
    with turning(rollout_store, shop), pytest.raises(BadInputError, match="no release before"):
        rollout_client.back("bad", 20)
