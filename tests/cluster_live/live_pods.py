"""Pods of the suite, as a namespace with the label ``restricted`` lets them in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from live_settings import Settings

PROGRAMS = Path(__file__).parent / "programs"
PROGRAMS_MAP = "live-programs"
S3_SECRET = "live-s3"
RELAY = "live-s3-relay"
RELAY_PORT = 9000
PARTS = {"app.kubernetes.io/part-of": "coterie-live"}
"""Labels of whatever the suite makes besides the install."""
STEP = {"pipelines.kubeflow.org/v2_component": "true"}
"""Labels of a pod that may reach what steps of a pipeline may."""


def namespace(name: str) -> Any:
    """A namespace that admits restricted pods alone."""
    level = "pod-security.kubernetes.io"
    marks = {f"{level}/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return _object("v1", "Namespace", name, {**PARTS, **marks})


def programs() -> Any:
    """Everything that pods of the suite run."""
    files = {path.name: path.read_text() for path in sorted(PROGRAMS.glob("*.py"))}
    return _object("v1", "ConfigMap", PROGRAMS_MAP) | {"data": files}


def s3_secret(settings: Settings) -> Any:
    """Keys of the object store, as the chart wants them."""
    keys = {"AWS_ACCESS_KEY_ID": settings.key, "AWS_SECRET_ACCESS_KEY": settings.secret}
    return _object("v1", "Secret", S3_SECRET) | {"stringData": keys}


def endpoint(settings: Settings) -> str:
    """The store's address for the install: the relay's, where there is one."""
    if settings.through_relay:
        return f"http://{RELAY}.{settings.namespace}.svc:{RELAY_PORT}"
    return settings.s3


def relay(settings: Settings, replicas: int = 1) -> list[Any]:
    """A way to the object store that can be shut without touching the store.

    It passes bytes on: the store sees requests as they were signed.
    """
    parts = urlsplit(settings.s3)
    labels = {**PARTS, "app": RELAY}
    template = pod("", settings.image, ["relay.py", str(parts.hostname), str(parts.port or 80)])
    template["spec"]["restartPolicy"] = "Always"
    (container,) = template["spec"]["containers"]
    container["ports"] = [{"containerPort": RELAY_PORT}]
    container["readinessProbe"] = {"tcpSocket": {"port": RELAY_PORT}, "periodSeconds": 1}
    deployment = _object("apps/v1", "Deployment", RELAY) | {
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": RELAY}},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        }
    }
    service = _object("v1", "Service", RELAY) | {
        "spec": {"selector": {"app": RELAY}, "ports": [{"port": RELAY_PORT}]}
    }
    return [service, deployment]


def pod(
    name: str,
    image: str,
    program: Sequence[str],
    labels: Mapping[str, str] | None = None,
    seconds: int = 3600,
    cpu: str = "1",
    memory: str = "512Mi",
) -> Any:
    """A pod that runs one of the programs once.

    Args:
        name: Of the pod.
        image: What it runs in.
        program: Name of the file, then its arguments.
        labels: Besides those of the suite.
        seconds: After so long Kubernetes ends it, whoever forgot it.
        cpu: Most CPUs that it takes.
        memory: Memory that it gets.
    """
    mounts = {"tmp": "/tmp", "home": "/home/coterie", "programs": "/programs"}
    container = {
        "name": "program",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["python", f"/programs/{program[0]}", *program[1:]],
        "env": [],
        "resources": {
            "requests": {"cpu": "100m", "memory": memory},
            "limits": {"cpu": cpu, "memory": memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": n, "mountPath": path} for n, path in mounts.items()],
    }
    return _object("v1", "Pod", name, {**PARTS, **(labels or {})}) | {
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "home", "emptyDir": {}},
                {"name": "programs", "configMap": {"name": PROGRAMS_MAP}},
            ],
        }
    }


def with_store(made: Any, settings: Settings) -> Any:
    """Let a pod reach the object store."""
    (container,) = made["spec"]["containers"]
    address = endpoint(settings)
    plain = {"AWS_ENDPOINT_URL": address, "FEAST_S3_ENDPOINT_URL": address}
    container["env"] += [{"name": n, "value": v} for n, v in plain.items()]
    container["env"] += [{"name": "AWS_DEFAULT_REGION", "value": "us-east-1"}]
    container["envFrom"] = [{"secretRef": {"name": S3_SECRET}}]
    return made


def as_step(made: Any, instance: str) -> Any:
    """Tell a pod what Kubeflow tells a step that hands features over (pipelines/kubernetes.py)."""
    (container,) = made["spec"]["containers"]
    keys = {"COTERIE_FEATURE_STORE": "feature_store.yaml", "COTERIE_EVENT_LOG": "event_log"}
    for variable, key in keys.items():
        source = {"name": f"{instance}-training", "key": key, "optional": True}
        container["env"].append({"name": variable, "valueFrom": {"configMapKeyRef": source}})
    for variable in ("COTERIE_EVENT_LOG_PASSWORD", "FEAST_REDIS_PASSWORD"):
        source = {"name": f"{instance}-redis", "key": "redis-password", "optional": True}
        container["env"].append({"name": variable, "valueFrom": {"secretKeyRef": source}})
    return made


def _object(version: str, kind: str, name: str, labels: Mapping[str, str] = PARTS) -> Any:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": dict(labels)}}
