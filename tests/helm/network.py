"""NetworkPolicies as a network that enforces them reads them."""

import ipaddress
import json
from dataclasses import dataclass, field

from chart import NAMESPACE, one, pods

OPERATOR = "kuberay-system"


@dataclass(frozen=True)
class End:
    """A pod of ours, or somebody else."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str = ""
    """Of somebody outside the cluster."""


def ours(objects):
    found = {pod.component: End(pod.component, dict(pod.labels)) for pod in pods(objects)}
    settings = json.loads(one(objects, "ConfigMap", "coterie-training")["data"]["training.json"])
    found["training"] = End("training", settings["pod_labels"])
    return found | {
        "operator": End("operator", namespace=OPERATOR),
        "prometheus": End("prometheus", namespace="monitoring"),
        "kubeflow": End("kubeflow", namespace="kubeflow"),
        "names": End("names", namespace="kube-system"),
        "shop": End("shop", namespace="storefront"),
        "gateway": End("gateway", namespace="ingress-nginx"),
        "neighbour": End("neighbour", {"app": "other"}),
        "step": End("step", {"pipelines.kubeflow.org/v2_component": "true"}),
        "outside": End("outside", address="10.0.0.7"),
        "internet": End("internet", address="93.184.216.34"),
    }


def may(objects, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    policies = [o for o in objects if o["kind"] == "NetworkPolicy"]
    return _side(policies, "Egress", source, target, port, protocol) and _side(
        policies, "Ingress", target, source, port, protocol
    )


def _side(policies, direction, subject: End, other: End, port: int, protocol: str) -> bool:
    if subject.namespace != NAMESPACE or subject.address:
        return True  # not under our policies
    chosen = [
        p["spec"]
        for p in policies
        if direction in p["spec"]["policyTypes"]
        and _selects(p["spec"]["podSelector"], subject.labels)
    ]
    if not chosen:
        return True
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        any(_is(peer, other) for peer in rule[peers])
        and any(
            p["port"] == port and p.get("protocol", "TCP") == protocol
            for p in rule.get("ports", [{"port": port, "protocol": protocol}])
        )
        for spec in chosen
        for rule in spec.get(key) or ()
    )


def _is(peer, end: End) -> bool:
    if "ipBlock" in peer:
        # Pods have addresses too, but that must not be relied on: networks differ in it.
        return bool(end.address) and ipaddress.ip_address(end.address) in ipaddress.ip_network(
            peer["ipBlock"]["cidr"]
        )
    if end.address:
        return False
    if "namespaceSelector" in peer:
        labels = {"kubernetes.io/metadata.name": end.namespace}
        if not _selects(peer["namespaceSelector"], labels):
            return False
    elif end.namespace != NAMESPACE:
        return False
    return _selects(peer.get("podSelector", {}), end.labels)


def _selects(selector, labels) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", ())
    )
