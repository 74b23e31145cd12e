"""What KubeRay's CRDs put in where an object says nothing."""

from typing import Any


def set_defaults(content: Any) -> None:
    spec = content.get("spec") or {}
    cluster = spec.get("rayClusterConfig") or spec.get("rayClusterSpec") or spec
    groups = [g for g in cluster.get("workerGroupSpecs") or () if isinstance(g, dict)]
    for group in groups:
        group.setdefault("numOfHosts", 1)
    for group in (cluster.get("headGroupSpec") or {}, *groups):
        pod = (group.get("template") or {}).get("spec") or {}
        for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
            for port in container.get("ports") or ():
                port.setdefault("protocol", "TCP")
