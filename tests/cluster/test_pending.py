"""An image that cannot be pulled: it is said where people look, and what is live stays."""

import pytest
from test_main import loop, registry, running  # noqa: F401 - fixtures
from waiting import wait_until

from coterie.cluster.api import RAY_SERVICES
from coterie.cluster.pending import PendingPods

IMAGE = "registry.example/coterie-serve:0.2.0"


def pod(api, name, reason, cluster="shop-next", kind="containerStatuses"):
    state = {"waiting": {"reason": reason, "message": "..."}} if reason else {"running": {}}
    container = {"name": "ray-head", "image": IMAGE, "state": state}
    metadata = {"labels": {"ray.io/cluster": cluster}}
    api.put("pods", name, {"metadata": metadata, "status": {kind: [container]}})


@pytest.fixture
def service(api, shop, cluster):
    """A RayService whose second cluster is coming up."""
    found = cluster.get(RAY_SERVICES, "shop")
    active = {"rayClusterName": "shop-now"}
    status = {
        "activeServiceStatus": active,
        "pendingServiceStatus": {"rayClusterName": "shop-next"},
    }
    return {**found, "status": status}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_a_pod_that_cannot_start_is_told_of_once(api, cluster, service, caplog, reason):
    pending = PendingPods(cluster)
    pod(api, "new-head", reason)
    for _ in range(3):
        assert IMAGE in pending.look(service)
    [event] = api.events("UpgradeStuck")
    assert event["type"] == "Warning"
    assert event["involvedObject"]["kind"] == "RayService"
    assert f"of {IMAGE}; shop-now serves on" in event["message"]
    assert caplog.text.count("cannot start") == 1


def test_the_two_words_for_a_pull_that_fails_are_one(api, cluster, service):
    """The kubelet says them in turns."""
    pending = PendingPods(cluster)
    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull"):
        pod(api, "new-head", reason)
        pending.look(service)
    assert len(api.events("UpgradeStuck")) == 1


def test_it_is_told_again_when_it_comes_back(api, cluster, service):
    pending = PendingPods(cluster)
    for reason in ("ImagePullBackOff", "", "ImagePullBackOff"):
        pod(api, "new-head", reason)
        pending.look(service)
    assert len(api.events("UpgradeStuck")) == 2


@pytest.mark.parametrize(
    ("reason", "of"),
    [("ContainerCreating", "shop-next"), ("PodInitializing", "shop-next"), ("", "shop-next"),
     ("ImagePullBackOff", "shop-now")],
)  # fmt: skip
def test_what_only_takes_its_time_is_no_news(api, cluster, service, reason, of):
    pod(api, "new-head", reason, of)
    assert PendingPods(cluster).look(service) == ""
    assert api.events("UpgradeStuck") == []


def test_pods_that_cannot_be_listed_end_nothing(api, cluster, service):
    api.fail("list", "pods", 500)
    assert PendingPods(cluster).look(service) == ""


def test_a_controller_tells_it_and_what_is_live_stays(api, shop, loop):  # noqa: F811
    loop.pending = PendingPods(loop.rollout_store._cluster)
    before = shop.live
    shop.kuberay.paused = True
    found = api.objects["rayservices", "shop"]
    found["status"]["pendingServiceStatus"] = {"rayClusterName": "shop-next"}
    pod(api, "new-head", "ImagePullBackOff", kind="initContainerStatuses")
    with running(loop):
        wait_until(lambda: api.events("UpgradeStuck"))
    assert shop.live == before
