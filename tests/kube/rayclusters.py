"""RayClusters: their pods, and what has to be cleaned up before they may go."""

from collections.abc import Iterator
from typing import Any

from . import golang
from .api import FakeApi
from .containers import Process
from .endpoints import Endpoints
from .errors import RefusedError
from .fields import Writer
from .nodes import Nodes, is_ready
from .plain import copied
from .store import Object

OPERATOR = Writer("manager")
"""As a server names KubeRay: after its program."""
STATUS = Writer("manager", part="status")
FINALIZER = "ray.io/gcs-ft-redis-cleanup-finalizer"
GIVEN_UP_AFTER_S = 300.0
REDIS_TRIES_S = 60.0
"""After so long the Job that cleans up gives Redis up."""
PROBE = {"periodSeconds": 5, "successThreshold": 1, "timeoutSeconds": 2}
LIVENESS = {**PROBE, "initialDelaySeconds": 30, "failureThreshold": 120}
READINESS = {**PROBE, "initialDelaySeconds": 10, "failureThreshold": 10}
"""Where a pod says nothing; one failure is enough for a worker that serves."""


class Clusters:
    def __init__(self, api: FakeApi, nodes: Nodes, endpoints: Endpoints):
        self.api, self.nodes, self.endpoints = api, nodes, endpoints
        self.head_s = 6.0
        """Until a head answers."""
        self._told: dict[str, float] = {}
        self._seen = (0, 0)
        nodes.roles.append(self._process)

    def step(self, now: float) -> None:
        seen, self._seen = self._seen, self.api.state
        for cluster in self.api.every("rayclusters"):
            tolerant = "gcsFaultToleranceOptions" in cluster["spec"]
            finalizers = cluster["metadata"].get("finalizers", [])
            if "deletionTimestamp" in cluster["metadata"]:
                if FINALIZER in finalizers:
                    self._clean_up(cluster, now)
            elif tolerant and FINALIZER not in finalizers:
                self._update(cluster, [*finalizers, FINALIZER])
            elif seen != self._seen:  # else it would come to the same
                self._pods(cluster)

    def head(self, cluster: Object) -> Object | None:
        return next(self._members(cluster, "head"), None)

    def workers(self, cluster: Object) -> list[Object]:
        return list(self._members(cluster, "worker"))

    def _members(self, cluster: Object, kind: str) -> Iterator[Object]:
        for plural, one in self.api.owned_by(cluster):
            labels = one["metadata"].get("labels", {})
            if plural == "pods" and labels.get("ray.io/node-type") == kind:
                yield one

    def _update(self, cluster: Object, finalizers: list[str]) -> None:
        metadata = {**cluster["metadata"], "finalizers": finalizers}
        content = golang.written({**cluster, "metadata": metadata})
        self.api.write("rayclusters", metadata["namespace"], content, OPERATOR)

    def _pods(self, cluster: Object) -> None:
        spec = cluster["spec"]
        pods = [self.head(cluster), *self.workers(cluster)]
        for pod in filter(None, pods):
            ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
            if ended and "deletionTimestamp" not in pod["metadata"]:
                self.api.delete("pods", pod)
        if pods[0] is None:
            self._make(cluster, "head", "headgroup", spec["headGroupSpec"]["template"])
        for group in spec.get("workerGroupSpecs", ()):
            there = [
                p
                for p in self.workers(cluster)
                if p["metadata"]["labels"]["ray.io/group"] == group["groupName"]
                and "deletionTimestamp" not in p["metadata"]
            ]
            for _ in range(group.get("replicas", 0) - len(there)):
                self._make(cluster, "worker", group["groupName"], group["template"])
        status = {"conditions": [{
            "type": "HeadPodReady",
            "status": "True" if pods[0] is not None and is_ready(pods[0]) else "False",
        }]}  # fmt: skip
        if status != cluster.get("status"):
            space = cluster["metadata"]["namespace"]
            self.api.write("rayclusters", space, {**cluster, "status": status}, STATUS)

    def _make(self, cluster: Object, kind: str, group: str, template: Any) -> None:
        name = cluster["metadata"]["name"]
        metadata = copied(template.get("metadata", {}))
        metadata |= owned_by(cluster, "")
        metadata["generateName"] = f"{name}-head-" if kind == "head" else f"{name}-{group}-worker-"
        labels = metadata.setdefault("labels", {})
        labels |= {"ray.io/cluster": name, "ray.io/node-type": kind, "ray.io/group": group}
        labels["ray.io/serve"] = "true" if kind == "worker" else "false"
        spec = copied(template["spec"])
        first = spec["containers"][0]
        first.setdefault("livenessProbe", dict(LIVENESS))
        failures = 1 if kind == "worker" else READINESS["failureThreshold"]
        first.setdefault("readinessProbe", READINESS | {"failureThreshold": failures})
        if kind == "worker":
            security = first.get("securityContext", {})
            waits = {"name": "wait-gcs-ready", "image": first["image"], "securityContext": security}
            spec.setdefault("initContainers", []).append(waits)
        elif cluster["spec"].get("enableInTreeAutoscaling"):
            options = cluster["spec"].get("autoscalerOptions", {})
            security = options.get("securityContext", {})
            spec["containers"].append(
                {"name": "autoscaler", "image": first["image"], "securityContext": security}
            )
        self._admit(cluster, "pods", {"metadata": metadata, "spec": spec})

    def _admit(self, cluster: Object, plural: str, content: Object) -> None:
        try:
            self.api.make(plural, cluster["metadata"]["namespace"], content, OPERATOR)
        except RefusedError as error:
            self.api.tell_of(cluster, "FailedToCreate", str(error))

    def _process(self, pod: Object, container: str) -> Process | None:
        labels = pod["metadata"].get("labels", {})
        if labels.get("ray.io/node-type") == "head" and container == "ray-head":
            return Process(self.head_s)
        if labels.get("ray.io/node-type") == "redis-cleanup":
            there = self._redis_answers(pod)
            return Process(ends_after_s=3.0 if there else REDIS_TRIES_S, exit_code=int(not there))
        if container == "wait-gcs-ready":
            return Process(0.0, ends_after_s=0.0, listens=lambda: self._has_head(pod))
        return None

    def _has_head(self, pod: Object) -> bool:
        owner = pod["metadata"]["ownerReferences"][0]["name"]
        cluster = self.api.find("rayclusters", pod["metadata"]["namespace"], owner)
        head = cluster and self.head(cluster)
        return bool(head and is_ready(head))

    def _redis_answers(self, pod: Object) -> bool:
        """One outside of the cluster does."""
        address = pod["metadata"]["annotations"]["ray.io/redis-address"]
        name, *rest = address.rpartition("//")[2].partition(":")[0].split(".")
        inside = len(rest) > 1 and rest[1] == "svc"
        return not inside or bool(self.endpoints.reached(name, rest[0]))

    def _clean_up(self, cluster: Object, now: float) -> None:
        """Pods go, then a Job with the head's account removes what is in Redis."""
        metadata = cluster["metadata"]
        left = [self.head(cluster), *self.workers(cluster)]
        for pod in filter(None, left):
            if "deletionTimestamp" not in pod["metadata"]:
                self.api.delete("pods", pod)
        begun = self._told.setdefault(metadata["uid"], now)
        if left[0] is not None:
            return
        rest = [f for f in metadata["finalizers"] if f != FINALIZER]
        if now - begun >= GIVEN_UP_AFTER_S:
            self._update(cluster, rest)
            return
        jobs = [one for plural, one in self.api.owned_by(cluster) if plural == "jobs"]
        if not jobs:
            self._make_job(cluster)
        ends = [c["type"] for j in jobs for c in j.get("status", {}).get("conditions", ())]
        if "Complete" in ends or "Failed" in ends:
            self._update(cluster, rest)

    def _make_job(self, cluster: Object) -> None:
        template = copied(cluster["spec"]["headGroupSpec"]["template"])
        metadata = template.setdefault("metadata", {})
        address = cluster["spec"]["gcsFaultToleranceOptions"].get("redisAddress", "")
        metadata.setdefault("annotations", {})["ray.io/redis-address"] = address
        metadata.setdefault("labels", {})["ray.io/node-type"] = "redis-cleanup"
        pod = template["spec"]
        pod["containers"] = pod["containers"][:1]
        for probe in ("livenessProbe", "readinessProbe"):
            pod["containers"][0].pop(probe, None)
        pod["restartPolicy"] = "Never"
        spec = {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": template}
        name = f"{cluster['metadata']['name']}-redis-cleanup"
        self._admit(cluster, "jobs", {"metadata": owned_by(cluster, name), "spec": spec})


def owned_by(owner: Object, name: str) -> Any:
    reference = {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    return {"ownerReferences": [reference], **({"name": name} if name else {})}
