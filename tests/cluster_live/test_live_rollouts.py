"""A release that is better comes in by counts, one that is worse goes out by them."""

import time

import pytest
from live_load import load

QUICK = {"weights": [0.5], "step_s": 30, "bake_s": 30, "min_samples": 200}


@pytest.fixture
def counted(serving):
    if not serving.prometheus():
        pytest.skip("no Prometheus (COTERIE_PROMETHEUS): without counts no rollout moves forward")
    return serving


@pytest.fixture
def quiet(serving):
    """Whatever a step began is taken back after it."""
    yield serving
    if serving.cluster.canary():
        serving.cluster.command("/rollback", reason="the step is over")
        serving.cluster.wait(lambda: not serving.cluster.canary(), 120, "the canary is gone")


def test_a_second_release_is_promoted_under_load(counted, quiet, second, settings, saw):
    cluster = counted.cluster
    with load(cluster, settings, 1500, second.shoppers) as sent:
        began = cluster.now()
        cluster.command("", release=second.version, plan=QUICK)
        begun = cluster.wait(lambda: cluster.canary() == second.digest, 300, "the canary is there")
        cluster.wait(
            lambda: cluster.stable() == second.digest and not cluster.canary(),
            1200,
            "the second release is promoted",
            look=lambda: cluster.ask("/v1/admin/rollouts"),
        )
        saw(canary_after_s=round(begun), promoted_after_s=round(cluster.now() - began))
    saw(**sent.figures)
    sent.lost_nothing(500)


def test_a_bad_release_is_rolled_back_and_no_shopper_sees_it(counted, quiet, first, settings, saw):
    """Its digests are right, but what is known of shoppers makes no difference to their lists."""
    cluster = counted.cluster
    bad = counted.publish_faulty_release(first, f"bad-{int(time.time())}")
    weights = []

    def gone():
        state = cluster.served()
        weights.append(state.get("weight") or 0)
        return not state.get("canary")

    with load(cluster, settings, 900, first.shoppers) as sent:
        # Preflight would refuse it: this is about what counts find.
        cluster.command("", release=bad.version, plan=QUICK | {"override": ["all"]})
        cluster.wait(lambda: cluster.canary() == bad.digest, 180, "the canary is there", every=0.5)
        took = cluster.wait(gone, 600, "the bad release is taken back")
    saw(rolled_back_after_s=round(took), highest_weight=max(weights), **sent.figures)
    assert max(weights) == 0, "shoppers saw it"
    assert cluster.stable() == first.digest
    sent.lost_nothing(300)


def test_without_counts_the_weight_stays_where_it_is(quiet, second):
    if quiet.prometheus():
        pytest.skip("there is a Prometheus: this step is about clusters without one")
    cluster = quiet.cluster
    cluster.command("", release=second.version, plan=QUICK)
    cluster.wait(lambda: cluster.canary() == second.digest, 300, "the canary is there")
    cluster.stays(lambda: not cluster.served()["weight"], 90, "the weight is 0", every=5)
