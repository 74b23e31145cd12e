"""Nodes: pods are put on them, start, are probed, and end."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .api import FakeApi
from .fields import Writer
from .store import Object

KUBELET = Writer("kubelet", part="status")
PERIOD_S, TIMEOUT_S, FAILURES = 10, 1, 3
"""Of a probe that does not say."""


@dataclass
class Process:
    """What a container's process does, seen from outside."""

    listens_after_s: float = 1.0
    """After its start; infinite: never."""
    answers_in_s: float = 0.0
    """A probe waits for so long."""
    ends_after_s: float = math.inf
    exit_code: int = 0
    stops_in_s: float = 0.0
    """After it was told to stop, its preStop hook included."""
    listens: Callable[[], bool] = lambda: True
    """What else it takes to answer."""
    ready: Callable[[], bool] = lambda: True
    """What a readiness probe asks beyond that."""
    exits: Callable[[], int | None] = lambda: None
    """Its exit code, once it has ended by itself."""
    stop: Callable[[], object] = lambda: None
    """Called when its pod has to go."""


@dataclass
class Run:
    """A container that runs or has run."""

    began: float
    process: Process
    ended: float | None = None
    restarts: int = 0
    exit_code: int = 0
    started: bool = False
    """Its startup probe has succeeded."""
    ready: bool = False
    failures: dict[str, int] = field(default_factory=dict)

    def answers(self, now: float) -> bool:
        up = self.ended is None and now >= self.began + self.process.listens_after_s
        return up and self.process.listens()


@dataclass
class Life:
    """Of a pod on its node."""

    runs: dict[str, Run] = field(default_factory=dict)
    told_to_stop: float | None = None


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
        missing = next(self._missing(pod), None)
        if not missing and self._initialised(pod, life, now):
            for container in pod["spec"]["containers"]:
                run = self._run(pod, life, container, now)
                self._pass(pod, container, run, now)
        self._tell(pod, life, missing)

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
        if name not in life.runs:
            said = [self.process, *self.roles]
            found = next(filter(None, (say(pod, name) for say in said)), None)
            life.runs[name] = Run(now, found or _usual(pod, name))
        return life.runs[name]

    def _pass(self, pod: Object, container: Any, run: Run, now: float) -> None:
        """What became of a container in this step."""
        if run.ended is not None:
            return
        code = run.process.exits()
        if code is not None or now >= run.began + run.process.ends_after_s:
            run.ended, run.ready = now, False
            run.exit_code = run.process.exit_code if code is None else code
            return
        if "startupProbe" in container and not run.started:
            run.started = self._asked(container, "startupProbe", run, now) is True
            if self._given_up(container, "startupProbe", run):
                self._restart(run, now)
            return
        run.started = True
        if self._asked(container, "livenessProbe", run, now) is not None and self._given_up(
            container, "livenessProbe", run
        ):
            self._restart(run, now)
            return
        if "readinessProbe" not in container:
            run.ready = True
            return
        said = self._asked(container, "readinessProbe", run, now)
        if said is True:
            run.ready = True
        elif self._given_up(container, "readinessProbe", run):
            run.ready = False

    def _asked(self, container: Any, which: str, run: Run, now: float) -> bool | None:
        """What a probe says; None where there is none, or where it is not its time."""
        probe = container.get(which)
        since = now - run.began
        if probe is None or since < probe.get("initialDelaySeconds", 0):
            return None
        period = probe.get("periodSeconds", PERIOD_S)
        last = run.failures.get(f"{which} at", -1)
        if int(since / period) == last:
            return None
        run.failures[f"{which} at"] = int(since / period)
        in_time = run.process.answers_in_s < probe.get("timeoutSeconds", TIMEOUT_S)
        good = in_time and run.answers(now)
        good = good and (which != "readinessProbe" or run.process.ready())
        run.failures[which] = 0 if good else run.failures.get(which, 0) + 1
        return good

    def _given_up(self, container: Any, which: str, run: Run) -> bool:
        limit = container.get(which, {}).get("failureThreshold", FAILURES)
        return run.failures.get(which, 0) >= limit

    def _restart(self, run: Run, now: float) -> None:
        run.began, run.restarts = now, run.restarts + 1
        run.started = run.ready = False
        run.failures.clear()

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
        ready = len(runs) == len(names) and all(run.ready for run in runs)
        phase = "Running" if runs else "Pending"
        ended = len(runs) == len(names) and all(run.ended is not None for run in runs)
        if ended and pod["spec"].get("restartPolicy") in ("Never", "OnFailure"):
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
        """Containers are told to stop, and have the grace period for it."""
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
            run.process.stop()
            run.ended, run.ready = now, False
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
    short = first or pod["spec"].get("restartPolicy") in ("Never", "OnFailure")
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
