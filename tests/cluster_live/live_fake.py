"""The fake Kubernetes in the place of a cluster: real helm, real kubectl, real controllers.

Hours pass in seconds there. What no program runs for is played: shoppers' requests, by asking
which pods a Service leads to, and releases, which are small ones in a folder.
"""

import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from live_cluster import RELEASE, Clock, Cluster, CommandError
from live_install import Install, Release, prepare
from live_load import Sent
from live_settings import ROOT, read

for folder in ("tests", "tests/helm", "tests/serving"):
    sys.path.append(str(ROOT / folder))

GIVEN = {
    "COTERIE_IMAGE": "registry.example/shop/coterie-serve:7",
    "COTERIE_S3": "http://s3.example:9000",
}


@dataclass
class WorldClock(Clock):
    """The fake's own time, which goes on in a thread."""

    world: Any

    def now(self) -> float:
        """Seconds since the world began."""
        return float(self.world.now)

    def pause(self, seconds: float) -> None:
        """Let the world's time pass."""
        until = self.world.now + seconds
        while self.world.now < until:
            threading.Event().wait(0.002)


@dataclass
class Traffic:
    """A request each half a second to each pod that a Service leads to."""

    world: Any
    service: str
    namespace: str
    sent: Sent = field(default_factory=Sent)

    def look(self) -> None:
        """Count what becomes of this moment's requests."""
        pods = self.world.endpoints.reached(self.service, self.namespace)
        failed = [] if pods else ["no endpoint"]
        failed += ["no answer" for p in pods if not self.world.nodes.answers(p, self.world.now)]
        for why in failed:
            self.sent.failed[why] = self.sent.failed.get(why, 0) + 1
            first = self.sent.figures.setdefault("first_failures", [])
            first.append((self.world.now, why))
        # As many as a second's on a real one, so that steps may ask for the same number.
        self.sent.answered += 50 * (len(pods) - len(failed)) if pods else 0


@dataclass
class FakeCluster(Cluster):
    """A cluster whose API has no exec and no ports to forward: commands go into the store.

    Steps ask again and again how things are. They ask the API itself: while a process of kubectl
    starts, seconds pass there. What is changed, kubectl and helm change.
    """

    digests: dict[str, str] = field(default_factory=dict)
    """By version of a release."""

    def get(self, kind: str, name: str) -> Any:
        """Read an object."""
        found = self.find(kind, name)
        if found is None:
            raise CommandError(f'{kind} "{name}" not found')
        return found

    def find(self, kind: str, name: str) -> Any:
        """Read an object; None where there is none."""
        return self._read(kind, name)

    def objects(self, kind: str, selector: str = "") -> list[Any]:
        """Read the objects of a kind, or of several with commas between."""
        lists = (self._read(one, selector=selector)["items"] for one in kind.split(","))
        return [one for found in lists for one in found]

    def _read(self, kind: str, name: str = "", selector: str = "") -> Any:
        from kube.errors import RefusedError
        from kube.kinds import ALL

        one = next(one for one in ALL if kind in (one.plural, one.name.lower(), *one.short))
        space = f"/namespaces/{self.namespace}" if one.namespaced else ""
        path = f"{one.root}{space}/{one.plural}/{name}"
        query = {"labelSelector": [selector]} if selector else {}
        try:
            return self.clock.world.api.answer("GET", path, query, None, "", "kubectl")
        except RefusedError as error:
            if error.status == 404 and name:
                return None
            raise CommandError(str(error)) from error

    def apply(self, *objects: Any) -> None:
        """Create objects, or change them; a namespace gets its account, as of itself elsewhere."""
        super().apply(*objects)
        for one in objects:
            if one["kind"] == "Namespace":
                name = {"name": "default", "namespace": one["metadata"]["name"]}
                super().apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name})

    def command(self, path: str, instance: str = RELEASE, **body: Any) -> Any:
        """Leave a command in the rollout store, as the API does."""
        from coterie.rollout.commands import Command, Verb
        from coterie.rollout.plan import Plan

        verb = Verb(path.strip("/") or "start")
        plan = Plan.of(body["plan"]) if "plan" in body else None
        digest = self.digests[body["release"]] if "release" in body else ""
        why = body.get("reason", "a test")
        self.rollout_store(instance).command(
            Command(uuid.uuid4().hex, verb, "cluster-tests", why, digest, plan)
        )

    def history(self, instance: str = RELEASE) -> list[Any]:
        """Transitions of rollouts, newest first."""
        return [
            {"stable": o.stable, "why": o.why}
            for o in reversed(self.rollout_store(instance).history())
        ]

    def rollout_store(self, instance: str) -> Any:
        """Where the rollout is written down."""
        from coterie.cluster.api import Cluster as Kubernetes
        from coterie.cluster.store import ClusterRolloutStore

        return ClusterRolloutStore(Kubernetes.connect(self.namespace), instance)


@dataclass
class FakeInstall(Install):
    """An install whose releases lie in a folder."""

    folder: Path = Path()
    patience: str = "20s"

    @property
    def store(self) -> str:
        """The folder of the releases."""
        return str(self.folder / "releases")

    def make_release(self, version: str, **arguments: Any) -> tuple[Release, float]:
        """Write a small release: how the pipeline makes one is shown elsewhere."""
        from small_shop import write_small_release

        from coterie.release.store import ReleaseStore

        made = self.folder / "made" / version
        write_small_release(made, version=version)
        Path(self.store).mkdir(parents=True, exist_ok=True)
        ReleaseStore(self.store).publish(str(made))
        digest = ReleaseStore(self.store).get(version).digest
        if isinstance(self.cluster, FakeCluster):
            self.cluster.digests[version] = digest
        return Release(version, digest, f"{self.store}/{version}", ("ana",)), 0.0


@contextmanager
def fake(folder: Path) -> Iterator[FakeInstall]:
    """An install on the fake, whose time goes on for as long as the context lasts."""
    from kube.cluster import cluster
    from programs import Programs
    from tools import NEWEST

    settings = replace(read(GIVEN), namespace="live")
    patch = pytest.MonkeyPatch()
    with cluster(folder, "live") as made, Programs(made, patch) as programs:
        programs.run["controller"] = programs.controller
        world = made.world

        @contextmanager
        def traffic(there: Cluster, instance: str) -> Iterator[Sent]:
            one = Traffic(world, there.api_service(instance), there.namespace)
            world.looks.append(one.look)
            try:
                yield one.sent
            finally:
                world.looks.remove(one.look)

        ours = FakeCluster(
            "live",
            {"KUBECONFIG": str(made.kubeconfig)},
            WorldClock(world),
            traffic,
            str(NEWEST.program("kubectl")),
        )
        try:
            with world.going_on():
                prepare(ours, settings)
                yield FakeInstall(ours, settings, folder=folder)
        finally:
            patch.undo()
