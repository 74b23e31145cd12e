"""Write ``docs/cluster-objects.md``: what the chart makes, and who may reach whom (``make chart``).

From the rendering with ``ci/production-values.yaml``; a test compares what is written here.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helm"))
from chart import CI, OF_REVISION, Chart  # noqa: E402
from network import End, may, ours  # noqa: E402
from tools import helm  # noqa: E402

PAGE = ROOT / "docs" / "cluster-objects.md"
HEAD = """# What the chart makes

All objects of `helm template coterie helm/coterie` with `ci/production-values.yaml`, and what its
NetworkPolicies let through. `make chart` writes this page from that rendering.
[Install](install.md) says what each part needs.

## Objects

| kind | name | what for |
|---|---|---|
"""
REACH = """
## Who may reach whom

What both sides let through, of all ports that a policy names; everything else is denied. Who stands
in italics is no pod of the chart and under no policy of it, so the other side alone decides.

| from | to | ports |
|---|---|---|
"""
ELSEWHERE = """
A network may or may not take pods for outside addresses (`ipBlock`); this table does not.
"""
PURPOSES: Mapping[str, Mapping[str, str]] = {
    "NetworkPolicy": {
        "default": "nothing in, nothing out, but for what follows",
        "names": "everybody asks for names",
        "ray": "Ray's pods among themselves, to Redis and the object store; scrapes",
        "head": "the KubeRay operator gives the head its orders",
        "api": "callers of the API",
        "controller": "the rollout controller to the Kubernetes API, workers, Prometheus",
        "consumer": "the event consumer to Redis and the object store",
        "jobs": "jobs to Redis, the object store and Kubeflow",
        "removal": "the hook before an uninstall to the Kubernetes API",
        "training": "training pods among themselves and to the object store; KubeRay to them",
        "test": "`helm test` to the API",
    },
    "PodDisruptionBudget": {
        "worker": "drains of nodes leave enough workers to answer",
        "consumer": "drains of nodes leave one consumer",
        "controller": "drains of nodes leave one controller",
    },
    "ServiceAccount": {
        "head": "of Ray's head: its autoscaler's",
        "worker": "of workers: they read and command the rollout store",
        "controller": "of the rollout controller",
        "consumer": "of the event consumer; no token",
        "jobs": "of jobs and the test; no token",
        "removal": "hook before an uninstall: of its Job",
        "train": "of pipelines' steps and what they train on",
    },
    "ConfigMap": {
        "settings": "the variables that Ray's pods read",
        "features": "Feast's `feature_store.yaml`",
        "rules": "the shop's rules for its lists, read again where it changes",
        "scripts": "scripts of jobs and pods: features, upload, drain, test",
        "training": "what pipelines have to know of this cluster",
        "rollout": "the rollout store; the controller alone writes it, an uninstall leaves it",
        "rollout-commands": "commands to the controller",
        "before": "what ran before an upgrade, to go back to",
        "dashboard-model": "a dashboard for Grafana: the model",
        "dashboard-pipelines": "a dashboard: runs of pipelines",
        "dashboard-rollout": "a dashboard: rollouts",
        "dashboard-service": "a dashboard: the API",
        "dashboard-shoppers": "a dashboard: what shoppers do",
    },
    "Role": {
        "controller": "its rollout store, its lease, the RayService",
        "worker": "the rollout store and its commands",
        "train": "what steps ask of Kubernetes",
        "removal": "hook before an uninstall: to delete the RayService",
    },
    "RoleBinding": dict.fromkeys(("controller", "worker", "train", "removal"), "gives the role"),
    "Service": {
        "api": "the API: ready workers of every Ray cluster",
        "controller": "where the controller is scraped",
    },
    "Deployment": {
        "consumer": "exports events, pushes what the sink left",
        "controller": "moves canaries forward, or back",
    },
    "Ingress": {"": "the API from outside"},
    "HTTPRoute": {"": "the API from outside, by a gateway"},
    "Lease": {"rollout": "which controller acts"},
    "PodMonitor": {
        "ray": "scrapes Ray and the API's own counts",
        "consumer": "scrapes the consumer",
    },
    "ServiceMonitor": {"controller": "scrapes the controller"},
    "PrometheusRule": {
        "objectives": "alerts: objectives of the service",
        "pipelines": "alerts: runs of pipelines",
        "rollout": "alerts: rollouts",
        "serving": "alerts: serving",
    },
    "RayService": {"": "serving: a head, workers, the app"},
    "Pod": {"test-api": "`helm test`: asks for a list, sends an event"},
    "Job": {
        "features-apply-*": "registers Feast's definitions; `*` is the revision and what it reads",
        "pipelines-upload-*": "uploads pipelines and their schedule",
        "removal": "hook before an uninstall: takes the RayService away, and waits for it",
    },
    "CronJob": {"features-materialise": "writes the newest rows of features online"},
}
"""By kind, then by the end of the name."""


def page(objects: Sequence[Mapping[str, Any]]) -> str:
    """All of it."""
    return HEAD + "".join(rows(objects)) + REACH + "".join(reach(objects)) + ELSEWHERE


def rows(objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write a line for each object.

    Raises:
        KeyError: Nobody has said yet what one is for: say it in PURPOSES.
    """
    for one in sorted(objects, key=lambda o: (o["kind"], o["metadata"]["name"])):
        kind, name = one["kind"], OF_REVISION.sub("-*", one["metadata"]["name"])
        part = name.removeprefix("coterie").removeprefix("-")
        yield f"| {kind} | `{name}` | {PURPOSES[kind][part]} |\n"


def reach(objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write a line for each two of which one may reach the other."""
    ends = ours(objects)
    named = sorted(set(ports(objects)))
    for source in ends.values():
        for target in ends.values():
            if _ours(source, target):
                through = [_port(p) for p in named if may(objects, source, target, *p)]
                if through:
                    told = "all" if len(through) == len(named) else ", ".join(through)
                    yield f"| {_called(source)} | {_called(target)} | {told} |\n"


def ports(objects: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    """Find what policies name."""
    for one in objects:
        if one["kind"] == "NetworkPolicy":
            for rule in (*one["spec"].get("egress", ()), *one["spec"].get("ingress", ())):
                yield from ((p["port"], p["protocol"]) for p in rule.get("ports", ()))


def _ours(*ends: End) -> bool:
    return any("app.kubernetes.io/instance" in end.labels for end in ends)


def _called(end: End) -> str:
    return end.name if _ours(end) else f"*{ELSEWHERE_NAMES[end.name]}*"


ELSEWHERE_NAMES = {
    "operator": "KubeRay operator",
    "prometheus": "Prometheus' namespace",
    "kubeflow": "Kubeflow's namespace",
    "names": "`kube-system`",
    "shop": "another namespace",
    "gateway": "the gateway's namespace",
    "neighbour": "another pod of the namespace",
    "step": "a step of a pipeline",
    "outside": "addresses in `networkPolicy.outside`",
    "internet": "other addresses",
}
"""How the page calls who is no pod of the chart."""


def _port(port: tuple[int, str]) -> str:
    return str(port[0]) if port[1] == "TCP" else f"{port[0]} {port[1]}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(Chart(helm()).objects(CI["production"])))


if __name__ == "__main__":
    main()
