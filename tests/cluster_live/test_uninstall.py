"""The install goes and comes again."""

import pytest
from live_cluster import RELEASE


@pytest.mark.fake
def test_it_uninstalls_and_leaves_what_it_should(serving, saw):
    cluster = serving.cluster
    took = serving.uninstall()
    saw(seconds=round(took, 1))
    assert cluster.get("secret", f"{RELEASE}-redis")
    assert cluster.get("pvc", f"data-{RELEASE}-redis-0")
    assert cluster.get("configmap", f"{RELEASE}-rollout")
    assert not cluster.objects("rayservices")
    left = [
        one["metadata"]["name"]
        for kind in ("jobs", "deployments", "statefulsets")
        for one in cluster.objects(kind, f"app.kubernetes.io/instance={RELEASE}")
    ]
    assert not left
    gone = cluster.wait(
        lambda: not cluster.objects("pods", f"app.kubernetes.io/instance={RELEASE}"),
        300,
        "all pods are gone",
        look=serving.seen,
    )
    saw(pods_gone_after_s=round(gone))


@pytest.mark.fake
def test_installed_again_with_another_release_it_serves_that_one(install, first, second, saw):
    """The store was kept and names another one: what a person installs with is the truth."""
    if install.status():
        install.ensure_served(first)
        install.uninstall()
    cluster = install.cluster
    began = cluster.now()
    install.upgrade({"release": {**second.values, "force": False}})
    install.wait_served(second.digest)
    saw(seconds_to_ready=round(cluster.now() - began))
    cluster.stays(lambda: cluster.stable() == second.digest, 60, "what was installed is live")
