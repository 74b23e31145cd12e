"""An empty cluster, then a list whose reason names a friend."""

import json
import time

import pytest


@pytest.mark.fake
def test_a_first_install_without_a_release_ends(install, cluster, saw):
    began = cluster.now()
    install.upgrade({"release": {"folder": "", "digest": ""}}, "--wait")
    saw(seconds=round(cluster.now() - began, 1))
    assert "Nothing is served yet" in cluster.helm("status", install.instance)
    assert cluster.ready("controller")
    # What has nothing to do yet is ready all the same.
    every = f"app.kubernetes.io/instance={install.instance}"
    well = ("Running", "Succeeded")
    # Helm waits for no Job: its pod may still pull the image.
    cluster.wait(
        lambda: all(p["status"].get("phase") in well for p in cluster.objects("pods", every)),
        600,
        "all pods run",
        look=install.seen,
    )
    pods = cluster.objects("pods", every)
    restarts = {
        pod["metadata"]["name"]: status["restartCount"]
        for pod in pods
        for status in pod["status"].get("containerStatuses", ())
        if status["restartCount"]
    }
    saw(pods=len(pods), restarts=restarts or 0)
    assert cluster.is_fake or not restarts, "killed before it listened?"


def test_the_pipeline_makes_features_and_a_release(installed, cluster, saw):
    began = cluster.now()
    release = installed.release_for("first")
    saw(seconds=round(cluster.now() - began, 1), version=release.version)
    assert len(release.digest) == 64


@pytest.mark.fake
def test_the_release_is_served(installed, first, cluster, saw):
    began = cluster.now()
    installed.upgrade({"release": first.values})
    installed.wait_served(first.digest)
    saw(seconds_to_ready=round(cluster.now() - began, 1))
    for component in ("head", "worker", "controller", "consumer"):
        took = [ready_after(pod) for pod in cluster.pods(component)]
        saw(component=component, pods=len(took), ready_after_s=sorted(took))


def ready_after(pod):
    """Seconds from a pod's creation until it was Ready; -1 where that is not told."""
    ready = [c for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
    if not ready or ready[0]["status"] != "True" or "lastTransitionTime" not in ready[0]:
        return -1
    form = "%Y-%m-%dT%H:%M:%SZ"
    began, ended = (
        time.mktime(time.strptime(text, form))
        for text in (pod["metadata"]["creationTimestamp"], ready[0]["lastTransitionTime"])
    )
    return int(ended - began)


def test_helm_test_passes(serving, cluster, saw):
    began = cluster.now()
    cluster.helm("test", serving.instance, "--timeout=5m")
    saw(seconds=round(cluster.now() - began, 1))


def test_a_reason_names_a_friend(serving, first, cluster, saw):
    """What the features step wrote is what serving reads: nobody is a stranger."""
    named = {}

    def one_is():
        for user in first.shoppers:
            items = cluster.ask(f"/v1/users/{user}/recommendations?k=20")["items"]
            for reason in (r for item in items for r in item["reasons"] or ()):
                if reason["kind"] == "friend" and reason["friend"]:
                    named.update(user=user, friend=reason["friend"], text=reason["text"])
                    return True
        return False

    took = cluster.wait(one_is, 300, "a shopper sees a friend named")
    saw(seconds=round(took, 1), **{k: json.dumps(v) for k, v in named.items()})


def test_every_pod_of_ours_is_as_restricted_asks(serving, cluster, saw):
    """The namespace refuses others; here it is asked which it would, had it no label."""
    text = cluster.kubectl(
        "label", "namespace", cluster.namespace, "--dry-run=server", "--overwrite",
        "pod-security.kubernetes.io/enforce=restricted",
    )  # fmt: skip
    saw(answer=json.dumps(text.strip()[-200:]))
    assert "violate" not in text
