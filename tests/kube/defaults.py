"""What the API puts in where an object says nothing."""

from typing import Any

from .kinds import Kind


def set_defaults(kind: Kind, before: Any, content: Any, number: int) -> None:
    """Where something lasts, as an address does, it is made of a number."""
    if kind.group == "ray.io":
        _as_kuberays_crds(content)
    if kind.name == "Service":
        address = f"10.96.{number // 250 % 250}.{number % 250 + 1}"
        kept = before["spec"].get("clusterIP", address) if before else address
        content["spec"].setdefault("clusterIP", kept)
        content["spec"].setdefault("type", "ClusterIP")


def _as_kuberays_crds(content: Any) -> None:
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
