"""Requests without pause to a Service, as kube-proxy spreads them."""

from dataclasses import dataclass, field

from .nodes import is_ready
from .store import Object
from .world import World


@dataclass
class Traffic:
    """At each step every pod that the Service names is asked.

    What kube-proxy knows is a step old: a pod that goes is still asked in the step in which it
    begins to go.
    """

    world: World
    service: str
    asked: int = 0
    failed: list[str] = field(default_factory=list)
    known: list[Object] | None = None

    def __post_init__(self) -> None:
        self.world.looks.append(self._look)

    def _look(self) -> None:
        nodes, now = self.world.nodes, self.world.now
        if self.known == []:
            self.failed.append(f"{now:g}: no endpoint")
        for pod in self.known or ():
            self.asked += 1
            if not nodes.answers(pod, now):
                state = "ready" if is_ready(pod) else "not ready"
                self.failed.append(f"{now:g}: {pod['metadata']['name']}, which is {state}")
        self.known = self.world.endpoints.reached(self.service)

    def end(self) -> None:
        self.world.looks.remove(self._look)
