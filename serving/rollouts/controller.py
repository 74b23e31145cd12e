"""The rollout's controller on one machine: a deployment of its own, which Ray Serve restarts."""

import asyncio
import concurrent.futures
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.release.champion import ChampionPointer
from coterie.rollout.controller import Controller, MetricsSource
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.live import Live
from coterie.rollout.metrics import EndpointMetrics, PrometheusMetrics
from coterie.rollout.state import Target
from coterie.rollout.store import FileRolloutStore
from serving.rollouts.release_locator import ReleaseLocator, release_locator
from serving.rollouts.serve_config import deploy
from serving.settings import Settings, read_settings
from serving.telemetry.logs import LOGGER, start_logging
from serving.telemetry.metrics import set_room_aside, share_counts

SILENT_S: Final = 10.0
"""A replica that has not said anything for so long is gone."""
WAITED_S: Final = 60.0
"""How long a turn waits for what a canary's check says; after that it is looked at in each turn."""

log = logging.getLogger(LOGGER)


class ServeArms:
    """What this machine's replicas serve; the ``ServingArms`` of ``coterie.rollout.controller``."""

    def __init__(
        self,
        replicas: Path,
        locator: ReleaseLocator,
        text_encoder: str = "",
        key: str = "",
        sinks: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to tell replicas what to serve.

        Args:
            replicas: Folder where each replica says what it serves.
            locator: Finds releases.
            text_encoder: What replicas encode queries with, and ``key`` for an API.
            sinks: How many processes write events.
            clock: By which replicas say when they spoke.
        """
        self._folder, self._locator, self._sinks = replicas, locator, sinks
        self._text_encoder, self._key = text_encoder, key
        self._applied: Live | None = None
        self._clock = clock
        self._checks: dict[Hashable, concurrent.futures.Future[Any]] = {}

    def live(self) -> Target:
        """Read what replicas say; the first that serves something else than the others counts.

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
        """Tell Ray Serve what to run, once; replicas then load what they lack.

        Raises:
            UnavailableError: It did not take it, or a release cannot be found.
        """
        try:
            live = self._locator.live(target)
        except BadInputError as error:
            raise UnavailableError(str(error)) from error
        if live != self._applied:
            deploy(live, self._sinks)
            self._applied = live

    def preflight(self, digest: str) -> str | None:
        """Load a release here first, make some lists of nobody and search for some items; return
        what is wrong, or None while that is not known."""
        said: str | None = self._patiently(("preflight", digest), lambda: self._try(digest))
        if said:
            self._checks.clear()
        return said

    def _try(self, digest: str) -> str:
        from coterie.release.queries import QueryEncoders
        from serving.rollouts.loaded_release import check_memory, check_search, load_arm

        try:
            # Opened anew, and dropped: here nobody searches, so its weights take no memory.
            encoders = QueryEncoders(self._text_encoder, self._key)
            maker = load_arm(self._locator.locate(digest), encoders=encoders).maker
            check_search(maker)
            check_memory(maker)
        except BadInputError as error:
            return str(error)
        return ""

    def compare(self, canary: str, stable: str) -> Sequence[ComparedFigure] | None:
        """Read both releases here, and compare them; None while that goes on."""
        from coterie.release.difference import compare_releases

        if not stable:
            return ()
        locate = self._locator.locate
        found: Sequence[ComparedFigure] | None = self._patiently(
            ("compare", canary, stable),
            lambda: compare_releases(lambda: locate(stable).folder, lambda: locate(canary).folder),
        )
        if found is not None:
            self._checks.clear()
        return found

    def _patiently(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """Work in a thread of its own, since a canary may hang, and turns hear what people want.

        Returns:
            What it made; None while it is at work.

        Raises:
            CoterieError: As ``work`` did.
        """
        check, begins = self._checks.get(key), key not in self._checks
        if check is None:
            check = self._checks[key] = concurrent.futures.Future()
            threading.Thread(
                target=_settle, args=(check, work), name="preflight", daemon=True
            ).start()
        concurrent.futures.wait([check], WAITED_S if begins else 0.0)
        if not check.done():
            return None
        if check.exception() is not None:
            self._checks.clear()
        return check.result()

    def crashed(self, digest: str) -> str:  # noqa: ARG002 - there is one canary
        """Read what a replica says that could not load a release."""
        errors = [content["error"] for content in self._said() if content["error"]]
        return errors[0] if errors else ""

    def _said(self) -> Iterator[dict[str, Any]]:
        now = self._clock()
        for file in sorted(self._folder.glob("*.json")):
            try:
                content = json.loads(file.read_text())
            except (OSError, ValueError):
                continue
            if now - content["at"] < SILENT_S:
                yield content
            else:
                file.unlink(missing_ok=True)


def _settle(check: "concurrent.futures.Future[Any]", work: Callable[[], Any]) -> None:
    try:
        check.set_result(work())
    except BaseException as error:
        check.set_exception(error)


def metrics_of(settings: Settings) -> MetricsSource:
    """Choose whom the controller asks for counts."""
    if settings.prometheus_url:
        return PrometheusMetrics(settings.prometheus_url)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return EndpointMetrics(f"http://{host}:{settings.port}/metrics")


def controller_of(settings: Settings, rollout_store: FileRolloutStore) -> Controller:
    """Make what decides about this machine's replicas, and keeps its store's champion."""
    return Controller(
        rollout_store,
        metrics_of(settings),
        ServeArms(
            settings.replicas_folder,
            release_locator(settings),
            settings.text_encoder,
            settings.content_key,
            settings.sinks,
        ),
        note_snapshot=rollout_store.note_snapshot,
        follow=ChampionPointer(settings.releases_root, log).follow,
    )


class RolloutController:
    """Deployment that decides in turns; one that fails is logged, and the next tries again."""

    def __init__(self) -> None:
        settings = read_settings()
        start_logging(settings.log_level, settings.log_path)
        share_counts(settings.metrics_folder)
        self._interval_s = settings.rollout_interval_s
        self._rollout_store = FileRolloutStore(settings.rollouts_root)
        self._controller = controller_of(settings, self._rollout_store)
        set_room_aside()
        self._exported = RolloutMetrics(CollectorRegistry())
        self._task = asyncio.create_task(self._turn_on())

    async def _turn_on(self) -> None:
        with self._rollout_store.lease() as ours:
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
        except Exception:
            # The next turn starts from what is written; who stopped would hold rollouts for ever.
            log.exception("a turn failed")
            return
        transitions = decision.transitions if decision else ()
        self._exported.show(self._rollout_store.read()[0], transitions, time.time())
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
