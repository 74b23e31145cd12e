"""A RayJob that trains: a cluster of its own, which goes when the work is done."""

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from typing import Any, Final

from coterie.cluster.api import Object
from coterie.errors import BadInputError

JOB_LABEL: Final = "coterie/job"
PART_LABEL: Final = "coterie/part"
"""Head, worker or submitter: the submitter's log is that of the work."""
SUBMITTER: Final = "submitter"
MAX_NAME: Final = 47
"""KubeRay adds to it."""
GANG: Final = {"ray.io/gang-scheduling-enabled": "true"}
"""Batch schedulers that KubeRay works with place all pods of a cluster, or none. Kueue does so for
whatever has its queue's label."""
_USER: Final = 10001
"""Of the images."""
TRUST: Final = "/etc/coterie/trust"
"""Where a ConfigMap with certificates lies in pods; the chart's variables name the file."""
_SUFFIXES: Final = {"": 1.0, "m": 0.001}
_CPU: Final = re.compile(r"([0-9.]+)(m?)")


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that wants the work done: when it goes, so does the work."""

    name: str
    uid: str
    namespace: str


@dataclass(frozen=True, slots=True)
class TrainingCluster:
    """Where this cluster trains: the chart's ``training.json``."""

    name: str
    """What jobs are called, before a mark of their own."""
    image: str
    service_account: str
    resources: Mapping[str, Mapping[str, Any]]
    """Of a worker, GPUs among them: ``requests`` and ``limits``."""
    head_resources: Mapping[str, Mapping[str, Any]]
    """Of the head: it holds the shop's tables as well, and solves the closed form."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: Sequence[Mapping[str, str]] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Of workers."""
    tolerations: Sequence[Mapping[str, Any]] = ()
    """Of workers."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the RayJob: Kueue's queue."""
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    """What network policies select by."""
    placement: Mapping[str, Any] = field(default_factory=dict)
    """Fields of all pods' specs that say where they run; what is said of workers is before it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """How pods reach what is outside the cluster: by which proxy, and whose certificates count."""
    trust: str = ""
    """ConfigMap with these certificates; those of the image if empty."""
    s3_secret: str = ""
    """Holds AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; empty where the account has a role."""
    s3_endpoint: str = ""
    s3_region: str = ""
    retries: int = 3
    """How often a cluster that was lost is made anew."""
    deadline_s: int = 86_400
    """After it a job is given up."""
    pending_s: int = 3_600
    """After it a cluster that has not come up is given up, so that halves of two do not wait for
    each other; time in Kueue's queue does not count."""

    @classmethod
    def of(cls, text: str) -> "TrainingCluster":
        """Read settings of jobs from JSON.

        Raises:
            BadInputError: A field is missing or unknown.
        """
        try:
            content = json.loads(text)
            known = {f.name for f in fields(cls)}
            unknown = sorted(set(content) - known)
            if unknown:
                raise BadInputError(
                    f"training.json names {', '.join(unknown)}: known are "
                    f"{', '.join(sorted(known))}; are chart and image of one version?"
                )
            return cls(**content)
        except (TypeError, ValueError) as error:
            if isinstance(error, BadInputError):
                raise
            raise BadInputError(f"training.json tells of no cluster to train on: {error}") from (
                error
            )

    def asking(
        self, cpu: str = "", memory: str = "", accelerator: str = "", accelerators: int = -1
    ) -> "TrainingCluster":
        """Ask for other resources for each worker; what is empty, or below 0, stays.

        Args:
            cpu: Such as 8 or 500m.
            memory: Such as 32Gi.
            accelerator: Name of the resource, such as nvidia.com/gpu.
            accelerators: How many of them.

        Raises:
            BadInputError: A number without a name.
        """
        if accelerators > 0 and not accelerator:
            raise BadInputError(f"{accelerators} accelerators of what kind? Name the resource")
        changes: dict[str, Any] = {"cpu": cpu, "memory": memory}
        if accelerator and accelerators >= 0:
            changes[accelerator] = accelerators
        given = {name: value for name, value in changes.items() if value != ""}
        both = {part: {**self.resources[part], **given} for part in ("requests", "limits")}
        return replace(self, resources=both)

    def job_name(self, pod: Pod, attempt: int) -> str:
        """Name the job of a pod and attempt, always alike: what was created is found again."""
        mark = f"-{pod.uid.replace('-', '')[:8]}-{attempt}"
        return self.name[: MAX_NAME - len(mark)].rstrip("-") + mark


def ray_job(
    cluster: TrainingCluster, name: str, owner: Pod, command: Sequence[str], workers: int
) -> Object:
    """Compose the body of a RayJob.

    It is never retried by KubeRay, which cannot tell what will be wrong again from what was lost.

    Args:
        cluster: Where it runs.
        name: Of the RayJob, for its pods' labels.
        owner: It is removed with that pod.
        command: What the head runs.
        workers: Pods beside the head, one Ray Train worker in each.
    """
    return {
        "metadata": {
            "name": name,
            "labels": {**cluster.pod_labels, **GANG, **cluster.labels, JOB_LABEL: name},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": owner.name,
                    "uid": owner.uid,
                    "blockOwnerDeletion": False,
                    "controller": False,
                }
            ],
        },
        "spec": {
            "entrypoint": shlex.join(command),
            "submissionMode": "K8sJobMode",
            "shutdownAfterJobFinishes": True,
            # It would keep the cluster, GPUs and all, for so long.
            "ttlSecondsAfterFinished": 0,
            "backoffLimit": 0,
            "activeDeadlineSeconds": cluster.deadline_s,
            "preRunningDeadlineSeconds": cluster.pending_s,
            "submitterPodTemplate": _submitter(cluster, name),
            "rayClusterSpec": _ray_cluster(cluster, name, workers),
        },
    }


def _ray_cluster(cluster: TrainingCluster, name: str, workers: int) -> Object:
    head = _container(cluster, "ray-head", cluster.head_resources)
    head["ports"] = [
        {"name": "gcs-server", "containerPort": 6379},
        {"name": "dashboard", "containerPort": 8265},
        {"name": "client", "containerPort": 10001},
        {"name": "metrics", "containerPort": 8080},
    ]
    worker = _container(cluster, "ray-worker", cluster.resources)
    # Ray gives a worker one CPU, and torch as many threads; the pod is its alone.
    threads = str(_whole_cpus(cluster.resources["limits"]["cpu"]))
    worker["env"].append({"name": "OMP_NUM_THREADS", "value": threads})
    own = {
        "nodeSelector": dict(cluster.node_selector),
        "tolerations": [dict(one) for one in cluster.tolerations],
    }
    placed = {name: value for name, value in own.items() if value}
    return {
        "rayVersion": version("ray"),
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "rayStartParams": {
                # Workers lie on the pool that was asked for, not here.
                "num-cpus": "0",
                "dashboard-host": "0.0.0.0",  # noqa: S104 - KubeRay asks it from outside the pod
                "disable-usage-stats": "true",
            },
            "template": _template(cluster, name, "head", head),
        },
        "workerGroupSpecs": [
            {
                "groupName": "training",
                "replicas": workers,
                "minReplicas": workers,
                "maxReplicas": workers,
                "rayStartParams": {"num-cpus": "1", "disable-usage-stats": "true"},
                "template": _template(cluster, name, "worker", worker, **placed),
            }
        ],
    }


def _submitter(cluster: TrainingCluster, name: str) -> Object:
    resources = {
        "requests": {"cpu": "100m", "memory": "256Mi"},
        "limits": {"cpu": "500m", "memory": "1Gi"},
    }
    container = _container(cluster, "ray-job-submitter", resources)
    return _template(cluster, name, SUBMITTER, container, restartPolicy="Never")


def _template(
    cluster: TrainingCluster, name: str, part: str, container: Object, **more: Any
) -> Object:
    volumes: list[Object] = [{"name": one, "emptyDir": {}} for one in ("tmp", "home")]
    if cluster.trust:
        volumes.append({"name": "trust", "configMap": {"name": cluster.trust}})
    return {
        "metadata": {"labels": {**cluster.pod_labels, JOB_LABEL: name, PART_LABEL: part}},
        "spec": {
            "serviceAccountName": cluster.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [dict(one) for one in cluster.pull_secrets],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
            **cluster.placement,
            **more,
        },
    }


def _container(
    cluster: TrainingCluster, name: str, resources: Mapping[str, Mapping[str, Any]]
) -> Object:
    mounts: list[Object] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
        {"name": "home", "mountPath": "/home/coterie"},
    ]
    if cluster.trust:
        mounts.append({"name": "trust", "mountPath": TRUST, "readOnly": True})
    return {
        "name": name,
        "image": cluster.image,
        "imagePullPolicy": cluster.pull_policy,
        "env": _environment(cluster),
        "resources": {part: dict(resources[part]) for part in ("requests", "limits")},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    }


def _environment(cluster: TrainingCluster) -> list[Object]:
    given = {
        "AWS_DEFAULT_REGION": cluster.s3_region,
        "AWS_ENDPOINT_URL": cluster.s3_endpoint,
        "RAY_USAGE_STATS_ENABLED": "0",
        **cluster.variables,
    }
    plain: list[Object] = [{"name": n, "value": value} for n, value in given.items() if value]
    if not cluster.s3_secret:
        return plain
    return plain + [
        {
            "name": key,
            "valueFrom": {"secretKeyRef": {"name": cluster.s3_secret, "key": key}},
        }
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    ]


def _whole_cpus(text: Any) -> int:
    """Read a Kubernetes quantity of CPUs as a whole number, at least 1.

    >>> _whole_cpus("4"), _whole_cpus("2500m"), _whole_cpus("100m")
    (4, 2, 1)
    """
    found = _CPU.fullmatch(str(text))
    if not found:
        raise BadInputError(f"cpu is {text!r}: expected a number such as 4 or 500m")
    return max(1, math.floor(float(found[1]) * _SUFFIXES[found[2]]))
