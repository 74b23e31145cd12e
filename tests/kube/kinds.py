"""Kinds of objects, and how the API tells of them."""

from dataclasses import dataclass
from typing import Any

STATUS = ("status",)
SCALED = ("status", "scale")


@dataclass(frozen=True)
class Kind:
    version: str
    """Group and version, as objects say it."""
    name: str
    plural: str
    parts: tuple[str, ...] = ()
    """Its subresources."""
    short: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def root(self) -> str:
        return f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"

    @property
    def group(self) -> str:
        return self.version.rpartition("/")[0]

    @property
    def custom(self) -> bool:
        """Made by a CustomResourceDefinition."""
        return "." in self.group and not self.group.endswith(".k8s.io")


ALL = (
    Kind("v1", "Namespace", "namespaces", STATUS, ("ns",), namespaced=False),
    Kind("v1", "Node", "nodes", STATUS, ("no",), namespaced=False),
    Kind("v1", "ConfigMap", "configmaps", (), ("cm",)),
    Kind("v1", "Event", "events", (), ("ev",)),
    Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", STATUS, ("pvc",)),
    Kind("v1", "Pod", "pods", ("status", "log", "eviction"), ("po",)),
    Kind("v1", "Secret", "secrets"),
    Kind("v1", "Service", "services", STATUS, ("svc",)),
    Kind("v1", "ServiceAccount", "serviceaccounts", (), ("sa",)),
    Kind("apps/v1", "Deployment", "deployments", SCALED, ("deploy",)),
    Kind("apps/v1", "ReplicaSet", "replicasets", SCALED, ("rs",)),
    Kind("apps/v1", "StatefulSet", "statefulsets", SCALED, ("sts",)),
    Kind("apps/v1", "DaemonSet", "daemonsets", STATUS, ("ds",)),
    Kind("batch/v1", "CronJob", "cronjobs", STATUS, ("cj",)),
    Kind("batch/v1", "Job", "jobs", STATUS),
    Kind("coordination.k8s.io/v1", "Lease", "leases"),
    Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses", STATUS, ("ing",)),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", (), ("netpol",)),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", STATUS, ("pdb",)),
    Kind("rbac.authorization.k8s.io/v1", "Role", "roles"),
    Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", STATUS),
    Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", STATUS),
    Kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", STATUS),
    Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", STATUS),
    # As KubeRay's CRDs say: none of them has a scale.
    Kind("ray.io/v1", "RayCluster", "rayclusters", STATUS),
    Kind("ray.io/v1", "RayJob", "rayjobs", STATUS),
    Kind("ray.io/v1", "RayService", "rayservices", STATUS),
)
BY_PLURAL = {kind.plural: kind for kind in ALL}
BY_NAME = {kind.name: kind for kind in ALL}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discovery(path: str) -> Any:
    """What the API says of itself at a path; None where there is nothing of that."""
    if path == "/version":
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = sorted({kind.version for kind in ALL if kind.group})
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(version) for version in versions],
        }
    if path == "/openapi/v3":
        roots = {kind.root.strip("/") for kind in ALL}
        return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots}}
    if path.startswith("/openapi/v3/"):
        return _openapi([k for k in ALL if k.root == path.removeprefix("/openapi/v3")])
    kinds = [kind for kind in ALL if kind.root == path]
    if not kinds:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].version,
        "resources": [entry for kind in kinds for entry in _resources(kind)],
    }


def _openapi(kinds: list[Kind]) -> Any:
    """As much as clients look at: that the server itself checks fields, and can try a change."""
    parameters = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation")]
    paths = {}
    for kind in kinds:
        version = kind.version.rpartition("/")[2]
        gvk = {"group": kind.group, "version": version, "kind": kind.name}
        patch = {"parameters": parameters, "x-kubernetes-group-version-kind": gvk}
        where = "/namespaces/{namespace}" if kind.namespaced else ""
        paths[f"{kind.root}{where}/{kind.plural}/{{name}}"] = {
            "patch": {**patch, "responses": {}},
            "parameters": [],
        }
    return {"openapi": "3.0.0", "info": {"title": "fake", "version": "1"}, "paths": paths}


def _group(version: str) -> Any:
    one = {"groupVersion": version, "version": version.rpartition("/")[2]}
    return {"name": version.rpartition("/")[0], "versions": [one], "preferredVersion": one}


def _resources(kind: Kind) -> list[Any]:
    entry = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": VERBS,
        "shortNames": list(kind.short),
    }
    parts = [_part(kind, part) for part in kind.parts]
    return [entry, *parts]


def _part(kind: Kind, part: str) -> Any:
    entry = {
        "name": f"{kind.plural}/{part}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": ["get", "patch", "update"],
    }
    if part == "scale":
        return entry | {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    if part == "eviction":
        return entry | {"group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}
    return entry
