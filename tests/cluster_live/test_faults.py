"""What the install stands on goes away for a while: shoppers notice nothing, and it comes back."""

import uuid

import live_pods
import pytest
from live_cluster import RELEASE
from live_load import load


def test_redis_restarts_and_all_goes_on_by_itself(serving, first, settings, saw):
    """Lists answer 503 until it is back, and no worker or consumer is restarted for it."""
    cluster = serving.cluster
    pod = f"{RELEASE}-redis-0"
    before = cluster.get("pod", pod)["metadata"]["uid"]
    restarted = restarts(cluster, "worker", "consumer")
    with load(cluster, settings, 900, first.shoppers) as sent:
        cluster.kubectl("delete", "pod", pod, "--wait=false")

        def again():
            found = cluster.find("pod", pod)
            return found and found["metadata"]["uid"] != before and pod in cluster.ready("redis")

        took = cluster.wait(again, 600, "Redis is Ready again", look=serving.seen)
        cluster.pause(30)
    saw(ready_again_after_s=round(took), heads_restarts=restarts(cluster, "head"), **sent.figures)
    with load(cluster, settings, 300, first.shoppers) as afterwards:
        cluster.pause(30)
    afterwards.lost_nothing(300)
    assert restarts(cluster, "worker", "consumer") == restarted
    accepts_events(serving, first)


def restarts(cluster, *components):
    """Containers of these parts that were started again, all in all."""
    return sum(
        status["restartCount"]
        for component in components
        for pod in cluster.pods(component)
        for status in pod["status"].get("containerStatuses", ())
    )


def accepts_events(install, release):
    """An event is taken, and its receipt says so."""
    event = {
        "event_id": uuid.uuid4().hex,
        "user_id": release.shoppers[0] if release.shoppers else "a-stranger",
        "item_id": "item-00000",
        "event": "view",
    }
    user = event["user_id"]
    items = install.cluster.ask(f"/v1/users/{user}/recommendations?k=1")["items"]
    event["item_id"] = items[0]["item"]["item_id"]
    install.cluster.wait(
        lambda: install.cluster.ask("/v1/events", {"events": [event]})["accepted"] in (0, 1),
        120,
        "an event is taken",
    )


def test_the_object_store_is_away_for_minutes(serving, first, settings, saw):
    if not settings.through_relay:
        pytest.skip("COTERIE_S3 is no http:// address, so no relay of ours stands before it")
    cluster = serving.cluster
    relay = f"deployment/{live_pods.RELAY}"
    with load(cluster, settings, 1200, first.shoppers) as sent:
        try:
            cluster.kubectl("scale", relay, "--replicas=0")
            away = 300
            cluster.stays(cluster.serves, away, "the RayService is Ready", every=10)
        finally:
            cluster.kubectl("scale", relay, "--replicas=1")
            cluster.kubectl("rollout", "status", relay, "--timeout=10m")
    restarted = restarts(cluster, "worker", "controller", "consumer")
    saw(away_s=away, restarts_of_pods_in_all=restarted, **sent.figures)
    sent.lost_nothing(500)


def test_controllers_are_cut_off_from_kubernetes(serving, first, settings, saw):
    """By the chart's own policies: no port of the API server is let through for three minutes.

    What answers goes on answering with what it was told.
    """
    cluster = serving.cluster
    holder = lease_holder(cluster)
    ports = {"networkPolicy": {"apiServerPorts": [1]}}
    with load(cluster, settings, 1200, first.shoppers) as sent:
        try:
            serving.upgrade(ports)
            lost = stops_renewing(cluster, 60)
            cluster.pause(180)
        finally:
            serving.upgrade({"networkPolicy": {"apiServerPorts": [443, 6443]}})
        took = cluster.wait(lambda: renewed(cluster, 30), 300, "a controller holds the lease again")
    saw(holder=holder, cut=lost, again_after_s=round(took), **sent.figures)
    if not lost:
        pytest.skip("the lease went on being renewed: this network enforces no egress to it")
    sent.lost_nothing(500)
    assert cluster.stable() == first.digest


def lease_holder(cluster):
    """Who leads."""
    return cluster.get("lease", f"{RELEASE}-rollout")["spec"].get("holderIdentity")


def renewed(cluster, seconds):
    """Whether the lease changes within so many seconds: clocks are not compared."""
    name = f"{RELEASE}-rollout"
    before = cluster.get("lease", name)["spec"].get("renewTime")
    until = cluster.now() + seconds
    while cluster.now() < until:
        if cluster.get("lease", name)["spec"].get("renewTime") != before:
            return True
        cluster.pause(2)
    return False


def stops_renewing(cluster, seconds):
    """Whether renewing stops within so many seconds."""
    began = cluster.now()
    while cluster.now() - began < seconds:
        if not renewed(cluster, 20):
            return True
    return False
