"""A whole cluster for a test: its API over HTTP, and commands that are run while it goes on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .admission import admit_pods
from .api import FakeApi
from .server import kubeconfig, serving
from .world import World


class CommandError(Exception):
    """A command failed; the text is all that it said."""


@dataclass(frozen=True)
class Cluster:
    world: World
    address: str
    kubeconfig: Path

    @property
    def api(self) -> FakeApi:
        return self.world.api

    def run(self, *command: str | Path, timeout_s: float = 200) -> str:
        """What a command says; hours may pass meanwhile, by the cluster's clock.

        Raises:
            CommandError: It failed.
        """
        words = [str(word) for word in command]
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        with self.world.going_on():
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=timeout_s, env=env
            )
        if done.returncode:
            raise CommandError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def cluster(folder: Path, namespace: str = "shop") -> Iterator[Cluster]:
    """One with three nodes and KubeRay, that enforces ``restricted``."""
    api = FakeApi(namespace)
    world = World(api)
    admit_pods(api)
    with serving(api) as address:
        yield Cluster(world, address, kubeconfig(folder, address, namespace))
