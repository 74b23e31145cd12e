"""What makes pods: Deployments, StatefulSets and Jobs."""

import hashlib
import json
import math
import random
import string
from collections.abc import Iterator
from typing import Any

from .api import FakeApi
from .errors import RefusedError
from .fields import Writer
from .nodes import is_ready
from .plain import copied
from .rayclusters import owned_by
from .store import Object

CONTROLLER = Writer("kube-controller-manager")
STATUS = Writer("kube-controller-manager", part="status")
FIRST_BACKOFF_S = 10
"""Before a Job's second pod; twice as long before each further one."""


class Workloads:
    def __init__(self, api: FakeApi):
        self.api = api
        self._began: dict[str, float] = {}
        self._forms: dict[str, tuple[int, str]] = {}
        """By uid: generation, and hash of the template."""
        self._tried: dict[str, float] = {}
        self._number = 0
        self._seen = (0, 0)

    def step(self, now: float) -> None:
        turns = [("jobs", self._job)]
        if self._seen != self.api.state:  # else those would come to the same: they know no time
            turns = [
                ("deployments", self._deployment),
                ("statefulsets", self._stateful_set),
                *turns,
            ]
        self._seen = self.api.state
        for plural, turn in turns:
            for one in self.api.every(plural):
                if "deletionTimestamp" not in one["metadata"]:
                    turn(one, now)
        for claim in self.api.every("persistentvolumeclaims"):
            self._tell("persistentvolumeclaims", claim, {"phase": "Bound"})

    def _deployment(self, one: Object, now: float) -> None:
        """A ReplicaSet for each form of its pods; the newest grows before others shrink."""
        wanted = one["spec"].get("replicas", 1)
        form = self._form(one)
        sets = [s for s in self._owned("replicasets", one) if not _goes(s)]
        newest = {s["metadata"]["labels"]["pod-template-hash"]: s for s in sets}.get(form)
        if newest is None:
            newest = self._replica_set(one, form)
            sets.append(newest)
        pods = {s["metadata"]["name"]: list(self._owned("pods", s)) for s in sets}
        new = [p for p in pods[newest["metadata"]["name"]] if not _goes(p)]
        old = [p for s in sets if s is not newest for p in pods[s["metadata"]["name"]]]
        old = [p for p in old if not _goes(p)]
        surge = _share(one["spec"], "maxSurge", wanted, math.ceil)
        away = _share(one["spec"], "maxUnavailable", wanted, math.floor)
        for _ in range(min(wanted - len(new), wanted + surge - len(new) - len(old))):
            self._pod(newest, newest["spec"]["template"])
        ready = [p for p in [*new, *old] if is_ready(p)]
        spare = len(ready) - (wanted - away)
        for pod in sorted(old, key=is_ready):
            if not is_ready(pod) or spare > 0:
                spare -= is_ready(pod)
                self.api.delete("pods", pod)
        for pod in new[wanted:]:
            self.api.delete("pods", pod)
        self._tell_deployment(one, new, old)
        for s in sets:
            there = [p for p in pods[s["metadata"]["name"]] if not _goes(p)]
            ready = sum(map(is_ready, there))
            seen = s["metadata"]["generation"]
            status = {"observedGeneration": seen, "replicas": len(there)}
            self._tell("replicasets", s, status | {"readyReplicas": ready})

    def _form(self, one: Object) -> str:
        """Of its pods, known anew where its specification is another."""
        uid, generation = one["metadata"]["uid"], one["metadata"]["generation"]
        known, form = self._forms.get(uid, (-1, ""))
        if known != generation:
            form = _hash(one["spec"]["template"])
            self._forms[uid] = (generation, form)
        return form

    def _replica_set(self, one: Object, form: str) -> Object:
        name = f"{one['metadata']['name']}-{form}"
        spec = {k: one["spec"][k] for k in ("replicas", "selector", "template") if k in one["spec"]}
        spec = copied(spec)
        labels = spec["template"]["metadata"].setdefault("labels", {})
        labels["pod-template-hash"] = form
        content = {"metadata": owned_by(one, name) | {"labels": dict(labels)}, "spec": spec}
        return self.api.write("replicasets", one["metadata"]["namespace"], content, CONTROLLER)

    def _tell_deployment(self, one: Object, new: list[Object], old: list[Object]) -> None:
        wanted = one["spec"].get("replicas", 1)
        available = sum(map(is_ready, [*new, *old]))
        updated = sum(map(is_ready, new))
        done = not old and updated == wanted
        reason = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
        away = _share(one["spec"], "maxUnavailable", wanted, math.floor)
        conditions = [
            {"type": "Progressing", "status": "True", "reason": reason},
            {"type": "Available", "status": "True" if available >= wanted - away else "False"},
        ]
        self._tell("deployments", one, {
            "observedGeneration": one["metadata"]["generation"],
            "replicas": len(new) + len(old), "updatedReplicas": len(new),
            "readyReplicas": available, "availableReplicas": available, "conditions": conditions,
            "unavailableReplicas": len(new) + len(old) - available,
        })  # fmt: skip

    def _stateful_set(self, one: Object, now: float) -> None:
        form, name = self._form(one), one["metadata"]["name"]
        pods = {p["metadata"]["name"]: p for p in self._owned("pods", one)}
        wanted = one["spec"].get("replicas", 1)
        for n in range(wanted):
            pod = pods.get(f"{name}-{n}")
            if pod is None:
                self._claims(one, n)
                template = copied(one["spec"]["template"])
                labels = template["metadata"].setdefault("labels", {})
                labels["controller-revision-hash"] = form
                self._pod(one, template, f"{name}-{n}")
                break
            if pod["metadata"]["labels"]["controller-revision-hash"] != form and not _goes(pod):
                self.api.delete("pods", pod)
                break
            if not is_ready(pod):
                break
        forms = [p["metadata"]["labels"]["controller-revision-hash"] for p in pods.values()]
        ready, updated = sum(map(is_ready, pods.values())), forms.count(form)
        current = form if updated == wanted else next(iter(forms), form)
        self._tell("statefulsets", one, {
            "observedGeneration": one["metadata"]["generation"], "replicas": len(pods),
            "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": updated,
            "currentReplicas": forms.count(current), "currentRevision": current,
            "updateRevision": form,
        })  # fmt: skip

    def _claims(self, one: Object, n: int) -> None:
        space = one["metadata"]["namespace"]
        for claim in one["spec"].get("volumeClaimTemplates", ()):
            name = f"{claim['metadata']['name']}-{one['metadata']['name']}-{n}"
            if self.api.find("persistentvolumeclaims", space, name) is None:
                metadata = {**claim["metadata"], "name": name}
                made = {"metadata": metadata, "spec": claim["spec"]}
                self.api.write("persistentvolumeclaims", space, made, CONTROLLER)

    def _job(self, one: Object, now: float) -> None:
        spec, uid = one["spec"], one["metadata"]["uid"]
        status = one.get("status", {})
        if any(c["type"] in ("Complete", "Failed") for c in status.get("conditions", ())):
            return
        began = self._began.setdefault(uid, now)
        pods = list(self._owned("pods", one))
        phases = [p.get("status", {}).get("phase") for p in pods]
        failed = phases.count("Failed")
        ended = ""
        if "Succeeded" in phases:
            ended = "Complete"
        elif failed > spec.get("backoffLimit", 6):
            ended, reason = "Failed", "BackoffLimitExceeded"
        elif now - began > spec.get("activeDeadlineSeconds", math.inf):
            ended, reason = "Failed", "DeadlineExceeded"
            for pod in pods:
                self.api.delete("pods", pod)
        elif len(pods) == failed and now >= self._tried.get(uid, 0):
            self._tried[uid] = now + FIRST_BACKOFF_S * 2**failed
            template = copied(spec["template"])
            template.setdefault("metadata", {}).setdefault("labels", {})["job-name"] = one[
                "metadata"
            ]["name"]
            self._pod(one, template)
        status = {"startTime": self.api.now() if not status else status["startTime"]}
        status |= {"active": len(pods) - failed, "failed": failed, "ready": 0}
        if ended:
            condition = {"type": ended, "status": "True"}
            condition |= {"reason": reason} if ended == "Failed" else {}
            met = {"type": "SuccessCriteriaMet", "status": "True"}
            status["conditions"] = [met, condition] if ended == "Complete" else [condition]
            status |= {"active": 0, "succeeded": int(ended == "Complete")}
        self._tell("jobs", one, status)

    def _pod(self, owner: Object, template: Any, name: str = "") -> None:
        """A pod of an owner; one that is not admitted is told of in an event."""
        metadata = template.get("metadata", {})
        made = owned_by(owner, name or f"{owner['metadata']['name']}-{_random()}")
        made |= {k: dict(metadata[k]) for k in ("labels", "annotations") if k in metadata}
        pod = {"metadata": made, "spec": copied(template["spec"])}
        try:
            self.api.make("pods", owner["metadata"]["namespace"], pod, CONTROLLER)
        except RefusedError as error:
            self.api.tell_of(owner, "FailedCreate", f"Error creating: {error}")

    def _owned(self, plural: str, owner: Object) -> Iterator[Object]:
        for kind, one in self.api.owned_by(owner):
            if kind == plural:
                yield one

    def _tell(self, plural: str, one: Object, status: Any) -> None:
        if one.get("status") != status:
            space = one["metadata"]["namespace"]
            self.api.write(plural, space, {**one, "status": status}, STATUS)


def _goes(one: Object) -> bool:
    return "deletionTimestamp" in one["metadata"]


def _hash(template: Any) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _random() -> str:
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=5))


def _share(spec: Any, name: str, wanted: int, rounded: Any) -> int:
    """A number, or a share of those that are wanted."""
    value = spec.get("strategy", {}).get("rollingUpdate", {}).get(name, "25%")
    if isinstance(value, int):
        return value
    return int(rounded(wanted * int(value.removesuffix("%")) / 100))
