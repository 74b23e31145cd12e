"""An empty cluster, then a list whose reason names a friend."""

import json
import time

from live_cluster import wait


def test_a_first_install_without_a_release_ends(install, saw):
    began = time.monotonic()
    install.upgrade({"release": {"folder": "", "digest": ""}}, "--wait")
    saw(seconds=round(time.monotonic() - began, 1))
    assert "Nothing is served yet" in install.cluster.helm("status", install.instance)
    assert install.cluster.ready("controller")
    # What has nothing to do yet is ready all the same.
    pods = install.cluster.objects("pods", f"app.kubernetes.io/instance={install.instance}")
    waiting = [
        pod["metadata"]["name"]
        for pod in pods
        if pod["status"]["phase"] not in ("Running", "Succeeded")
    ]
    assert not waiting
    restarts = {
        pod["metadata"]["name"]: status["restartCount"]
        for pod in pods
        for status in pod["status"].get("containerStatuses", ())
        if status["restartCount"]
    }
    saw(pods=len(pods), restarts=restarts or 0)
    assert not restarts, "killed before it listened?"


def test_the_pipeline_makes_features_and_a_release(installed, saw):
    began = time.monotonic()
    release = installed.release_for("first")
    saw(seconds=round(time.monotonic() - began, 1), version=release.version)
    assert len(release.digest) == 64


def test_the_release_is_served(installed, first, saw):
    began = time.monotonic()
    installed.upgrade({"release": first.values})
    installed.wait_served(first.digest)
    saw(seconds_to_ready=round(time.monotonic() - began, 1))
    for component in ("head", "worker", "controller", "consumer"):
        took = [ready_after(pod) for pod in installed.cluster.pods(component)]
        saw(component=component, pods=len(took), ready_after_s=sorted(took))


def ready_after(pod):
    """Seconds from a pod's creation until it was Ready; -1 where it is not."""
    ready = [c for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
    if not ready or ready[0]["status"] != "True":
        return -1
    form = "%Y-%m-%dT%H:%M:%SZ"
    began, ended = (
        time.mktime(time.strptime(text, form))
        for text in (pod["metadata"]["creationTimestamp"], ready[0]["lastTransitionTime"])
    )
    return int(ended - began)


def test_helm_test_passes(serving, saw):
    began = time.monotonic()
    serving.cluster.helm("test", serving.instance, "--timeout=5m")
    saw(seconds=round(time.monotonic() - began, 1))


def test_a_reason_names_a_friend(serving, first, saw):
    """What the features step wrote is what serving reads: nobody is a stranger."""
    named = {}

    def one_is():
        for user in first.shoppers:
            items = serving.cluster.ask(f"/v1/users/{user}/recommendations?k=20")["items"]
            for reason in (r for item in items for r in item["reasons"] or ()):
                if reason["kind"] == "friend" and reason["friend"]:
                    named.update(user=user, friend=reason["friend"], text=reason["text"])
                    return True
        return False

    took = wait(one_is, 300, f"one of {len(first.shoppers)} shoppers with friends sees one named")
    saw(seconds=round(took, 1), **{k: json.dumps(v) for k, v in named.items()})


def test_every_pod_of_ours_is_as_restricted_asks(serving, saw):
    """The namespace refuses others; here it is asked which it would, had it no label."""
    text = serving.cluster.kubectl(
        "label", "namespace", serving.cluster.namespace, "--dry-run=server", "--overwrite",
        "pod-security.kubernetes.io/enforce=restricted",
    )  # fmt: skip
    saw(answer=json.dumps(text.strip()[-200:]))
    assert "violate" not in text
