"""The install goes and comes again."""

import time

from live_cluster import RELEASE, wait


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
    gone = wait(
        lambda: not cluster.objects("pods", f"app.kubernetes.io/instance={RELEASE}"),
        300,
        "all pods are gone",
        look=serving.seen,
    )
    saw(pods_gone_after_s=round(gone))


def test_installed_again_with_another_release_it_serves_that_one(install, first, second, saw):
    """The book was kept and names another one: what a person installs with is the truth."""
    if install.status():
        install.ensure_served(first)
        install.uninstall()
    began = time.monotonic()
    install.upgrade({"release": {**second.values, "force": False}})
    install.wait_served(second.digest)
    saw(seconds_to_ready=round(time.monotonic() - began))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert install.cluster.stable() == second.digest, "the old book won"
        time.sleep(2)
