"""Which pods a Service's requests reach."""

from typing import Any

from .api import FakeApi
from .fields import Writer
from .nodes import is_ready
from .selectors import selector_fits
from .store import Object

CONTROLLER = Writer("kube-controller-manager")


class Endpoints:
    def __init__(self, api: FakeApi):
        self.api = api
        self._seen = (0, 0)

    def step(self, now: float) -> None:
        if self._seen == self.api.state:
            return  # it would come to the same
        self._seen = self.api.state
        for service in self.api.every("services"):
            if service["spec"].get("selector"):
                self._slice(service)
        for one in self.api.every("endpointslices"):
            service = one["metadata"]["labels"]["kubernetes.io/service-name"]
            if self.api.find("services", one["metadata"]["namespace"], service) is None:
                self.api.remove("endpointslices", one)

    def _slice(self, service: Object) -> None:
        metadata, spec = service["metadata"], service["spec"]
        pods = [
            pod
            for pod in self.api.every("pods", metadata["namespace"])
            if selector_fits(pod["metadata"].get("labels", {}), spec["selector"])
            and pod.get("status", {}).get("phase") in ("Pending", "Running")
            and "podIP" in pod["status"]
        ]
        everybody = spec.get("publishNotReadyAddresses", False)
        wanted: dict[str, Any] = {
            "metadata": {
                "name": f"{metadata['name']}-1",
                "labels": {"kubernetes.io/service-name": metadata["name"]},
            },
            "addressType": "IPv4",
            "ports": [{"name": p.get("name", ""), "port": p["port"]} for p in spec["ports"]],
            "endpoints": [_endpoint(pod, everybody) for pod in pods],
        }
        found = self.api.find("endpointslices", metadata["namespace"], wanted["metadata"]["name"])
        if found is None or found["endpoints"] != wanted["endpoints"]:
            self.api.write("endpointslices", metadata["namespace"], wanted, CONTROLLER)

    def ready(self, name: str, namespace: str = "") -> int:
        """How many endpoints a Service says are ready."""
        found = self.api.find("endpointslices", namespace or self.api.namespace, f"{name}-1")
        return sum(e["conditions"]["ready"] for e in found["endpoints"]) if found else 0

    def reached(self, name: str, namespace: str = "") -> list[Object]:
        """Pods that kube-proxy sends a Service's requests to.

        Those that are ready; where none is, those that are on their way out and still answer.
        """
        namespace = namespace or self.api.namespace
        found = self.api.find("endpointslices", namespace, f"{name}-1")
        endpoints = found["endpoints"] if found else []
        chosen = [e for e in endpoints if e["conditions"]["ready"]] or [
            e for e in endpoints if e["conditions"]["serving"] and e["conditions"]["terminating"]
        ]
        names = [e["targetRef"]["name"] for e in chosen]
        pods = [self.api.find("pods", namespace, one) for one in names]
        return [pod for pod in pods if pod is not None]


def _endpoint(pod: Object, everybody: bool) -> Any:
    going, serving = "deletionTimestamp" in pod["metadata"], is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": everybody or (serving and not going),
            "serving": serving,
            "terminating": going,
        },
        "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
    }
