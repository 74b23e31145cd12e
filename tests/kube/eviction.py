"""Evictions, as budgets allow them."""

import math
from typing import Any

from .api import FakeApi, Request
from .errors import RefusedError
from .fields import Writer
from .kinds import BY_NAME
from .nodes import is_ready
from .selectors import selector_fits
from .store import Object

CONTROLLER = Writer("kube-controller-manager", part="status")


class Evictions:
    def __init__(self, api: FakeApi):
        self.api = api
        self._seen = (0, 0)
        api.parts["pods/eviction"] = self.evict

    def evict(self, request: Request, pod: Object) -> Any:
        budgets = [
            budget
            for budget in self.api.every("poddisruptionbudgets", request.namespace)
            if selector_fits(pod["metadata"].get("labels", {}), budget["spec"]["selector"])
        ]
        if len(budgets) > 1:
            said = "This pod has more than one PodDisruptionBudget, which the eviction subresource"
            raise RefusedError(500, f"{said} does not support.")
        for budget in budgets:
            self._check(budget, pod)
        grace = (request.body or {}).get("deleteOptions", {}).get("gracePeriodSeconds", -1)
        if not request.dry:
            self.api.delete("pods", pod, "", grace)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201}

    def step(self, now: float) -> None:
        if self._seen == self.api.state:
            return  # it would come to the same
        self._seen = self.api.state
        for budget in self.api.every("poddisruptionbudgets"):
            self._tell(budget)

    def _check(self, budget: Object, pod: Object) -> None:
        always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        status = self._tell(budget)
        if status["disruptionsAllowed"] or (always and not is_ready(pod)):
            return
        said = (
            f"The disruption budget {budget['metadata']['name']} needs {status['desiredHealthy']} "
            f"healthy pods and has {status['currentHealthy']} currently"
        )
        causes = [{"reason": "DisruptionBudget", "message": said}]
        said = "Cannot evict pod as it would violate the pod's disruption budget."
        raise RefusedError(429, said, causes=causes)

    def _tell(self, budget: Object) -> Any:
        """How many may go by now; none where that cannot be said."""
        spec, space = budget["spec"], budget["metadata"]["namespace"]
        pods = [
            pod
            for pod in self.api.every("pods", space)
            if selector_fits(pod["metadata"].get("labels", {}), spec["selector"])
        ]
        healthy = sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
        expected, needed, why = self._count(spec, pods)
        allowed = max(0, healthy - needed) if expected and not why else 0
        condition = {"type": "DisruptionAllowed", "status": "True" if allowed else "False"}
        condition["reason"] = "SufficientPods" if allowed else "InsufficientPods"
        if why:
            condition |= {"reason": "SyncFailed", "message": why}
            said = f"Failed to calculate the number of expected pods: {why}"
            self.api.tell_of(budget, "CalculateExpectedPodCountFailed", said)
        status = {
            "observedGeneration": budget["metadata"]["generation"], "currentHealthy": healthy,
            "desiredHealthy": needed, "expectedPods": expected, "disruptionsAllowed": allowed,
            "conditions": [condition],
        }  # fmt: skip
        if status != budget.get("status"):
            content = {**budget, "status": status}
            self.api.write("poddisruptionbudgets", space, content, CONTROLLER)
        return status

    def _count(self, spec: Any, pods: list[Object]) -> tuple[int, int, str]:
        """Pods that are expected, how many have to stay, and why that cannot be said."""
        least = spec.get("minAvailable")
        if isinstance(least, int):
            return len(pods), least, ""
        owners = {self._scaled(pod) for pod in pods}
        why = next((owner for owner in owners if isinstance(owner, str)), "")
        if why:
            return 0, 0, why
        expected = sum(owner[1] for owner in owners)
        if least is not None:
            return expected, _of(least, expected), ""
        return expected, max(0, expected - _of(spec["maxUnavailable"], expected)), ""

    def _scaled(self, pod: Object) -> tuple[str, int] | str:
        """A pod's owner by its uid and how many it wants; or why that is not known."""
        reference = next(iter(pod["metadata"].get("ownerReferences", ())), None)
        if reference is None:
            return f"found no controller ref for pod {pod['metadata']['name']}"
        kind = BY_NAME[reference["kind"]]
        if "scale" not in kind.parts:
            return f"{kind.plural}.{kind.group} does not implement the scale subresource"
        owner = self.api.get(kind.plural, pod["metadata"]["namespace"], reference["name"])
        return owner["metadata"]["uid"], owner["spec"].get("replicas", 1)


def _of(value: int | str, expected: int) -> int:
    if isinstance(value, int):
        return value
    return math.ceil(expected * int(value.removesuffix("%")) / 100)
