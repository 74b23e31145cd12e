"""Which pods start anew where a value changes: those that read it, and no others."""

import copy
import functools
import json
import re

import pytest
import yaml
from chart import CI, FOLDER
from test_chart_values import leaves

RAY = {"head", "worker"}
ALL = RAY | {"consumer", "controller", "redis"}
OURS = ALL - {"redis"}
FEAST = RAY | {"consumer"}
RESTARTS = {
    "nameOverride": ALL,
    "labels": ALL,
    "images.registry": OURS,
    "images.tag": OURS,
    "images.serve": OURS,
    "images.serveDigest": OURS,
    "images.pullPolicy": ALL,
    "images.pullSecrets": ALL,
    "release.store": RAY | {"controller", "consumer"},
    "pods": ALL,
    "trust": OURS,
    "proxy": OURS,
    "s3": OURS,
    "secrets.existingSecret": RAY,
    "secrets.existingKeys": RAY,
    "secrets.existingLlmKey": RAY,
    "secrets.existingPseudonymKey": RAY,
    "serving": RAY,
    "serving.logLevel": FEAST,
    "serving.llm.vllm.enabled": RAY,  # whom replicas ask
    "serving.textEncoder": RAY | {"controller"},  # which tries what a release was made with
    "rollouts.enabled": RAY,  # whether workers may read its rollout store
    "rollouts.intervalSeconds": {"controller"},
    "rollouts.prometheusUrl": {"controller"},
    "rollouts.selector": {"controller"},
    "rollouts.port": {"controller"},
    "rollouts.resources": {"controller"},
    "events": {"consumer"},
    "events.export": RAY | {"consumer"},  # replicas write there what lists showed
    "events.syncSeconds": RAY,  # how long a receipt waits
    "events.keepDays": RAY | {"consumer"},  # which events are refused, and which removed
    "redis": {"redis"},
    "redis.address": FEAST,
    "redis.database": FEAST,
    "redis.tls": FEAST,
    "redis.existingSecret": ALL,
    "features.registry": FEAST,
    "training.source": RAY | {"consumer"},  # events and what lists showed are exported beside it
    "training.status": RAY,  # replicas tell how pipelines stand
}
"""Who starts anew, by value or by what stands above it; the longest name counts."""
IN_PLACE = {
    # Ray Serve, KubeRay and Kubernetes take these while all goes on.
    "serving.api",
    # Replicas read the file again.
    "serving.rules",
    "serving.sink.cpus",
    "serving.upgradeStrategy",
    "serving.oldClusterSeconds",
    "serving.workers.maxUnavailable",
    # Of pods of their own, which are not there unless they are asked for.
    "serving.llm.vllm",
    "events.consumer.replicas",
    # A volume stays as it was made.
    "redis.size",
    "redis.storageClass",
    # Counts only with redis.enabled=false, which is looked at by itself.
    "redis.enabled",
}
TOLD = {
    "images.pullPolicy": "Always",
    "images.pullSecrets": [{"name": "login"}],
    "images.serveDigest": "sha256:" + "1" * 64,
    "images.trainDigest": "sha256:" + "2" * 64,
    "release.store": "s3://other/releases",
    "release.digest": "c" * 64,
    "serving.logLevel": "DEBUG",
    "serving.rules": [{"rule": "diversity", "weight": 0.2}],
    "serving.reasons.minShare": 0.2,
    "serving.maxEventLeadSeconds": 200,
    "serving.corsOrigins": ["https://shop.example"],
    "serving.access.openScopes": ["lists:read"],
    "serving.llm.vllm.image": "vllm/vllm-openai:v0.11.1",
    "serving.llm.vllm.args": ["--enforce-eager"],
    "serving.extraEnv": [{"name": "A", "value": "b"}],
    "serving.upgradeStrategy": "None",
    "serving.workers.spreadZones": "DoNotSchedule",
    "serving.workers.spreadNodes": "DoNotSchedule",
    "redis.address": "redis.third:6380",
    "redis.image": "redis:8.0.0",
    "rollouts.selector": 'namespace="other"',
    "redis.appendfsync": "everysec",
    "features.materialise.schedule": "0 4 * * *",
    "pipelines.recurring.refresh.cron": "0 0 3 * * *",
    "pipelines.recurring.train.cron": "0 0 3 * * 1",
    "httpRoute.hostnames": ["shop.example"],
    "networkPolicy.dns": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicy.apiFrom": [],
    "networkPolicy.outside": "10.0.0.0/8",
    "networkPolicy.egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 80}]}],
    "proxy.except": [".shop.example"],
    "monitoring.enabled": False,
    "monitoring.interval": "9s",
}
"""Values for which no other of their kind will do."""
URLS = {
    "proxy.https",
    "s3.endpoint",
    "serving.traces",
    "serving.llm.address",
    "rollouts.prometheusUrl",
    "pipelines.endpoint",
}
PLACES = {
    "release.folder",
    "events.export",
    "features.registry",
    "features.offline",
    "training.source",
    "training.checkpoints",
    "training.status",
}
WITH = {
    "trust.key": {"trust.configMap": "authorities"},
    "proxy.except": {"proxy.https": "http://proxy.example:3128"},
    "redis.address": {"redis.enabled": False, "redis.address": "redis.other:6379"},
    "serving.llm.vllm.enabled": {"serving.llm.model": "qwen", "serving.llm.vllm.claim": "models"},
    "ingress.enabled": {"ingress.host": "shop.example"},
    "httpRoute.enabled": {"httpRoute.gateway.name": "public"},
}
"""What else has to be set for a value to count, or to be taken."""
SEEN_BY_RAY = {
    # Ray Serve and KubeRay take these in place.
    "serving.api",
    "serving.sink.cpus",
    "serving.upgradeStrategy",
    "serving.oldClusterSeconds",
    # Read again where the file changes.
    "serving.rules",
    # The controller tells replicas, as a person's release or as the first.
    "release.folder",
    "release.digest",
    "release.force",
}
"""Values that bring up no other RayCluster, and yet stand in what Ray or its pods read."""
BASE = {
    # Passwords that are made differ each time; and what is not looked at need not be rendered.
    "secrets.existingSecret": "app",
    "secrets.existingKeys": "keys",
    "secrets.existingLlmKey": "words",
    "secrets.existingPseudonymKey": "pseudonyms",
    "redis.existingSecret": "redis",
    "monitoring.enabled": False,
    "monitoring.dashboards": False,
}


def values():
    text = yaml.safe_load((FOLDER / "values.yaml").read_text())
    return {leaf: functools.reduce(dict.get, leaf.split("."), text) for leaf in leaves(text)}


def longest(names, leaf):
    above = [n for n in names if leaf == n or leaf.startswith(f"{n}.")]
    return max(above, key=len, default="")


def expected(leaf):
    in_place, restarts = longest(IN_PLACE, leaf), longest(RESTARTS, leaf)
    return set() if len(in_place) >= len(restarts) else RESTARTS[restarts]


def another(leaf, value):
    """A value that differs, and that the schema takes."""
    if leaf in TOLD:
        return TOLD[leaf]
    if leaf in URLS:
        return "http://other.example:1234"
    if leaf in PLACES:
        return "s3://other/place"
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return [*value, 1234] if value else [{"key": "a", "operator": "Exists"}]
    if isinstance(value, dict):
        return {"a": "b"}
    quantity = re.fullmatch(r"([0-9]+)(m|Ki|Mi|Gi|gb)?", value)
    return f"{int(quantity[1]) + 1}{quantity[2] or ''}" if quantity else "other"


def options(changes):
    for leaf, value in changes.items():
        yield from ("--set-json", f"{leaf}={json.dumps(value)}")


@functools.cache
def running(chart, *given):
    """What starts pods anew where it changes, by component."""
    text = chart.text(CI["gpu"], *options(BASE), *given)
    found = {}
    for o in filter(None, yaml.load_all(text, yaml.CSafeLoader)):
        if o["kind"] == "RayService":
            found |= dict.fromkeys(RAY, cluster_of(o))
        elif o["kind"] in {"Deployment", "StatefulSet"}:
            template = o["spec"]["template"]
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
    return found


def cluster_of(service):
    """As much of a RayCluster as KubeRay makes a new one for: it leaves the same out."""
    cluster = copy.deepcopy(service["spec"]["rayClusterConfig"])
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        group["template"]["spec"].pop("tolerations", None)
        for key in ("replicas", "minReplicas", "maxReplicas"):
            group.pop(key, None)
    return cluster


def restarted(chart, changes):
    """Components that are there before and after a change, and differ."""
    beside = {k: v for leaf in changes for k, v in WITH.get(leaf, {}).items()}
    before = running(chart, *options(beside))
    after = running(chart, *options(beside | changes))
    return {one for one in before.keys() & after.keys() if before[one] != after[one]}


VALUES = values()
QUIET = [leaf for leaf in VALUES if not expected(leaf)]


@pytest.mark.parametrize("leaf", [leaf for leaf in VALUES if expected(leaf)])
def test_whoever_reads_a_value_starts_anew_and_nobody_else(chart, leaf):
    assert restarted(chart, {leaf: another(leaf, VALUES[leaf])}) == expected(leaf)


def test_all_other_values_restart_nobody(chart):
    changes = {leaf: another(leaf, VALUES[leaf]) for leaf in QUIET}
    changes |= {"redis.enabled": True, **WITH["httpRoute.enabled"]}
    if not restarted(chart, changes):
        return
    guilty = {leaf: who for leaf in QUIET if (who := restarted(chart, {leaf: changes[leaf]}))}
    pytest.fail(f"these restart pods that do not read them: {guilty}")


@functools.cache
def read_by_ray(chart, *given):
    """All that KubeRay, Ray and its pods read: the RayService, and what its pods take in."""
    objects = list(filter(None, yaml.load_all(chart.text(CI["gpu"], *given), yaml.CSafeLoader)))
    [service] = (o for o in objects if o["kind"] == "RayService")
    text = json.dumps(service["spec"])
    maps = set(
        re.findall(
            r'"(?:configMap|configMapRef|secretRef|secretKeyRef)": [{][^}]*?"name": "([^"]+)"', text
        )
    )
    assert len(maps) >= 5, maps
    found = {o["metadata"]["name"]: o.get("data") for o in objects if o["kind"] == "ConfigMap"}
    # Labels of the service itself are no part of it: no pod has them.
    written = {"spec": service["spec"], "annotations": service["metadata"].get("annotations")}
    return written, {name: found[name] for name in maps & found.keys()}


UNSEEN = [
    leaf
    for leaf in VALUES
    if not expected(leaf) & RAY and not longest(SEEN_BY_RAY, leaf) and leaf not in WITH
]
"""Values that Ray's pods have nothing to do with."""


def test_the_values_of_the_controller_alone_are_among_those_that_ray_never_sees():
    controllers = {leaf for leaf in VALUES if leaf.startswith("rollouts.")} - {"rollouts.enabled"}
    assert controllers <= set(UNSEEN)
    assert {"rollouts.prometheusUrl", "monitoring.enabled", "monitoring.interval"} <= set(UNSEEN)


@pytest.mark.parametrize("monitored", [False, True])
def test_what_ray_does_not_read_changes_nothing_that_it_sees(chart, monitored):
    """Not only in the RayCluster: another annotation would make the controller write anew."""
    base = {**BASE, "monitoring.enabled": monitored, "monitoring.dashboards": monitored}
    before = read_by_ray(chart, *options(base))
    changes = {leaf: another(leaf, VALUES[leaf]) for leaf in UNSEEN} | {"redis.enabled": True}
    if read_by_ray(chart, *options({**base, **changes})) == before:
        return
    guilty = [
        leaf
        for leaf in UNSEEN
        if read_by_ray(chart, *options({**base, leaf: changes[leaf]})) != before
    ]
    pytest.fail(f"Ray's pods see these, and need not: {guilty}")


def test_every_name_in_the_tables_is_one_of_a_value():
    for name in (*RESTARTS, *IN_PLACE, *SEEN_BY_RAY, *TOLD, *URLS, *PLACES, *WITH):
        assert [leaf for leaf in VALUES if leaf == name or leaf.startswith(f"{name}.")], name
