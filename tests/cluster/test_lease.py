"""One controller acts at a time, whatever clocks, requests and processes do."""

import pytest

from coterie.cluster.lease import ClusterLease
from coterie.cluster.store import ClusterRolloutStore
from coterie.errors import BadInputError, UnavailableError


class Clock:
    """A process's own clock: what it shows says nothing of another's."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def holder(connect):
    def make(name, now=0.0, duration_s=15):
        clock = Clock(now)
        return ClusterLease(connect(), "shop-rollout", name, duration_s, clock=clock), clock

    return make


def both(*clocks, seconds):
    for clock in clocks:
        clock.now += seconds


def test_the_second_waits_while_the_first_renews(holder):
    (first, one), (second, two) = holder("first"), holder("second", now=1e6)
    first.attempt()
    for _ in range(30):
        both(one, two, seconds=2)
        first.attempt()
        second.attempt()
        assert first
        assert not second


def test_a_lease_that_is_not_renewed_is_lost_before_it_is_taken(holder):
    (first, one), (second, two) = holder("first"), holder("second", now=1e6)
    first.attempt()
    second.attempt()
    held = []
    for _ in range(20):
        both(one, two, seconds=1)
        second.attempt()
        assert not (first and second)
        held.append((bool(first), bool(second)))
    assert held[0] == (True, False)
    assert (False, False) in held
    assert held[-1] == (False, True)
    first.attempt()
    assert not first


@pytest.mark.parametrize("skew", [-86_400.0, 86_400.0])
def test_clocks_that_differ_change_nothing(api, holder, skew):
    (first, _), (second, two) = holder("first"), holder("second", now=skew)
    first.attempt()
    api.objects["leases", "shop-rollout"]["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    second.attempt()
    assert not second
    two.now += 14
    second.attempt()
    assert not second
    two.now += 2
    second.attempt()
    assert second


def test_time_in_a_slow_request_counts_as_held(holder):
    lease, clock = holder("first")
    find = lease._cluster.find

    def slow(*args):
        clock.now += 9
        return find(*args)

    lease._cluster.find = slow
    lease.attempt()
    clock.now += 0.5
    assert lease
    clock.now += 0.6
    assert not lease


def test_who_is_cut_off_stops_and_goes_on_when_nobody_took_over(api, holder):
    lease, clock = holder("first")
    lease.attempt()
    api.fail("*", "leases", 500, times=3)
    for _ in range(3):
        clock.now += 4
        with pytest.raises(UnavailableError):
            lease.attempt()
    assert not lease
    lease.attempt()
    assert lease


def test_of_two_who_take_a_free_lease_one_gets_it(api, holder):
    (first, _), (second, _) = holder("first"), holder("second")
    api.put("leases", "shop-rollout", {})
    find = second._cluster.find

    def find_then_lose(*args):
        found = find(*args)
        first.attempt()
        return found

    second._cluster.find = find_then_lose
    with pytest.raises(UnavailableError):
        second.attempt()
    assert (bool(first), bool(second)) == (True, False)


def test_nobody_makes_the_lease_that_tells_installs_apart(api, holder):
    lease, _ = holder("first")
    del api.objects["leases", "shop-rollout"]
    with pytest.raises(UnavailableError, match="the chart makes it"):
        lease.attempt()
    assert not lease
    assert ("leases", "shop-rollout") not in api.objects
    made = api.put("leases", "shop-rollout", {})
    lease.attempt()
    assert lease
    assert lease.uid == made["metadata"]["uid"]


def test_a_longer_lease_of_another_is_respected(holder):
    (first, _), (second, two) = holder("first", duration_s=60), holder("second")
    first.attempt()
    second.attempt()
    two.now += 40
    second.attempt()
    assert not second
    two.now += 21
    second.attempt()
    assert second


def test_a_lease_is_given_back_on_exit(connect):
    with ClusterRolloutStore(connect(), "shop", "first").lease() as first:
        assert first
        with ClusterRolloutStore(connect(), "shop", "second").lease() as second:
            assert not second
    assert not first
    with ClusterRolloutStore(connect(), "shop", "third").lease() as third:
        assert third


def test_the_lease_of_another_is_not_given_back(api, holder):
    lease, _ = holder("first")
    with lease:
        api.objects["leases", "shop-rollout"]["spec"]["holderIdentity"] = "second"
    assert api.objects["leases", "shop-rollout"]["spec"]["holderIdentity"] == "second"


def test_it_is_renewed_by_itself(api, connect, monkeypatch):
    monkeypatch.setattr("coterie.cluster.lease.RENEWED_EACH_S", 0.01)
    lease = ClusterLease(connect(), "shop-rollout", "me", duration_s=1, given_up_s=0.5)
    with lease:
        version = api.objects["leases", "shop-rollout"]["metadata"]["resourceVersion"]
        while api.objects["leases", "shop-rollout"]["metadata"]["resourceVersion"] == version:
            lease._over.wait(0.01)
        assert lease


def test_a_right_that_is_missing_is_named(api, connect):
    api.fail("patch", "leases", 403)
    with (
        pytest.raises(BadInputError, match="verb patch on leases"),
        ClusterRolloutStore(connect(), "shop").lease(),
    ):
        pass
