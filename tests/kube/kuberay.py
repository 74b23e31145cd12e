"""KubeRay: brings RayServices to clusters, clusters to pods, and traffic to those that serve."""

import hashlib
import json
import random
import string
from typing import Any

from . import golang
from .api import FakeApi
from .containers import Process
from .endpoints import Endpoints
from .nodes import Nodes, is_ready
from .plain import copied
from .rayclusters import OPERATOR, STATUS, Clusters, owned_by
from .serve import Serving
from .store import Object

EVERY_S = 2.0
"""RayServices are looked at so often."""
FINALIZER = "ray.io/rayservice-finalizer"


class Operator:
    def __init__(self, api: FakeApi, nodes: Nodes, endpoints: Endpoints):
        self.api, self.nodes, self.endpoints = api, nodes, endpoints
        self.now = 0.0
        self.clusters = Clusters(api, nodes, endpoints)
        self.serving: dict[str, Serving] = {}
        """What Serve does, by RayCluster."""
        self.worker_s, self.load_s, self.reload_s = 8.0, 4.0, 2.0
        """Until a worker has joined, a release is loaded, another one is loaded beside it."""
        self.drain_s = 10.0
        """How long a preStop hook of a worker takes; until then it answers."""
        self.breaks = lambda user_config: ""
        """Why replicas cannot hold a configuration."""
        self._looked: dict[str, float] = {}
        self._goes_at: dict[str, float] = {}
        self._hashes: dict[str, tuple[int, str]] = {}
        """By uid: generation of a RayService, and hash of what a cluster is made for."""
        nodes.roles.append(self._worker)

    def step(self, now: float) -> None:
        self.now = now
        for service in self.api.every("rayservices"):
            uid = service["metadata"]["uid"]
            if now >= self._looked.get(uid, -EVERY_S) + EVERY_S:
                self._looked[uid] = now
                self._service(service)
        self.clusters.step(now)

    def _worker(self, pod: Object, container: str) -> Process | None:
        """The process of a Ray worker: it answers once Serve has put a replica there."""
        cluster = pod["metadata"].get("labels", {}).get("ray.io/cluster")
        if container != "ray-worker" or cluster is None:
            return None
        joined = self.worker_s

        def listens() -> bool:
            run = self.nodes.life(pod).runs[container]
            serving = self.serving.get(cluster)
            return serving is not None and self.now >= serving.loaded_at(run.began + joined)

        spec = next(c for c in pod["spec"]["containers"] if c["name"] == container)
        drains = "preStop" in spec.get("lifecycle", {})
        return Process(joined, listens=listens, stops_in_s=self.drain_s if drains else 0.0)

    def _service(self, service: Object) -> None:
        metadata = service["metadata"]
        mine = [c for plural, c in self.api.owned_by(service) if plural == "rayclusters"]
        finalizers = metadata.get("finalizers", [])
        if "deletionTimestamp" in metadata:
            for cluster in mine:
                if "deletionTimestamp" not in cluster["metadata"]:
                    self.api.delete("rayclusters", cluster)
            if not mine:
                self._update(service, [f for f in finalizers if f != FINALIZER])
        elif FINALIZER not in finalizers:
            self._update(service, [*finalizers, FINALIZER])
        else:
            self._reconcile(service, {c["metadata"]["name"]: c for c in mine})

    def _update(self, service: Object, finalizers: list[str]) -> None:
        """The whole object is read into structs, and written from them."""
        metadata = {**service["metadata"], "finalizers": finalizers}
        content = golang.written({**service, "metadata": metadata})
        self.api.write("rayservices", service["metadata"]["namespace"], content, OPERATOR)

    def _reconcile(self, service: Object, mine: dict[str, Object]) -> None:
        status = copied(service.get("status", {}))
        active = status.setdefault("activeServiceStatus", {})
        pending = status.setdefault("pendingServiceStatus", {})
        self._clean(service, mine, active, pending)
        name = pending.get("rayClusterName")
        if name and name not in mine:
            mine[name] = self._make_cluster(service, name)
        ready = {}
        for place in (pending, active):
            cluster = mine.get(place.get("rayClusterName", ""))
            place.pop("applicationStatuses", None)
            if cluster is not None and (place is pending or not pending.get("rayClusterName")):
                ready[cluster["metadata"]["name"]] = self._serve(service, cluster, place)
        target = next((c for c, is_serving in ready.items() if is_serving), "")
        if target:
            self._move(service, target)
            if target == pending.get("rayClusterName"):
                status["activeServiceStatus"], status["pendingServiceStatus"] = pending, {}
        self._prepare(service, mine, status, bool(target))
        self._conclude(service, status)

    def _clean(self, service: Object, mine: dict[str, Object], active: Any, pending: Any) -> None:
        """Clusters that nothing is sent to any more go after their delay."""
        delay = service["spec"].get("rayClusterDeletionDelaySeconds", 60)
        for name, cluster in mine.items():
            if name in (active.get("rayClusterName"), pending.get("rayClusterName")):
                continue
            goes_at = self._goes_at.setdefault(name, self.now + delay)
            if self.now > goes_at and "deletionTimestamp" not in cluster["metadata"]:
                self.api.delete("rayclusters", cluster)

    def _hash(self, service: Object) -> str:
        uid, generation = service["metadata"]["uid"], service["metadata"]["generation"]
        known, made = self._hashes.get(uid, (-1, ""))
        if known != generation:
            made = _hash(service)
            self._hashes[uid] = (generation, made)
        return made

    def _make_cluster(self, service: Object, name: str) -> Object:
        spec = golang.written(service)["spec"]["rayClusterConfig"]
        metadata = service["metadata"]
        made = owned_by(service, name) | {"annotations": {"ray.io/hash": self._hash(service)}}
        made["labels"] = dict(metadata.get("labels", {}))
        made["labels"]["ray.io/originated-from-cr-name"] = metadata["name"]
        content = {"metadata": made, "spec": spec}
        return self.api.write("rayclusters", metadata["namespace"], content, OPERATOR)

    def _serve(self, service: Object, cluster: Object, place: Any) -> bool:
        """Ask Serve how it is, then hand over what changed; whether all of it runs."""
        head = self.clusters.head(cluster)
        if head is None or not is_ready(head):
            return False
        name = cluster["metadata"]["name"]
        serving = self.serving.setdefault(name, Serving(self.load_s, self.reload_s))
        serving.breaks = self.breaks
        workers = self.clusters.workers(cluster)
        answers = any(self.nodes.answers(pod, self.now) for pod in workers)
        app = serving.told(self.now, answers)
        serving.hand_over(service["spec"].get("serveConfigV2", ""), self.now)
        place["applicationStatuses"] = {"coterie": app}
        return app["status"] == "RUNNING"

    def _move(self, service: Object, cluster: str) -> None:
        """The Service follows the cluster that serves, whether or not its pods are ready."""
        metadata, space = service["metadata"], service["metadata"]["namespace"]
        name = f"{metadata['name']}-serve-svc"
        selector = {"ray.io/cluster": cluster, "ray.io/serve": "true"}
        own = copied(service["spec"].get("serveService", {}))
        ports = [{"name": "serve", "port": 8000, "protocol": "TCP", "targetPort": 8000}]
        spec = {"ports": ports, **own.get("spec", {}), "selector": selector}
        found = self.api.find("services", space, name)
        if found is None:
            labels = {**own.get("metadata", {}).get("labels", {}), "ray.io/serve": name}
            made = owned_by(service, name) | {"labels": labels}
            self.api.write("services", space, {"metadata": made, "spec": spec}, OPERATOR)
        elif found["spec"]["selector"] != selector:
            self.api.write("services", space, {**found, "spec": spec}, OPERATOR)

    def _prepare(self, service: Object, mine: dict[str, Object], status: Any, moved: bool) -> None:
        """Name the next cluster where what is wanted is not what there is."""
        names = [
            status[place].get("rayClusterName")
            for place in ("pendingServiceStatus", "activeServiceStatus")
        ]
        newest = mine.get(next(filter(None, names), ""))
        kind = service["spec"].get("upgradeStrategy", {}).get("type")
        same = newest and newest["metadata"]["annotations"]["ray.io/hash"] == self._hash(service)
        if newest is None or not (same or kind == "None" or (moved and names[0])):
            end = "".join(random.choices(string.ascii_lowercase, k=5))
            name = f"{service['metadata']['name']}-{end}"
            status["pendingServiceStatus"] = {"rayClusterName": name}

    def _conclude(self, service: Object, status: Any) -> None:
        metadata = service["metadata"]
        reached = self.endpoints.ready(f"{metadata['name']}-serve-svc", metadata["namespace"])
        status["observedGeneration"] = metadata["generation"]
        status["numServeEndpoints"] = reached
        both = all(status[f"{p}ServiceStatus"].get("rayClusterName") for p in ("active", "pending"))
        status["serviceStatus"] = "Running" if reached else ""
        status["conditions"] = [
            {"type": "Ready", "status": "True" if reached else "False"},
            {"type": "UpgradeInProgress", "status": "True" if both else "False"},
        ]
        if status != service.get("status"):
            content = {**service, "status": status}
            self.api.write("rayservices", metadata["namespace"], content, STATUS)


def _hash(service: Object) -> str:
    """Of what a new cluster is made for: numbers of workers and tolerations are not."""
    cluster = copied(golang.written(service)["spec"]["rayClusterConfig"])
    cluster["headGroupSpec"]["template"]["spec"].pop("tolerations", None)
    cluster.pop("upgradeStrategy", None)
    for group in cluster.get("workerGroupSpecs", ()):
        for field in ("replicas", "minReplicas", "maxReplicas", "scaleStrategy"):
            group.pop(field, None)
        group["template"]["spec"].pop("tolerations", None)
    return hashlib.sha256(json.dumps(cluster, sort_keys=True).encode()).hexdigest()
