"""State, audit and commands in ConfigMaps: as in a folder, whoever else writes or fails."""

import json
import threading

import pytest
from fake_api import FakeApi

from coterie.cluster.store import AUDIT, KEPT_BYTES, STATE, ClusterRolloutStore
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import Phase, State, Totals, Transition
from coterie.rollout.transitions import judgement


def line(at, evidence=None):
    return Transition(at, Phase.IDLE, Phase.PREFLIGHT, "y", "ana", "o", "n", 0.0, 0, evidence or {})


@pytest.fixture
def rollout_store(cluster):
    return ClusterRolloutStore(cluster, "shop", "me")


def test_what_is_written_is_read(rollout_store):
    assert rollout_store.read() == (State(), 0)
    version = rollout_store.write(State(stable="old"), 0, [line(1.0)])
    assert rollout_store.read() == (State(stable="old"), version)
    version = rollout_store.write(State(stable="new"), version, [line(2.0), line(3.0)])
    assert rollout_store.read() == (State(stable="new"), version)
    assert [one.at for one in rollout_store.history()] == [1.0, 2.0, 3.0]


def test_an_empty_config_map_that_a_chart_made_is_as_good_as_none(api, rollout_store):
    for name in ("shop-rollout", "shop-rollout-commands"):
        api.put("configmaps", name, {"metadata": {"labels": {"of": "chart"}}})
    state, version = rollout_store.read()
    assert state == State()
    rollout_store.write(State(stable="old"), version, [line(1.0)])
    rollout_store.command(Command("c1", Verb.FREEZE, "ana", "sale"))
    assert [one.id for one in rollout_store.commands(State())] == ["c1"]
    assert not [r for r in api.requests if r[:2] == ("create", "configmaps")]
    assert api.objects["configmaps", "shop-rollout"]["metadata"]["labels"] == {"of": "chart"}


@pytest.mark.parametrize("transitions", [[], [line(1.0)]])
def test_who_read_before_another_wrote_does_not_write(rollout_store, connect, transitions):
    other = ClusterRolloutStore(connect(), "shop", "other")
    version = rollout_store.write(State(stable="old"), 0)
    other.write(State(stable="older"), version)
    with pytest.raises(UnavailableError, match="another controller"):
        rollout_store.write(State(stable="mine"), version, transitions)
    assert rollout_store.read()[0].stable == "older"
    assert rollout_store.history() == []


def test_two_writers_lose_no_write_of_each_other(connect):
    def count():
        mine = ClusterRolloutStore(connect(), "shop")
        done = 0
        while done < 15:
            state, version = mine.read()
            step = State(stable=f"{int(state.stable or 0) + 1}")
            try:
                mine.write(step, version, [line(float(step.stable))])
                done += 1
            except UnavailableError:
                continue

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rollout_store = ClusterRolloutStore(connect(), "shop")
    assert rollout_store.read()[0].stable == "30"
    assert [one.at for one in rollout_store.history()] == list(range(1, 31))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_write_without_an_answer_is_whole_or_not_there(api, rollout_store, status, after):
    version = rollout_store.write(State(stable="old"), 0)
    api.fail("patch", "configmaps", status, after=after)
    with pytest.raises(UnavailableError):
        rollout_store.write(State(stable="new"), version, [line(1.0)])
    assert (rollout_store.read()[0].stable, len(rollout_store.history())) == (
        ("new", 1) if after else ("old", 0)
    )


def test_the_largest_state_and_log_fit_into_a_config_map(api, rollout_store):
    arms = ArmCounts(987_654, 4_321), ArmCounts(1_987_654, 8_321)
    evidence = {name: Evidence().add(*arms) for name in SIGNALS}
    totals = {
        f"{arm}@10.0.0.{i}:8000": Totals(987_654, dict.fromkeys(SIGNALS, 98_765), 987_654)
        for arm in ("canary", "stable")
        for i in range(500)
    }
    state = State(
        Phase.STEP, "a" * 64, "b" * 64, evidence=evidence, totals=totals,
        quarantine={f"{i:064}": "failures: many of them " * 10 for i in range(100)},
    )  # fmt: skip
    version = 0
    for batch in range(5):
        lines = [line(50.0 * batch + at, judgement(state)) for at in range(50)]
        version = rollout_store.write(state, version, lines)
    data = api.objects["configmaps", "shop-rollout"]["data"]
    assert KEPT_BYTES * 0.9 < len(data[AUDIT]) <= KEPT_BYTES
    assert sum(map(len, data.values())) < 700_000
    assert [one.at for one in rollout_store.history()][-1] == 249
    assert len(api.events("Rollout")) == 250


def test_short_lines_are_kept_up_to_their_number(rollout_store):
    rollout_store.write(State(), 0, [line(float(at)) for at in range(300)])
    assert [one.at for one in rollout_store.history()] == list(range(100, 300))


def test_each_transition_is_an_event(api, rollout_store):
    rollout_store.write(State(), 0, [line(1.0)])
    (event,) = api.events("Rollout")
    assert event["message"].startswith("idle to preflight by ana: y")
    assert event["involvedObject"]["name"] == "shop-rollout"
    assert event["involvedObject"]["uid"]


def test_events_that_are_not_allowed_stop_nothing(api, rollout_store, caplog):
    api.fail("create", "events", 403)
    rollout_store.write(State(stable="old"), 0, [line(1.0)])
    assert rollout_store.read()[0].stable == "old"
    assert "may not create events" in caplog.text


def test_commands_left_at_the_same_time_all_arrive(connect):
    def leave(name):
        ClusterRolloutStore(connect(), "shop").command(Command(name, Verb.FREEZE, "ana", "sale"))

    names = [f"c{i}" for i in range(8)]
    threads = [threading.Thread(target=leave, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ClusterRolloutStore(connect(), "shop").commands(State())
    assert sorted(one.id for one in found) == names


def test_commands_come_oldest_first_with_their_plan(rollout_store):
    plan = Plan(weights=(0.1,))
    rollout_store.command(Command("z", Verb.START, "ana", "better", "d", plan))
    rollout_store.command(Command("a", Verb.PAUSE, "bo", "lunch"))
    found = rollout_store.commands(State())
    assert [one.id for one in found] == ["z", "a"]
    assert found[0].plan == plan


def test_a_command_is_kept_until_it_was_carried_out(api, rollout_store):
    for name in ("c1", "c2"):
        rollout_store.command(Command(name, Verb.FREEZE, "ana", "sale"))
    done = State(done_commands=("c1",))
    assert [one.id for one in rollout_store.commands(done)] == ["c2"]
    rollout_store.forget_commands(done)
    assert list(api.objects["configmaps", "shop-rollout-commands"]["data"]) == ["c2"]


@pytest.mark.parametrize("text", ["{", "7", '{"id": "x", "verb": "dance", "at": 1}'])
def test_what_is_no_command_is_dropped_and_told(api, rollout_store, text):
    rollout_store.command(Command("c1", Verb.FREEZE, "ana", "sale"))
    api.objects["configmaps", "shop-rollout-commands"]["data"]["bad"] = text
    assert [one.id for one in rollout_store.commands(State())] == ["c1"]
    assert list(api.objects["configmaps", "shop-rollout-commands"]["data"]) == ["c1"]
    assert api.events("CommandRefused")[0]["type"] == "Warning"


def test_a_command_needs_an_id_that_can_be_a_key(rollout_store):
    with pytest.raises(BadInputError, match="letters"):
        rollout_store.command(Command("a/b", Verb.FREEZE, "ana", "sale"))


@pytest.mark.parametrize(
    "text", ["{", json.dumps({"format": 7}), json.dumps({"format": 1, "state": {}})]
)
def test_a_damaged_state_is_refused(api, rollout_store, text):
    api.put("configmaps", "shop-rollout", {"data": {STATE: text}})
    with pytest.raises(BadInputError, match="shop-rollout"):
        rollout_store.read()


def test_a_right_that_is_missing_is_named(api: FakeApi, rollout_store):
    version = rollout_store.write(State(), 0)
    api.fail("patch", "configmaps", 403)
    with pytest.raises(BadInputError, match="verb patch on configmaps shop-rollout"):
        rollout_store.write(State(stable="x"), version)


def test_an_api_that_asks_for_patience_is_not_waited_for(api, rollout_store):
    api.fail("get", "configmaps", 429, headers={"Retry-After": "30"})
    with pytest.raises(UnavailableError, match="429"):
        rollout_store.read()
    assert len(api.requests) == 1


def test_a_late_answer_is_not_waited_for(api, rollout_store, connect):
    rollout_store.write(State(), 0)
    api.fail("get", "configmaps", -1)
    with pytest.raises(UnavailableError, match="did not answer"):
        ClusterRolloutStore(connect(timeout_s=0.2), "shop").read()
