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
    "s3": OURS,
    "secrets.existingSecret": RAY,
    "serving": RAY,
    "serving.logLevel": FEAST,
    "serving.textEncoder": RAY | {"controller"},  # which tries what a release was made with
    "rollouts.enabled": RAY,  # whether workers may read its rollout store
    "rollouts.intervalSeconds": {"controller"},
    "rollouts.prometheusUrl": {"controller"},
    "rollouts.selector": {"controller"},
    "rollouts.port": {"controller"},
    "rollouts.resources": {"controller"},
    "events": {"consumer"},
    "events.syncSeconds": RAY,  # how long a receipt waits
    "redis": {"redis"},
    "redis.address": FEAST,
    "redis.database": FEAST,
    "redis.tls": FEAST,
    "redis.existingSecret": ALL,
    "features.registry": FEAST,
    "training.source": {"consumer"},  # events are exported beside it
    "training.status": RAY,  # replicas tell how pipelines stand
}
"""Who starts anew, by value or by what stands above it; the longest name counts."""
IN_PLACE = {
    # Ray Serve, KubeRay and Kubernetes take these while all goes on.
    "serving.api",
    # Replicas read the file again.
    "serving.rules",
    "serving.sink",
    "serving.upgradeStrategy",
    "serving.oldClusterSeconds",
    "serving.workers.maxUnavailable",
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
    "monitoring.enabled": False,
    "monitoring.interval": "9s",
}
"""Values for which no other of their kind will do."""
URLS = {"s3.endpoint", "serving.traces", "rollouts.prometheusUrl", "pipelines.endpoint"}
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
    "redis.address": {"redis.enabled": False, "redis.address": "redis.other:6379"},
    "ingress.enabled": {"ingress.host": "shop.example"},
    "httpRoute.enabled": {"httpRoute.gateway.name": "public"},
}
"""What else has to be set for a value to count, or to be taken."""
BASE = {
    # Passwords that are made differ each time; and what is not looked at need not be rendered.
    "secrets.existingSecret": "app",
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


def test_every_name_in_the_tables_is_one_of_a_value():
    for name in (*RESTARTS, *IN_PLACE, *TOLD, *URLS, *PLACES, *WITH):
        assert [leaf for leaf in VALUES if leaf == name or leaf.startswith(f"{name}.")], name
