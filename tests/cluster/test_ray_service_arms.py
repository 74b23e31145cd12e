"""What a RayService serves is what its status tells, and it is changed without harm to others."""

import json
import math
import time
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cluster_shop import OLD_TEXT, Shop, ray_service, release, serve_config, stated

from coterie.cluster.served import TEMPLATE
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.state import Target

OTHER_REPLICAS = '"num_replicas": 2', '"num_replicas": 5'


@pytest.fixture
def arms(shop, cluster):
    """They have looked for long enough to know that all is well."""
    arms = shop.arms(cluster)
    arms.live()
    shop.now += 60
    return arms


def settle(shop, arms, rounds=8):
    for _ in range(rounds):
        arms.live()
        shop.now += 10


def change_template(shop):
    service = deepcopy(shop.api.objects["rayservices", "shop"])
    annotations = service["metadata"]["annotations"]
    annotations[TEMPLATE] = annotations[TEMPLATE].replace(*OTHER_REPLICAS)
    shop.api.put("rayservices", "shop", service)


def asked(arms, digest):
    """The answer of a preflight, once there is one."""
    while (said := arms.preflight(digest)) is None:
        time.sleep(0.001)
    return said


def test_what_is_applied_is_live_when_replicas_hold_it(shop, arms):
    assert arms.live() == Target(shop.old)
    target = Target(shop.old, shop.new, 0.1)
    arms.apply(target)
    assert arms.live() != target
    settle(shop, arms)
    assert arms.live() == target == shop.live
    assert shop.kuberay.serving["canary"]["folder"].endswith("/v2")


def test_in_the_round_in_which_it_is_handed_over_it_is_not_yet_live(shop, arms):
    """Then the status is good, and of the newest generation, but of the old configuration."""
    target = Target(shop.old, shop.new, mirrored=True)
    arms.apply(target)
    told = arms.live()
    service = shop.api.objects["rayservices", "shop"]
    status = service["status"]
    assert status["observedGeneration"] == service["metadata"]["generation"]
    assert (
        status["activeServiceStatus"]["applicationStatuses"]["coterie"]["status"],
        shop.live,
    ) == ("RUNNING", Target(shop.old))
    assert math.isnan(told.weight)
    assert told.canary == shop.new


def test_while_kuberay_is_away_nothing_new_is_live(shop, arms):
    shop.kuberay.paused = True
    arms.apply(Target(shop.old, shop.new, 0.1))
    settle(shop, arms, 20)
    assert math.isnan(arms.live().weight)


@pytest.mark.parametrize(
    "change",
    [
        {"pendingServiceStatus": {"rayClusterName": "shop-raycluster-fghij"}},
        {"conditions": [{"type": "UpgradeInProgress", "status": "True"}]},
        {"activeServiceStatus": {}},
        {"observedGeneration": 0},
    ],
)
def test_a_status_that_is_not_good_tells_nothing(shop, arms, change):
    shop.kuberay.paused = True
    shop.api.objects["rayservices", "shop"]["status"].update(change)
    settle(shop, arms)
    assert math.isnan(arms.live().weight)
    assert arms.preflight(shop.new) is None


def test_a_controller_that_was_restarted_looks_anew(shop, arms, cluster):
    again = shop.arms(cluster)
    assert math.isnan(again.live().weight)
    shop.now += 60
    assert again.live() == Target(shop.old)


def test_deployments_that_were_told_different_things_are_told_again(shop, arms):
    service = shop.api.objects["rayservices", "shop"]
    text = service["spec"]["serveConfigV2"]
    head, _, tail = text.rpartition(shop.old)
    service["spec"]["serveConfigV2"] = head + "f" * 64 + tail
    settle(shop, arms)
    assert math.isnan(arms.live().weight)
    arms.apply(Target(shop.old))
    assert shop.api.objects["rayservices", "shop"]["spec"]["serveConfigV2"] == text


def test_what_is_there_already_is_not_written_again(shop, arms):
    before = len(shop.api.writes())
    arms.apply(Target(shop.old))
    assert len(shop.api.writes()) == before


def test_changes_of_others_are_kept(shop, arms):
    """One comes between reading and writing."""
    ask, once = arms._cluster.patch, []

    def meanwhile(*args, **more):
        if not once:
            once.append(1)
            change_template(shop)
        return ask(*args, **more)

    arms._cluster.patch = meanwhile
    arms.apply(Target(shop.old, shop.new, 0.1))
    text = shop.api.objects["rayservices", "shop"]["spec"]["serveConfigV2"]
    assert OTHER_REPLICAS[1] in text
    assert shop.new in text


def test_conflicts_without_end_are_given_up(shop, arms):
    shop.api.fail("patch", "rayservices", 409, times=1e9)
    with pytest.raises(UnavailableError, match="4 times"):
        arms.apply(Target(shop.old, shop.new, 0.1))


def test_a_rollback_needs_no_store(shop, arms, cluster):
    arms.apply(Target(shop.old, shop.new, 0.1))
    settle(shop, arms)
    shop.store = "/nowhere"
    shop.arms(cluster).apply(Target(shop.old))
    settle(shop, arms)
    assert shop.live == Target(shop.old)


def test_who_may_not_act_does_not(shop, cluster):
    arms = shop.arms(cluster, may_act=lambda: False)
    with pytest.raises(UnavailableError, match="lease"):
        arms.apply(Target(shop.old, shop.new, 0.1))
    assert not [r for r in shop.api.writes() if r[1] == "rayservices"]


def test_each_change_is_an_event_of_the_service(shop, arms):
    arms.apply(Target(shop.old, shop.new, mirrored=True))
    (event,) = shop.api.events("RolloutApplied")
    assert event["message"] == f"{shop.old[:12]} alone -> {shop.old[:12]} with canary " + (
        f"{shop.new[:12]} mirrored"
    )
    assert event["involvedObject"]["kind"] == "RayService"


def test_a_service_that_is_not_there_is_named(shop, cluster):
    shop.api.objects.clear()
    with pytest.raises(BadInputError, match="RayService shop"):
        shop.arms(cluster).live()


def test_a_whole_release_passes_preflight(shop, arms):
    assert arms.preflight(shop.new) is None
    assert asked(arms, shop.new) == ""


def test_a_damaged_or_missing_release_does_not(api, cluster, tmp_path):
    shop = Shop(api, str(tmp_path), release(tmp_path, "v1"), release(tmp_path, "v2", 2.0))
    arms = shop.arms(cluster)
    settle(shop, arms)
    assert "holds no release" in asked(arms, "f" * 64)
    file = Path(tmp_path, "v2", "parameters.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert "does not match the digest" in asked(arms, shop.new)


def test_a_store_that_fails_says_neither_yes_nor_no(shop, arms, monkeypatch):
    def fail(self, digest):
        raise UnavailableError("no route to host")

    monkeypatch.setattr("coterie.release.store.ReleaseStore.by_digest", fail)
    with pytest.raises(UnavailableError, match="no route"):
        asked(arms, shop.new)
    monkeypatch.undo()
    assert asked(arms, shop.new) == ""


def pod(api, name, since, reason="OOMKilled", waits="", cluster="shop-raycluster-abcde"):
    ended = {"terminated": {"reason": reason, "finishedAt": since.isoformat()[:19] + "Z"}}
    state = {"waiting": {"reason": waits}} if waits else {"running": {}}
    content = {
        "metadata": {"labels": {"ray.io/cluster": cluster}},
        "status": {
            "containerStatuses": [{"name": "ray-worker", "state": state, "lastState": ended}]
        },
    }
    api.put("pods", name, content)


def worker(api, name, cluster, instance="coterie", **metadata):
    """As KubeRay makes it of the chart's template."""
    ours = {"app.kubernetes.io/instance": instance, "app.kubernetes.io/component": "worker"}
    labels = {**ours, "ray.io/cluster": cluster}
    api.put("pods", name, {"metadata": {"labels": labels, **metadata}, "spec": {}})


@pytest.fixture
def followed(shop):
    """An old RayCluster whose workers still answer beside those of the newest."""
    service = deepcopy(shop.api.objects["rayservices", "shop"])
    service["metadata"]["labels"] = {"app.kubernetes.io/instance": "coterie"}
    shop.api.put("rayservices", "shop", service)
    worker(shop.api, "new-1", "shop-raycluster-abcde")
    worker(shop.api, "neighbour-1", "another", instance="another")
    worker(shop.api, "old-1", "shop-raycluster-older")


def test_while_an_old_cluster_answers_nothing_is_known_to_be_live(shop, arms, followed):
    """It is told of nothing any more: a rollback would reach a part of the shoppers."""
    settle(shop, arms)
    assert math.isnan(arms.live().weight)
    assert arms.preflight(shop.new) is None
    worker(shop.api, "old-1", "shop-raycluster-older", deletionTimestamp="2026-01-01T00:00:00Z")
    assert math.isnan(arms.live().weight), "not before it has been so for a while"
    settle(shop, arms)
    assert arms.live() == Target(shop.old)
    assert asked(arms, shop.new) == ""


def test_a_rollback_is_written_while_an_old_cluster_answers(shop, arms, followed):
    arms.apply(Target(shop.old, shop.new, 0.1))
    settle(shop, arms)
    arms.apply(Target(shop.old))
    settle(shop, arms)
    assert shop.live == Target(shop.old)
    assert arms.live() != Target(shop.old)


def hours_from_now(hours):
    return datetime.now(UTC) + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("said", "ended", "reason", "waits"),
    [
        ("OOMKilled", 1, "OOMKilled", ""),
        ("CrashLoopBackOff", 1, "Error", "CrashLoopBackOff"),
        ("", 1, "Completed", ""),
        ("", -1, "OOMKilled", ""),
        ("", -1, "Error", "CrashLoopBackOff"),
    ],
)
def test_pods_that_died_since_the_canary_came_speak_against_it(
    shop, arms, said, ended, reason, waits
):
    arms.apply(Target(shop.old, shop.new, 0.1))
    pod(shop.api, "worker-1", hours_from_now(ended), reason, waits)
    pod(shop.api, "of-another", hours_from_now(1), cluster="other")
    told = arms.crashed(shop.new)
    assert told == (f"pod worker-1, container ray-worker: {said}" if said else "")


def test_pods_that_died_do_not_speak_against_a_canary_that_is_not_there_yet(shop, arms):
    pod(shop.api, "worker-1", hours_from_now(1))
    assert arms.crashed(shop.new) == ""
    arms.apply(Target(shop.old, shop.new, 0.1))
    assert arms.crashed(shop.new)
    arms.apply(Target(shop.old))
    assert arms.crashed(shop.new) == ""


def test_an_application_that_failed_speaks_against_the_canary(shop, arms):
    shop.kuberay.breaks = lambda config: "Deploying failed: no memory" if config["canary"] else ""
    arms.apply(Target(shop.old, shop.new, 0.1))
    settle(shop, arms)
    assert arms.crashed(shop.new) == "coterie is DEPLOY_FAILED: Deploying failed: no memory"
    assert math.isnan(arms.live().weight)


def test_a_service_that_was_just_made_is_told_what_should_be_live(shop, cluster):
    statement = stated(shop.old, f"{shop.store}/v1")
    del shop.api.objects["rayservices", "shop"]
    shop.api.put("rayservices", "shop", ray_service(statement))
    arms = shop.arms(cluster)
    arms.apply(Target(shop.old))
    settle(shop, arms)
    assert arms.live() == shop.live == Target(shop.old)
    assert shop.api.events("RolloutApplied")[-1]["message"] == f"nothing -> {shop.old[:12]} alone"


def test_another_template_is_told_with_the_same_release(shop, arms):
    arms.apply(Target(shop.old, shop.new, 0.1))
    settle(shop, arms)
    change_template(shop)
    assert math.isnan(arms.live().weight)
    arms.apply(Target(shop.old, shop.new, 0.1))
    settle(shop, arms)
    assert OTHER_REPLICAS[1] in shop.api.objects["rayservices", "shop"]["spec"]["serveConfigV2"]
    assert arms.live() == shop.live == Target(shop.old, shop.new, 0.1)
    assert "other settings" in shop.api.events("RolloutApplied")[-1]["message"]


def test_a_text_of_an_older_chart_is_written_anew_with_what_is_live(shop, arms):
    """Nothing tells it apart from a changed one, and it has no annotations."""
    live = Live(
        ReleaseRef(shop.old, f"{shop.store}/v1"), ReleaseRef(shop.new, f"{shop.store}/v2"), 0.5
    )
    text = OLD_TEXT.replace("USER_CONFIG", json.dumps(live.as_json()))
    spec = {"rayClusterConfig": {}, "serveConfigV2": text}
    shop.api.put("rayservices", "shop", {"spec": spec})
    arms.apply(live.target)
    settle(shop, arms)
    assert arms.live() == shop.live == live.target
    assert shop.api.objects["rayservices", "shop"]["spec"]["serveConfigV2"] == serve_config(live)


def test_a_release_outside_the_store_is_found_where_a_person_said_it_is(shop, arms, tmp_path):
    digest = release(tmp_path, "elsewhere", 3.0)
    with pytest.raises(UnavailableError, match="holds no release"):
        arms.apply(Target(digest))
    arms.taken = ReleaseRef(digest, f"{tmp_path}/elsewhere")
    arms.apply(Target(digest))
    settle(shop, arms)
    assert shop.live == Target(digest)
