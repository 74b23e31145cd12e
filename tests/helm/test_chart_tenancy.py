"""Two installs, in one namespace and in two, on one Redis and one Prometheus: nothing mixes."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chart import CI, SECRETS, one, parse, pods

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from redis_server import PASSWORD, RedisServer

SHARED = ("--set", "redis.enabled=false", "--set", "redis.address=redis.example:6379")


def rendered(chart, name, namespace, *options):
    command = ("template", name, str(chart.folder), "--namespace", namespace)
    return parse(chart.run(*command, "--values", str(CI["gpu"]), *SECRETS, *options))


def keys(objects, namespace):
    """What no two objects of a cluster may share."""
    return {
        (o["kind"], o["metadata"].get("namespace", namespace), o["metadata"]["name"])
        for o in objects
    }


def selectors(value):
    """All that pods are chosen by, wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("selector", "podSelector", "labelSelector") and isinstance(inner, dict):
                labels = inner.get("matchLabels", {})
                if not inner.keys() & {"matchLabels", "matchExpressions"}:
                    labels = inner
                if "app.kubernetes.io/component" in labels:
                    yield labels
            yield from selectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from selectors(inner)


@pytest.mark.parametrize("namespaces", [("shop", "shop"), ("shop", "other")])
def test_no_object_of_one_is_the_others(chart, namespaces):
    first, second = (
        rendered(chart, name, namespace)
        for name, namespace in zip(("north", "north-sea"), namespaces, strict=True)
    )
    assert not keys(first, namespaces[0]) & keys(second, namespaces[1])
    kinds = {o["kind"] for o in first}
    assert {"Lease", "ConfigMap", "RayService", "StatefulSet", "ServiceAccount"} <= kinds
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}, "nothing is granted in the cluster"


def test_the_same_name_in_two_namespaces_meets_nowhere(chart):
    first, second = (rendered(chart, "coterie", namespace) for namespace in ("shop", "other"))
    assert not keys(first, "shop") & keys(second, "other")


def test_no_selector_of_one_takes_the_others_pods(chart):
    """Though one's name begins as the other's, as names of shops do."""
    installs = [rendered(chart, name, "shop") for name in ("north", "north-sea")]
    for mine, theirs in itertools.permutations(installs):
        found = list(selectors(mine))
        assert len(found) > 10
        for labels in found:
            taken = [pod for pod in pods(theirs) if labels.items() <= pod.labels.items()]
            assert not taken, labels


def settings_of(chart, name, *options):
    objects = rendered(chart, name, "shop", *SHARED, *options)
    settings = one(objects, "ConfigMap", f"{name}-settings")["data"]
    store = one(objects, "ConfigMap", f"{name}-features")["data"]["feature_store.yaml"]
    return settings["COTERIE_EVENT_LOG"], yaml.safe_load(store)["online_store"]["connection_string"]


STORY = """
import sys
from coterie.schema import EventKind
from serving.events.open import open_log
from serving.events.event import Event

log = open_log(sys.argv[1], sys.argv[2])
log.append([Event("e1", "ana", sys.argv[3], EventKind.VIEW, 1)])
print(log.count_unpushed(), [event.item_id for event in log.unpushed(9).events])
"""


def test_two_that_share_a_redis_have_databases_of_their_own(chart, tmp_path):
    server = RedisServer(tmp_path / "redis")
    for number, name in enumerate(("north", "south")):
        log, features = settings_of(chart, name, "--set", f"redis.database={number}")
        assert log == f"redis://redis.example:6379/{number}"
        assert (f",db={number}," in features) is (number > 0)
        place = log.replace("redis.example:6379", f"127.0.0.1:{server.port}")
        said = subprocess.run(
            [sys.executable, "-c", STORY, place, PASSWORD, name],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        # The same event id, and it is new to each.
        assert said == f"1 ['{name}']\n"
    server.stop()


def test_a_controller_looks_at_its_own_series(chart):
    """In one namespace a selector tells them apart; the shell takes it as it stands."""
    selector = 'job="shop/north-ray"'
    told = rendered(chart, "north", "shop", "--set-string", f"rollouts.selector={selector}")
    container = one(told, "Deployment", "north-controller")["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert f"--selector={selector}" in container["args"]
    usual = one(rendered(chart, "north", "shop"), "Deployment", "north-controller")
    arguments = usual["spec"]["template"]["spec"]["containers"][0]["args"]
    assert not [word for word in arguments if word.startswith("--selector")]
