"""Nodes: pods are put on them, start, are probed, and end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .api import FakeApi
from .containers import Process, Run
from .fields import Writer
from .store import Object

KUBELET = Writer("kubelet", part="status")
ENDING = ("Never", "OnFailure")
"""Policies of pods whose containers are not started anew."""


@dataclass
class Life:
    """Of a pod on its node."""

    runs: dict[str, Run] = field(default_factory=dict)
    told_to_stop: float | None = None
    missing: str | None = None
    """What its pod refers to and nobody made, in the state that was looked at last."""
    looked: tuple[int, int] = (0, 0)
    told: tuple[object, ...] = ()
    """What its pod's status was last made of."""


class Nodes:
    def __init__(self, api: FakeApi, count: int):
        self.api = api
        self.lives: dict[str, Life] = {}
        """By the pod's uid."""
        self.process: Callable[[Object, str], Process | None] = lambda pod, container: None
        """What a test says of a container's process; None: as usual."""
        self.roles: list[Callable[[Object, str], Process | None]] = []
        """What parts of the world say of it."""
        for n in range(1, count + 1):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            api.write("nodes", "", {"metadata": {"name": f"node-{n}"}, "spec": {}, "status": ready})
        self._addresses = 0

    def step(self, now: float) -> None:
        for pod in self.api.every("pods"):
            if not pod["spec"].get("nodeName"):
                pod = self._schedule(pod)
            if "deletionTimestamp" in pod["metadata"]:
                self._end(pod, now)
            elif pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                self._live(pod, now)

    def life(self, pod: Object) -> Life:
        return self.lives.setdefault(pod["metadata"]["uid"], Life())

    def answers(self, pod: Object, now: float) -> bool:
        """Whether a request to its first container is answered."""
        run = self.life(pod).runs.get(pod["spec"]["containers"][0]["name"])
        return run is not None and run.answers(now)

    def _schedule(self, pod: Object) -> Object:
        pods = self.api.every("pods")
        load = {
            node["metadata"]["name"]: sum(
                p["spec"].get("nodeName") == node["metadata"]["name"]
                and p["metadata"].get("labels") == pod["metadata"].get("labels")
                for p in pods
            )
            for node in self.api.every("nodes")
            if not node["spec"].get("unschedulable")
        }
        if load:
            node = min(load, key=lambda name: (load[name], name))
            spec = {**pod["spec"], "nodeName": node}
            self.api.write("pods", _namespace(pod), {**pod, "spec": spec}, Writer("kube-scheduler"))
        return self.api.get("pods", _namespace(pod), pod["metadata"]["name"])

    def _live(self, pod: Object, now: float) -> None:
        if not pod["spec"].get("nodeName"):
            return
        life = self.life(pod)
        if life.looked != self.api.state:
            life.looked, life.missing = self.api.state, next(self._missing(pod), None)
        if not life.missing and self._initialised(pod, life, now):
            for container in pod["spec"]["containers"]:
                run = self._run(pod, life, container, now)
                run.step(container, now, pod["spec"].get("restartPolicy") not in ENDING)
        self._tell(pod, life, life.missing)

    def _initialised(self, pod: Object, life: Life, now: float) -> bool:
        for container in pod["spec"].get("initContainers", ()):
            run = self._run(pod, life, container, now)
            end = run.began + run.process.ends_after_s
            if now < end or not run.process.listens():
                return False
            run.ended = run.ended or now
        return True

    def _run(self, pod: Object, life: Life, container: Any, now: float) -> Run:
        name = container["name"]

        def make() -> Process:
            said = (say(pod, name) for say in (self.process, *self.roles))
            return next(filter(None, said), None) or _usual(pod, name)

        if name not in life.runs:
            life.runs[name] = Run(make, now, make())
        return life.runs[name]

    def _missing(self, pod: Object) -> Iterator[str]:
        """What a pod refers to and nobody made."""
        space = _namespace(pod)
        for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]:
            wanted = [*container.get("envFrom", ()), *_values_from(container)]
            for one in wanted:
                for key, plural in _REFERENCES.items():
                    reference = one.get(key)
                    if reference and not reference.get("optional"):
                        name = reference["name"]
                        if self.api.find(plural, space, name) is None:
                            yield f'{plural[:-1]} "{name}" not found'
        for volume in pod["spec"].get("volumes", ()):
            name = volume.get("configMap", {}).get("name")
            if name and self.api.find("configmaps", space, name) is None:
                yield f'configmap "{name}" not found'

    def _tell(self, pod: Object, life: Life, missing: str | None = None) -> None:
        names = [c["name"] for c in pod["spec"]["containers"]]
        runs = [life.runs[name] for name in names if name in life.runs]
        seen = (pod["metadata"]["resourceVersion"], missing, *(run.seen for run in runs))
        if life.told == seen:
            return
        life.told = seen
        ready = len(runs) == len(names) and all(run.ready for run in runs)
        phase = "Running" if runs else "Pending"
        ended = len(runs) == len(names) and all(run.ended is not None for run in runs)
        if ended and pod["spec"].get("restartPolicy") in ENDING:
            good = all(run.exit_code == 0 for run in runs)
            phase, ready = ("Succeeded" if good else "Failed"), False
        status = dict(pod.get("status", {})) | {
            "phase": phase,
            "conditions": [
                {"type": kind, "status": "True" if holds else "False"}
                for kind, holds in (
                    ("PodScheduled", True),
                    ("Initialized", bool(runs)),
                    ("ContainersReady", ready),
                    ("Ready", ready),
                )
            ],
            "containerStatuses": [
                _container_status(name, life.runs.get(name), missing) for name in names
            ],
        }
        if "podIP" not in status:
            self._addresses += 1
            status["podIP"] = f"10.1.{self._addresses // 250}.{self._addresses % 250 + 1}"
        if status != pod.get("status"):
            self.api.write("pods", _namespace(pod), {**pod, "status": status}, KUBELET)

    def _end(self, pod: Object, now: float) -> None:
        """Containers are told to stop, and have the grace period for it; they are still probed."""
        life = self.life(pod)
        if life.told_to_stop is None:
            life.told_to_stop = now
        metadata = pod["metadata"]
        grace = metadata.get("deletionGracePeriodSeconds", 0)
        running = [run for run in life.runs.values() if run.ended is None]
        needs = max((run.process.stops_in_s for run in running), default=0.0)
        if now < life.told_to_stop + min(needs, grace):
            self._tell(pod, life)
            return
        for run in running:
            run.stop(now)
        metadata.pop("deletionGracePeriodSeconds", None)
        self.api.finish("pods", pod)


_REFERENCES = {
    "configMapRef": "configmaps",
    "configMapKeyRef": "configmaps",
    "secretRef": "secrets",
    "secretKeyRef": "secrets",
}


def _values_from(container: Any) -> list[Any]:
    return [one["valueFrom"] for one in container.get("env", ()) if "valueFrom" in one]


def _usual(pod: Object, name: str) -> Process:
    first = name in [c["name"] for c in pod["spec"].get("initContainers", ())]
    short = first or pod["spec"].get("restartPolicy") in ENDING
    return Process(ends_after_s=1.0) if short else Process()


def _container_status(name: str, run: Run | None, missing: str | None) -> Any:
    state: Any = {"waiting": {"reason": "ContainerCreating"}}
    if missing:
        state = {"waiting": {"reason": "CreateContainerConfigError", "message": missing}}
    if run is not None:
        state = {"running": {}} if run.ended is None else {"terminated": {
            "exitCode": run.exit_code, "reason": "Completed"
        }}  # fmt: skip
    return {
        "name": name,
        "ready": bool(run and run.ready),
        "started": bool(run and run.started),
        "restartCount": run.restarts if run else 0,
        "state": state,
    }


def _namespace(one: Object) -> str:
    return one["metadata"]["namespace"]


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
