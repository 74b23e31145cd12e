"""Shoppers who ask from inside the cluster without pause, as the shop's app would."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from live_cluster import RELEASE, Cluster, CommandError
from live_pods import pod
from live_settings import Settings

PATIENCE_S = 120.0
"""So long the first answer may take: the policy engine has to learn of the pod."""


@dataclass
class Sent:
    """Figures of the load; there once its context has ended."""

    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """Number by kind."""
    figures: dict[str, Any] = field(default_factory=dict)

    def lost_nothing(self, at_least: int) -> None:
        """Assert that all requests were answered, and that there were enough to tell."""
        assert not self.failed, f"{self.failed}; first: {self.figures['first_failures']}"
        assert self.answered >= at_least, f"only {self.answered} were sent: this says little"


@contextmanager
def load(
    cluster: Cluster,
    settings: Settings,
    seconds: float,
    users: tuple[str, ...] = ("shopper-0001", "shopper-0002", "shopper-0003", "a-stranger"),
    instance: str = RELEASE,
    threads: int = 2,
) -> Iterator[Sent]:
    """Send requests for as long as the context lasts, ``seconds`` at most.

    The pod ends by itself, also where whoever began it is gone.
    """
    if cluster.traffic is not None:
        with cluster.traffic(cluster, instance) as sent:
            yield sent
        return
    name, sent = f"load-{time.time_ns() // 1_000_000}", Sent()
    url = f"http://{cluster.api_service(instance)}.{cluster.namespace}.svc:8000"
    given = {
        "url": f"{url}/v1/users/USER/recommendations?k=5",
        "users": users,
        "key": cluster.key(instance),
        "seconds": seconds,
        "patience_s": PATIENCE_S,
        "pause_s": 0.02,
        "threads": threads,
    }
    whole = int(seconds + PATIENCE_S + 300)
    cluster.apply(pod(name, settings.image, ["send.py", json.dumps(given)], seconds=whole))
    try:
        cluster.wait(
            lambda: began(cluster, name),
            PATIENCE_S + 240,
            "the load begins",
            look=lambda: described(cluster, name),
        )
        yield sent
        cluster.kubectl("exec", name, "--", "touch", "/tmp/stop", check=False)
        cluster.wait(lambda: ended(cluster, name), 120, "the load ends", look=lambda: "")
        last = cluster.kubectl("logs", name, "--tail=1")
        sent.figures = json.loads(last)
        sent.answered, sent.failed = sent.figures["answered"], sent.figures["failed"]
    finally:
        cluster.kubectl("delete", "pod", name, "--wait=false", "--ignore-not-found", check=False)


def began(cluster: Cluster, name: str) -> bool:
    """Whether a load has begun; one that has ended never will."""
    assert not ended(cluster, name), described(cluster, name)
    return "began" in cluster.kubectl("logs", name)


def ended(cluster: Cluster, name: str) -> bool:
    """Whether a pod has ended."""
    return cluster.get("pod", name)["status"].get("phase") in ("Succeeded", "Failed")


def described(cluster: Cluster, name: str) -> str:
    """What Kubernetes and the pod say of a pod."""
    parts = [
        cluster.kubectl("get", "pod", name, "--output=wide", check=False),
        cluster.kubectl("logs", name, "--tail=20", check=False),
        cluster.kubectl(
            "get", "events", f"--field-selector=involvedObject.name={name}", check=False
        ),
    ]
    return "\n".join(parts)


def run_program(
    cluster: Cluster, made: Any, seconds: float, every: float = 2.0
) -> tuple[str, float]:
    """Run a pod to its end, and return its last line and the seconds that it took.

    Raises:
        CommandError: It failed; the text holds the end of its log.
    """
    name = made["metadata"]["name"]
    began = cluster.now()
    cluster.kubectl("delete", "pod", name, "--ignore-not-found")
    cluster.apply(made)
    try:
        cluster.wait(
            lambda: ended(cluster, name),
            seconds,
            f"pod {name} ends",
            every,
            look=lambda: described(cluster, name),
        )
        if cluster.get("pod", name)["status"]["phase"] != "Succeeded":
            raise CommandError(f"pod {name} failed\n{described(cluster, name)}")
        lines = cluster.kubectl("logs", name).strip().splitlines()
        return lines[-1] if lines else "", cluster.now() - began
    finally:
        cluster.kubectl("delete", "pod", name, "--wait=false", "--ignore-not-found", check=False)
