"""Controllers whose nodes' clocks differ by minutes go by one clock."""

import json
import threading
from dataclasses import replace
from email.utils import formatdate

import pytest
from kube.server import Handler

from coterie.cluster import __main__ as program
from coterie.cluster.api import RAY_SERVICES
from coterie.cluster.clock import ServerClock
from coterie.cluster.store import ClusterRolloutStore
from coterie.errors import BadInputError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.state import Phase, State

THERE = 2_000_000_000.0
"""What the API server's clock shows."""


@pytest.fixture
def there(monkeypatch):
    """The API server's clock, which a test may move."""
    shown = [THERE]

    def date(handler, timestamp=None):
        return formatdate(shown[0], usegmt=True)

    monkeypatch.setattr(Handler, "date_time_string", date)
    return shown


@pytest.mark.parametrize("skew", [-600.0, 0.0, 600.0])
def test_the_servers_time_counts_and_not_ones_own(there, connect, skew):
    cluster = connect()
    cluster.clock = ServerClock(own=lambda: THERE + skew)
    cluster.find(RAY_SERVICES, "shop")
    assert abs(cluster.clock() - THERE) < 5


def test_time_goes_on_between_answers_and_does_not_waver_with_them():
    passed = [50.0]
    clock = ServerClock(lambda: passed[0], lambda: 7.0)
    assert clock() == 7.0
    clock.heard("no date")
    assert clock() == 7.0
    clock.heard(formatdate(THERE, usegmt=True))
    passed[0] += 10.9
    clock.heard(formatdate(THERE + 10, usegmt=True))
    assert clock() == pytest.approx(THERE + 10.9)
    passed[0] += 1
    clock.heard(formatdate(THERE + 12, usegmt=True))
    assert clock() == pytest.approx(THERE + 12)
    clock.heard(formatdate(THERE - 300, usegmt=True))
    assert clock() == pytest.approx(THERE - 300)


def test_the_program_goes_by_it(there, shop, connect, monkeypatch):
    cluster = connect()
    monkeypatch.setattr(program.Cluster, "connect", lambda namespace: cluster)

    def begin(*_, clock, **__):
        assert abs(clock() - THERE) < 5
        raise BadInputError("seen")

    monkeypatch.setattr(program, "Loop", begin)
    given = "--namespace shop --service shop --prometheus http://x --port 0 --releases"
    with pytest.raises(BadInputError, match="seen"):
        program.control(program.options([*given.split(), shop.store]), threading.Event())


@pytest.mark.parametrize("skew", [-600.0, 600.0])
def test_a_step_is_as_long_where_the_next_controller_has_another_time(there, shop, connect, skew):
    """The first moves shoppers and dies; the second's node is ten minutes off."""
    shop.start(connect(), step_s=300.0)

    def controller(own):
        cluster = connect()
        cluster.clock = ServerClock(own=lambda: there[0] + own)
        return replace(shop.controller(cluster, f"at {own}"), clock=cluster.clock)

    def turned(controller):
        there[0] += 10
        shop.clock()
        controller.turn()
        return controller.rollout_store.read()[0]

    first, second = controller(0.0), controller(skew)
    while (state := turned(first)).phase is not Phase.STEP:
        pass
    weight, began = state.target.weight, there[0]
    while (state := turned(second)).phase is Phase.STEP and state.target.weight == weight:
        pass
    assert 300 <= there[0] - began <= 340


def test_when_a_canary_came_is_told_by_it(there, shop, connect):
    """A pod that died after that is held against it: by the API's clock, not the controller's."""
    shop.start(connect())
    cluster = connect()
    cluster.clock = ServerClock(own=lambda: THERE + 600)
    controller = shop.controller(cluster)
    while not shop.live.canary:
        controller.turn()
    came = shop.arms(cluster)._service()["metadata"]["annotations"]["coterie.rollout/canary-since"]
    assert json.loads(came)["at"].startswith("2033-05-18T03:3")


def test_commands_are_carried_out_in_their_order_whoever_took_them(there, connect):
    fast, slow = connect(), connect()
    fast.clock, slow.clock = ServerClock(own=lambda: THERE + 600), ServerClock(own=lambda: THERE)
    ClusterRolloutStore(fast, "shop").command(Command("b", Verb.PAUSE, "ana", "lunch"))
    there[0] += 60
    ClusterRolloutStore(slow, "shop").command(Command("a", Verb.RESUME, "ben", "back"))
    read = ClusterRolloutStore(connect(), "shop").commands(State())
    assert [command.verb for command in read] == [Verb.PAUSE, Verb.RESUME]
