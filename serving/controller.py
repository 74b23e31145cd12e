"""The rollout's controller on one machine: a deployment of its own, which Ray Serve restarts."""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.release.files import read_files
from coterie.rollout.book import Book
from coterie.rollout.controller import Controller, Ledger, Metrics
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.live import Live, Place
from coterie.rollout.metrics import EndpointMetrics, PrometheusMetrics
from coterie.rollout.state import State, Target
from serving.logs import LOGGER, start_logging
from serving.settings import KUBERNETES, Settings, read_settings

REPLICAS: Final = "replicas"
"""Folder in ``state`` where each replica says what it serves."""
SILENT_S: Final = 10.0
"""A replica that has not said anything for so long is gone."""

KNOWN_S: Final = 5.0
"""For so long the store's list of releases is not read again."""

log = logging.getLogger(LOGGER)


def open_book(settings: Settings) -> Ledger:
    """Where rollouts are written down."""
    if settings.rollouts.startswith(KUBERNETES):
        from coterie.cluster.api import Cluster
        from coterie.cluster.book import ClusterBook

        namespace, _, name = settings.rollouts.removeprefix(KUBERNETES).partition("/")
        return ClusterBook(Cluster.connect(namespace), name)
    return Book(settings.rollouts_place)


def first_live(settings: Settings) -> Live:
    """What to serve at the start: what was live when the app ended, or the release it was told of.

    Raises:
        BadInputError: A release is damaged, or is not where it was.
        UnavailableError: The store did not answer.
    """
    begun = Place(read_files(settings.release).digest, settings.release)
    book = Book(settings.rollouts_place)
    state, version = book.read()
    if not state.stable:
        book.write(State(stable=begun.digest), version)
        return Live(begun)
    return Places(settings.releases_root, begun).live(state.target)


class Places:
    """Where releases lie, by digest."""

    def __init__(self, root: str, begun: Place) -> None:
        """A store, and the release that the app was told of, which may lie outside it."""
        self._root, self._found = root, {begun.digest: begun}
        self._begun, self._versions, self._until = begun, dict[str, str](), 0.0

    def live(self, target: Target) -> Live:
        """A target with the places of its releases.

        Raises:
            BadInputError: The store has no release of such a digest.
            UnavailableError: It did not answer.
        """
        canary = self.place(target.canary) if target.canary else None
        return Live(self.place(target.stable), canary, target.weight, target.mirrored)

    def place(self, digest: str) -> Place:
        """See ``live``."""
        if digest not in self._found:
            self._found[digest] = Place(digest, self._store().by_digest(digest))
        return self._found[digest]

    def find(self, release: str) -> Place:
        """A release by its version, or by its folder in the store.

        Raises:
            BadInputError: The store has no such release.
            UnavailableError: It did not answer.
        """
        store = self._store()
        folder = store.folder(release.rstrip("/").removeprefix(f"{store.root}/"))
        known = {version: digest for digest, version in store.digests().items()}
        return Place(known[folder.rpartition("/")[2]], folder)

    def versions(self) -> dict[str, str]:
        """Digest to version, at most some seconds old; what is known where the store is not up."""
        if time.monotonic() > self._until:
            begun = {self._begun.digest: self._begun.folder.rstrip("/").rpartition("/")[2]}
            with contextlib.suppress(UnavailableError):
                self._versions = begun | self._store().digests()
            self._until = time.monotonic() + KNOWN_S
        return self._versions

    def _store(self) -> Any:
        # Torch takes seconds to import, and most starts do without the store.
        from coterie.release.store import ReleaseStore

        return ReleaseStore(self._root)


def places_of(settings: Settings) -> Places:
    """Where releases lie.

    Raises:
        BadInputError: The release that the app was told of is damaged.
        UnavailableError: Its store did not answer.
    """
    begun = Place(read_files(settings.release).digest, settings.release)
    return Places(settings.releases_root, begun)


class ServeArms:
    """What this machine's replicas serve; the ``Arms`` of ``coterie.rollout.controller``."""

    def __init__(self, state: Path, places: Places) -> None:
        self._folder, self._places = state / REPLICAS, places
        self._applied: Live | None = None

    def live(self) -> Target:
        """What the replicas say; the first that serves something else than the others counts.

        Raises:
            UnavailableError: None has said anything lately.
        """
        said = [content["live"] for content in self._said()]
        if not said:
            raise UnavailableError("no replica says what it serves")
        targets = [Live.from_json(content).target for content in said]
        wanted = self._applied.target if self._applied else targets[0]
        return next((target for target in targets if target != wanted), targets[0])

    def apply(self, target: Target) -> None:
        """Tell Ray Serve, once; replicas then load what they lack.

        Raises:
            UnavailableError: It did not take it, or a release cannot be found.
        """
        try:
            live = self._places.live(target)
        except BadInputError as error:
            raise UnavailableError(str(error)) from error
        if live != self._applied:
            deploy(live)
            self._applied = live

    def preflight(self, digest: str) -> str | None:
        """Load it here first, and make some lists of nobody."""
        from serving.arms import load_arm

        try:
            load_arm(self._places.place(digest))
        except BadInputError as error:
            return str(error)
        return ""

    def crashed(self, digest: str) -> str:  # noqa: ARG002 - there is one canary
        """What a replica says that could not load it."""
        errors = [content["error"] for content in self._said() if content["error"]]
        return errors[0] if errors else ""

    def _said(self) -> Iterator[dict[str, Any]]:
        now = time.time()
        for file in sorted(self._folder.glob("*.json")):
            try:
                content = json.loads(file.read_text())
            except (OSError, ValueError):
                continue
            if now - content["at"] < SILENT_S:
                yield content
            else:
                file.unlink(missing_ok=True)


def deploy(live: Live) -> None:
    """Have Ray Serve run the app with this ``user_config``; replicas go on as they are.

    Raises:
        UnavailableError: It did not take it.
    """
    # serve.run would restart the replicas; the config that a RayService takes does not.
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    from serving.deployments import serve_config

    try:
        _get_global_client().deploy_apps(ServeDeploySchema(**serve_config(live)))
    except Exception as error:  # whatever Ray raises
        raise UnavailableError(f"Ray Serve did not take a new configuration: {error}") from error


def metrics_of(settings: Settings) -> Metrics:
    """Whom the controller asks."""
    if settings.prometheus_url:
        return PrometheusMetrics(settings.prometheus_url)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return EndpointMetrics(f"http://{host}:{settings.port}/metrics")


class RolloutController:
    """Turns once in a while; a turn that fails is logged, and the next one tries again."""

    def __init__(self) -> None:
        settings = read_settings()
        start_logging(settings.log_level, settings.log_path)
        self._interval_s = settings.rollout_interval_s
        self._book = Book(settings.rollouts_place)
        arms = ServeArms(Path(settings.state), places_of(settings))
        self._controller = Controller(
            self._book, metrics_of(settings), arms, note_look=self._book.note_look
        )
        self._exported = RolloutMetrics(CollectorRegistry())
        self._task = asyncio.create_task(self._turn_on())

    async def _turn_on(self) -> None:
        with self._book.lease() as ours:
            while ours:
                await asyncio.to_thread(self._turn)
                await asyncio.sleep(self._interval_s)
        # Another one acts; should it end, Ray Serve starts us again.
        os._exit(1)

    def _turn(self) -> None:
        try:
            decision = self._controller.turn()
        except CoterieError as error:
            log.warning("the rollout's controller goes on: %s", error)
            return
        transitions = decision.transitions if decision else ()
        self._exported.show(self._book.read()[0], transitions, time.time())
        for line in transitions:
            fields = {
                "before": line.before,
                "after": line.after,
                "who": line.who,
                "stable": line.stable[:12],
                "canary": line.canary[:12],
                "weight": line.weight,
            }
            log.info("rollout: %s", line.why, extra={"fields": fields})
