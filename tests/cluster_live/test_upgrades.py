"""Whatever a person changes with helm: nothing is lost, nothing conflicts, what is said holds."""

import json

import pytest
from live_cluster import RELEASE
from live_load import load
from test_live_rollouts import QUICK

FOREVER = {**QUICK, "min_samples": 1_000_000_000, "deadline_s": 7200}
"""A rollout that stays where it is for as long as a step takes."""


@pytest.fixture
def rolling(serving, second):
    """A rollout that is at work, and taken back after the step."""
    cluster = serving.cluster
    cluster.command("", release=second.version, plan=FOREVER)
    cluster.wait(lambda: cluster.canary() == second.digest, 300, "the canary is there")
    yield serving
    if cluster.canary():
        cluster.command("/rollback", reason="the step is over")
        cluster.wait(lambda: not cluster.canary(), 180, "the canary is gone")


@pytest.mark.fake
def test_a_plain_upgrade_goes_through_while_a_rollout_runs_and_after(rolling, first, second, saw):
    """Without --force-conflicts: what the controller owns is not what the chart writes."""
    cluster = rolling.cluster
    began = cluster.now()
    rolling.upgrade()
    rolling.upgrade({"serving": {"maxEventAgeDays": 3000}})
    saw(two_upgrades_s=round(cluster.now() - began, 1))
    assert cluster.canary() == second.digest, "the upgrade ended the rollout"
    assert cluster.stable() == first.digest
    cluster.command("/rollback", reason="the step is over")
    cluster.wait(lambda: not cluster.canary(), 180, "the canary is gone")
    rolling.upgrade({"serving": {"maxEventAgeDays": 3650}})
    rolling.wait_served(first.digest)


@pytest.mark.fake
def test_force_puts_a_release_live_and_it_stays(serving, first, second, saw):
    took = serving.serve(second, force=True)
    seconds = stays(serving.cluster, second.digest, 60)
    saw(live_after_s=round(took), watched_s=seconds)
    told = serving.cluster.history()
    assert any(one["stable"] == second.digest for one in told), "the audit log does not say so"
    serving.upgrade({"release": {"force": False}})
    assert stays(serving.cluster, second.digest, 15)


def stays(cluster, digest, seconds):
    """Watch that a release stays live, and return for how long it was watched."""
    return cluster.stays(lambda: cluster.stable() == digest, seconds, f"{digest} is live", every=1)


@pytest.mark.fake
def test_helm_rollback_brings_settings_back_and_keeps_what_is_live(serving, first, saw):
    cluster = serving.cluster
    before = revision(cluster)
    serving.upgrade({"serving": {"attributionSeconds": 301}})
    began = cluster.now()
    serving.cluster.helm("rollback", RELEASE, str(before), "--timeout=15m")
    serving.more["serving"]["attributionSeconds"] = 300
    settings = serving.cluster.get("configmap", f"{RELEASE}-settings")["data"]
    assert settings["COTERIE_ATTRIBUTION_S"] == "300"
    serving.wait_served(first.digest)
    saw(seconds=round(cluster.now() - began, 1))
    stays(serving.cluster, first.digest, 30)


def revision(cluster):
    """The number of the install's last revision."""
    return json.loads(cluster.helm("history", RELEASE, "--output=json", "--max=1"))[-1]["revision"]


@pytest.mark.fake
def test_an_upgrade_under_load_loses_nothing_and_keeps_what_is_live(serving, first, settings, saw):
    cluster = serving.cluster
    before, old = cluster.served(), cluster.ray_cluster()
    level = "DEBUG" if serving.more.get("serving", {}).get("logLevel") != "DEBUG" else "INFO"
    with load(cluster, settings, 2400, first.shoppers) as sent:
        serving.upgrade({"serving": {"logLevel": level}})
        # Ready stays true all the while: what tells is which cluster answers.
        took = cluster.wait(
            lambda: cluster.ray_cluster() not in ("", old),
            1800,
            "another Ray cluster answers",
            look=serving.seen,
        )
        # Until the old one has gone: it may take requests along.
        gone = cluster.wait(
            lambda: len(cluster.ray_clusters()) == 1,
            900,
            "the old Ray cluster is gone",
        )
        serving.wait_served()
        cluster.pause(10)
    saw(moved_after_s=round(took), old_gone_after_s=round(took + gone), **sent.figures)
    sent.lost_nothing(1000)
    assert cluster.served() == before


@pytest.mark.fake
def test_a_setting_of_the_controller_alone_brings_no_second_ray_cluster(serving, saw):
    cluster = serving.cluster
    old = cluster.ray_clusters()
    serving.upgrade({"rollouts": {"intervalSeconds": 3}})
    cluster.stays(lambda: cluster.ray_clusters() == old, 60, "there are no others", every=5)
    saw(ray_clusters=len(old))
    serving.upgrade({"rollouts": {"intervalSeconds": 2}})


def test_an_image_that_cannot_be_pulled_leaves_what_answers(serving, first, settings, saw):
    cluster = serving.cluster
    before, old = revision(cluster), cluster.ray_cluster()
    with load(cluster, settings, 900, first.shoppers) as sent:
        said = serving.upgrade(
            {"images": {"tag": "there-is-no-such-tag"}}, "--timeout=2m", check=False
        )
        cluster.wait(
            lambda: (
                "ImagePull" in cluster.kubectl("get", "pods")
                or "ErrImage" in cluster.kubectl("get", "pods")
            ),
            300,
            "a pod waits for its image",
            look=serving.seen,
        )
        cluster.pause(30)
        assert cluster.ray_cluster() == old, "traffic moved to what cannot run"
        cluster.helm("rollback", RELEASE, str(before), "--timeout=10m")
        serving.wait_served(first.digest)
    saw(helm=repr(said.strip().splitlines()[-1][:120]) if said.strip() else "", **sent.figures)
    sent.lost_nothing(300)


def test_a_release_with_a_wrong_digest_is_served_to_nobody(serving, first, second, settings, saw):
    cluster = serving.cluster
    wrong = {"folder": second.folder, "digest": "0" * 64, "force": True}
    with load(cluster, settings, 900, first.shoppers) as sent:
        said = serving.upgrade({"release": wrong}, "--timeout=2m", check=False)
        cluster.pause(90)
        serving.serve(first, force=True)
        serving.upgrade({"release": {"force": False}})
    saw(helm=repr(said.strip().splitlines()[-1][:120]) if said.strip() else "", **sent.figures)
    sent.lost_nothing(300)
    assert cluster.stable() == first.digest
