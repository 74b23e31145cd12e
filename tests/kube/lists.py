"""Which lists are merged, and by which keys; which maps are one value.

Taken from the ``x-kubernetes-`` marks of Kubernetes' own OpenAPI. A custom resource's list is one
value unless its CRD says otherwise: KubeRay's says so inside of pod templates alone.
"""

import json
from typing import Any

Path = tuple[str, ...]
"""As in managedFields: ``f:`` and a field, ``k:`` and the keys of an item, ``v:`` and an item."""

KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Inside of a pod's spec."""
EVERYWHERE = {"ownerReferences": ("uid",), "conditions": ("type",)}
ATOMIC = {
    "configMapKeyRef", "configMapRef", "fieldRef", "involvedObject", "labelSelector",
    "namespaceSelector", "nodeSelector", "podSelector", "resourceFieldRef", "roleRef",
    "secretKeyRef", "secretRef", "selector",
}  # fmt: skip
DEFAULTS = {"protocol": "TCP"}
"""Of keys that an object may leave out."""


def keys_of(kind: str, path: Path) -> tuple[str, ...] | None:
    """Fields that tell items of a list apart; ``()``: its items themselves; None: one value."""
    field = path[-1].removeprefix("f:")
    if path == ("f:metadata", "f:finalizers"):
        return ()
    if field in EVERYWHERE:
        return EVERYWHERE[field]
    if kind == "PrometheusRule" and field == "groups":
        return ("name",)
    if kind == "Service" and path == ("f:spec", "f:ports"):
        return ("port", "protocol")
    if kind == "ServiceAccount" and field == "imagePullSecrets":
        return ("name",)
    if not _in_pod(kind, path):
        return None
    if field == "ports":
        return ("containerPort", "protocol")
    return KEYS.get(field)


def _in_pod(kind: str, path: Path) -> bool:
    if kind == "Pod":
        return True
    return any(part in path for part in ("f:template", "f:submitterPodTemplate"))


def is_atomic(path: Path) -> bool:
    return path[-1].removeprefix("f:") in ATOMIC


def key(item: Any, keys: tuple[str, ...]) -> str:
    """An item of a merged list, as a step of a path."""
    if not keys:
        return f"v:{_compact(item)}"
    found = {name: item.get(name, DEFAULTS.get(name)) for name in keys}
    return f"k:{_compact({n: v for n, v in sorted(found.items()) if v is not None})}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
