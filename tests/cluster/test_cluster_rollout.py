"""Whole rollouts over the API: undisturbed, killed at every write, and through its failures."""

import contextlib
import itertools
import time

import pytest
from cluster_shop import Shop, release

from coterie.cluster.api import Cluster
from coterie.cluster.store import ClusterRolloutStore
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.state import Phase, Target

ENDS = (Phase.PROMOTED, Phase.ROLLED_BACK)


class KilledError(Exception):
    """Stands for a kill."""


def turns(shop, cluster, until=lambda state: state.phase in ENDS, most=120):
    """One controller, as long as it takes."""
    controller = shop.controller(cluster)
    for _ in range(most):
        with contextlib.suppress(UnavailableError):
            decision = controller.turn()
            if decision and until(decision.state):
                break
        await_check(controller)
    return controller


def await_check(controller):
    """A release is read in a thread of its own, which a busy machine lets wait for many turns."""
    while (check := controller.arms._check) and not check.over:
        time.sleep(0.001)


def run_to_the_end(shop, cluster):
    controller = turns(shop, cluster)
    for _ in range(4):
        controller.turn()
    return ClusterRolloutStore(cluster, "shop").read()[0]


@pytest.mark.parametrize(("failures", "ends"), [(0.004, Phase.PROMOTED), (0.05, Phase.ROLLED_BACK)])
def test_a_rollout_runs_to_its_end(api, shop, cluster, failures, ends):
    shop.failures = failures
    shop.start(cluster)
    state = run_to_the_end(shop, cluster)
    assert state.phase is ends
    assert shop.live == Target(shop.new if ends is Phase.PROMOTED else shop.old)
    history = ClusterRolloutStore(cluster, "shop").history()
    assert [line.after for line in history][:2] == [Phase.PREFLIGHT, Phase.SHADOW]
    assert history[-1].after is ends
    said = [event["message"] for event in api.events("RolloutApplied")]
    assert "mirrored" in said[0]
    assert said[-1].endswith("alone")


def test_it_is_rolled_back_only_when_replicas_serve_stable_alone(api, shop, cluster):
    shop.failures = 0.05
    shop.start(cluster)
    controller = turns(shop, cluster, lambda state: state.phase is Phase.ROLLING_BACK)
    shop.kuberay.paused = True
    for _ in range(5):
        controller.turn()
    assert ClusterRolloutStore(cluster, "shop").read()[0].phase is Phase.ROLLING_BACK
    shop.kuberay.paused = False
    for _ in range(6):
        controller.turn()
    assert ClusterRolloutStore(cluster, "shop").read()[0].phase is Phase.ROLLED_BACK
    assert shop.live == Target(shop.old)


def test_a_release_that_replicas_cannot_hold_is_rolled_back(shop, cluster):
    shop.kuberay.breaks = lambda config: "no such file" if config["canary"] else ""
    shop.start(cluster)
    state = run_to_the_end(shop, cluster)
    assert state.phase is Phase.ROLLED_BACK
    assert "DEPLOY_FAILED: no such file" in state.quarantine[shop.new]
    assert shop.live == Target(shop.old)


def test_a_release_that_is_not_in_the_store_is_refused_in_preflight(shop, cluster):
    shop.new = "f" * 64
    shop.start(cluster)
    state = run_to_the_end(shop, cluster)
    assert "holds no release" in state.quarantine[shop.new]
    assert shop.live == Target(shop.old)


def test_a_release_that_differs_too_far_from_what_runs_is_refused_in_preflight(
    api, cluster, tmp_path
):
    """Whole by itself, but none of its items is one that shoppers know."""
    store = str(tmp_path)
    old, new = release(store, "v1"), release(store, "v2", items=("c", "d"))
    shop = Shop(api, store, old, new)
    shop.start(cluster)
    state = run_to_the_end(shop, cluster)
    assert state.phase is Phase.ROLLED_BACK
    assert "items_lost 100 % (at most 25 %)" in state.quarantine[new]
    assert shop.live == Target(old)
    assert not any(new in event["message"] for event in api.events("RolloutApplied"))
    figures = {one.name: one.value for one in state.comparison.figures}
    assert (figures["items_lost"], figures["items_gained"]) == (1.0, 1.0)


def test_a_person_may_override_what_it_differs_in(api, cluster, tmp_path):
    store = str(tmp_path)
    old, new = release(store, "v1"), release(store, "v2", items=("c", "d"))
    shop = Shop(api, store, old, new, failures=0.0)
    shop.start(cluster, override=("all",))
    state = run_to_the_end(shop, cluster)
    assert (state.phase, state.stable) == (Phase.PROMOTED, new)
    passed = ClusterRolloutStore(cluster, "shop").history()[1].why
    assert passed.startswith("preflight passed, though items_lost 100 % (at most 25 %)")


def test_what_runs_is_compared_with_wherever_it_lies(api, cluster, tmp_path):
    """A person named its folder, and the store has never had it."""
    outside, store = tmp_path / "outside", tmp_path / "store"
    old = release(str(outside), "v1")
    shop = Shop(api, str(outside), old, release(str(store), "v2", items=("c", "d")))
    shop.store = str(store)
    shop.start(cluster)
    state = run_to_the_end(shop, cluster)
    assert "items_lost" in state.quarantine[shop.new]


def kill_at(patch, nth, after):
    """The nth write is the last thing that happens, or the last that does not."""
    ask, count = Cluster._ask, {"now": 0}

    def killed(self, verb, resource, *args, **more):
        if verb not in ("create", "patch"):
            return ask(self, verb, resource, *args, **more)
        count["now"] += 1
        if count["now"] == nth and not after:
            raise KilledError
        answer = ask(self, verb, resource, *args, **more)
        if count["now"] == nth:
            raise KilledError
        return answer

    patch.setattr(Cluster, "_ask", killed)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("failures", [0.004, 0.05])
def test_killed_at_any_write_the_end_is_the_same(
    api, releases, cluster, monkeypatch, failures, after
):
    def begin():
        api.objects.clear()
        shop = Shop(api, *releases, failures)
        shop.start(cluster, weights=(0.5,))  # a kill at a second step shows nothing new
        return shop

    shop = begin()
    with monkeypatch.context() as patch:
        writes = kill_at(patch, 0, after)
        whole = run_to_the_end(shop, cluster)
    assert writes["now"] > 10
    for nth in range(1, writes["now"] + 1):
        shop = begin()
        with monkeypatch.context() as patch:
            kill_at(patch, nth, after)
            with contextlib.suppress(KilledError):
                run_to_the_end(shop, cluster)
        state = run_to_the_end(shop, cluster)
        ends = Target(whole.stable)
        assert (state.phase, state.stable, shop.live) == (whole.phase, whole.stable, ends)
        history = ClusterRolloutStore(cluster, "shop").history()
        assert all(b.before is a.after for a, b in itertools.pairwise(history))
        assert history[-1].after is state.phase


@pytest.mark.parametrize("status", [0, 409, 429, 500, 503])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_any_request_may_fail_now_and_then(api, shop, cluster, status, after):
    # A fifth of all requests fail for as long as most deadlines: its end is for what is judged.
    shop.start(cluster, deadline_s=6000)
    shop.failures = 0.05
    ask, count = api.answer, {"now": 0}

    def answer(*args):
        count["now"] += 1
        if count["now"] % 5 == 0:
            api.fail("*", "*", status, after=after, headers={"Retry-After": "60"})
        return ask(*args)

    api.answer = answer
    turns(shop, cluster)
    api.answer = ask
    api.heal()
    state = run_to_the_end(shop, cluster)
    assert state.phase is Phase.ROLLED_BACK
    assert shop.live == Target(shop.old)


def test_an_api_that_is_down_holds_the_weight(api, shop, cluster):
    shop.start(cluster)
    controller = turns(shop, cluster, lambda state: state.target.weight > 0)
    turns(shop, cluster, lambda state: shop.live.weight > 0)
    weight = shop.live.weight
    api.fail("*", "*", 500, times=1e9)
    for _ in range(10):
        with pytest.raises(UnavailableError):
            controller.turn()
    assert shop.live.weight == weight
    api.heal()
    assert run_to_the_end(shop, cluster).phase is Phase.PROMOTED


def test_while_kuberay_is_down_nothing_is_taken_for_live(shop, cluster):
    shop.start(cluster)
    controller = turns(shop, cluster, lambda state: state.phase is Phase.PREFLIGHT)
    shop.kuberay.paused = True
    turns(shop, cluster, lambda state: state.phase is Phase.SHADOW, most=5)
    live = controller.arms.live()
    assert live != Target(shop.old)
    assert shop.live == Target(shop.old)


def test_a_missing_right_stops_the_turn_with_its_name(api, shop, cluster):
    shop.start(cluster)
    api.fail("get", "rayservices", 403, times=9)
    with pytest.raises(BadInputError, match="verb get on rayservices shop"):
        shop.controller(cluster).turn()


def test_two_controllers_with_one_lease_never_both_act(api, shop, connect):
    """They take turns; the first is cut off in the middle, and comes back."""
    shop.start(connect(), step_s=200, bake_s=200)
    clock = lambda: shop.now / 20  # noqa: E731 - a round of both takes a second
    pairs = []
    for name in ("first", "second"):
        cluster = connect()
        lease = ClusterRolloutStore(cluster, "shop", name).lease()
        lease._clock = clock
        pairs.append((lease, shop.controller(cluster, name, may_act=lambda it=lease: bool(it))))
    acted = []
    for turn in range(200):
        cut_off = 10 <= turn < 40
        for place, (lease, controller) in enumerate(pairs):
            if not (cut_off and place == 0):
                with contextlib.suppress(UnavailableError):
                    lease.attempt()
            before = len(api.writes())
            with contextlib.suppress(UnavailableError):
                controller.turn()
            await_check(controller)
            if any(plural != "leases" for _, plural, _ in api.writes()[before:]):
                acted.append((turn, place))
        assert not (pairs[0][0] and pairs[1][0])
        if ClusterRolloutStore(connect(), "shop").read()[0].phase is Phase.PROMOTED:
            break
    assert {place for _, place in acted} == {0, 1}
    taken_over = min(turn for turn, place in acted if place == 1)
    assert 20 < taken_over < 30
    assert not [turn for turn, place in acted if place == 0 and turn > 20]
    for _ in range(3):
        shop.arms(connect()).live()
    assert shop.live == Target(shop.new)


def test_who_lost_the_lease_between_decision_and_act_does_not_act(api, shop, cluster):
    shop.start(cluster)
    turns(shop, cluster, lambda state: state.phase is Phase.SHADOW)
    held = iter([True, True, False])  # before the write, before the act, before the request
    controller = shop.controller(cluster, may_act=lambda: next(held, False))
    ClusterRolloutStore(cluster, "shop").command(
        Command("c2", Verb.ROLLBACK, "bo", "second thoughts")
    )
    before = api.objects["rayservices", "shop"]["spec"]
    with contextlib.suppress(UnavailableError):
        controller.turn()
    assert api.objects["rayservices", "shop"]["spec"] == before
    run_to_the_end(shop, cluster)
    assert shop.live == Target(shop.old)
