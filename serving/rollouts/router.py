"""The releases that one replica has loaded, and which of them answers whom.

Shoppers are shielded: where the canary raises, takes too long, or makes a flawed list, stable
answers that same request from the same features; the canary alone is blamed.
"""

import asyncio
import contextvars
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from coterie.errors import BadInputError, CoterieError
from coterie.rollout.live import Live, ReleaseRef
from serving.features.online_store import OnlineFeatures
from serving.lists.list_maker import Known, ListMaker
from serving.lists.reasons import shares_by_kind
from serving.rollouts.arms import Arm, assigned, load_arm
from serving.rollouts.attribution import Shown, new_list_id
from serving.rollouts.list_checks import Usual, flaw
from serving.schemas import RecommendationList
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ArmName, Metrics

THREADS: Final = 2
"""An arm's, while there are two arms: one that hangs then holds up nobody else."""
MOST_WAITING: Final = 8
"""Requests of the canary at a time; more are answered by stable at once."""
log = logging.getLogger(LOGGER)


class _Workers:
    """Threads of one arm."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(THREADS, name)
        self.waiting = 0

    async def run(self, work: Callable[[], Any], timeout_s: float | None) -> Any:
        """Do it; only the event loop calls this, so ``waiting`` needs no lock.

        Raises:
            TimeoutError: It took longer, counted from now.
            _DismissedError: There was no beginning it: the arms changed meanwhile.
        """
        context = contextvars.copy_context()  # so that spans know their request
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        except RuntimeError as error:
            raise _DismissedError from error
        self.waiting += 1
        try:
            return await asyncio.wait_for(future, timeout_s)
        finally:
            self.waiting -= 1

    def dismiss(self) -> None:
        """Begin nothing more; what was begun ends by itself, and what hangs is not waited for."""
        self._pool.shutdown(wait=False)


class _DismissedError(Exception):
    """Of workers who were asked after their arm was gone."""


@dataclass(frozen=True, slots=True)
class Arms:
    """What answers at one moment; replaced whole."""

    stable: Arm
    canary: Arm | None = None
    weight: float = 0.0
    mirrored: bool = False
    broken: ReleaseRef | None = None
    """A canary that could not be loaded; each request that was its counts as its failure."""
    stable_workers: _Workers | None = None
    """There only while there are two arms: one alone answers in the event loop."""
    canary_workers: _Workers | None = None
    usual: Usual = field(default_factory=Usual)

    @property
    def comparable(self) -> bool:
        """Whether both arms know what scores are odd: a count that one cannot make is no count."""
        return all(arm.watch.knows_scores for arm in (self.stable, self.canary) if arm)


class Switch:
    """One replica's arms. Answers in the event loop; loads what is new beside it."""

    def __init__(
        self,
        features: OnlineFeatures,
        metrics: Metrics,
        timeout_s: float = 1.0,
        window_s: float = 300.0,
        state: str = "",
    ) -> None:
        """A replica that has nothing to serve before the first ``adopt``.

        Args:
            features: What is known of shoppers.
            metrics: Where all is counted.
            timeout_s: After it stable answers in the canary's place.
            window_s: How long after a list was shown a click counts as its.
            state: Folder where replicas say what they serve; nowhere if empty.
        """
        self._features, self._metrics = features, metrics
        self._timeout_s = timeout_s
        self._shown = Shown(window_s, metrics)
        self._file = Path(state, f"{os.getpid()}.json") if state else None
        self._lock, self._telling = threading.Lock(), threading.Lock()
        self._arms: Arms | None = None
        self._wanted: Live | None = None
        self._error = ""
        self._mirrors: set[asyncio.Task[RecommendationList | None]] = set()

    @property
    def stable(self) -> ListMaker:
        """The release that shoppers are on."""
        return self._now().stable.maker

    @property
    def makers(self) -> list[ListMaker]:
        """Stable's, and the canary's if there is one."""
        arms = self._now()
        return [arm.maker for arm in (arms.stable, arms.canary) if arm]

    def adopt(self, live: Live) -> None:
        """Serve this: at once what is loaded, the rest as soon as it is.

        Raises:
            BadInputError: This is the first call, and stable cannot be loaded.
        """
        with self._lock:
            self._wanted = live
            if self._arms is None:
                self._take(live, self._load(live.stable), None)
            loaded = self._loaded()
            stable = loaded.get(live.stable.digest)
            canary = loaded.get(live.canary.digest) if live.canary else None
            complete = stable is not None and (live.canary is None or canary is not None)
            if stable is not None:
                # Without what is still missing, so that a canary to be dropped is dropped now.
                self._take(live, stable, canary)
        if not complete:
            threading.Thread(target=self._complete, args=(live,), daemon=True).start()

    async def recommend(self, user_id: str, k: int, explain: bool) -> RecommendationList:
        """See ``answer``."""
        return (await self.answer(user_id, k, explain))[1]

    async def answer(
        self, user_id: str, k: int, explain: bool
    ) -> tuple[ArmName, RecommendationList]:
        """One shopper's list, by the arm that is theirs, and which arm made it in the end.

        Raises:
            UnavailableError: The feature store did not answer.
        """
        arms = self._now()
        known = arms.stable.maker.gather(user_id)
        digest = arms.canary.ref.digest if arms.canary else ""
        digest = digest or (arms.broken.digest if arms.broken else "")
        if digest and assigned(user_id, digest) < arms.weight:
            answer = await self._by_canary(arms, known, k, explain)
            if answer is not None:
                assert arms.canary is not None
                return "canary", self._show("canary", arms.canary, known, answer)
            self._metrics.shielded.inc()
        answer = await self._by_stable(arms, known, k, explain)
        if digest and arms.mirrored:
            self._mirror(arms, known, k, explain)
        return "stable", self._show("stable", arms.stable, known, answer)

    def beat(self, now: float | None = None) -> None:
        """Say that this replica lives, and count lists whose time is over; once a second."""
        now = time.time() if now is None else now
        self._metrics.heartbeat.set(now)
        self._shown.mature(now)
        self._tell(now)

    async def _by_stable(
        self, arms: Arms, known: Known, k: int, explain: bool
    ) -> RecommendationList:
        make = _timed(arms.stable.maker, known, k, explain)
        try:
            try:
                made = await arms.stable_workers.run(make, None) if arms.stable_workers else make()
            except _DismissedError:
                made = make()
        except Exception:
            self._metrics.count_answer("stable", 0.0, ["failures"])
            raise
        answer, seconds = made
        arms.usual.note(seconds)
        self._count("stable", arms, arms.stable, known, k, made)
        return answer

    async def _by_canary(
        self, arms: Arms, known: Known, k: int, explain: bool
    ) -> RecommendationList | None:
        """None where stable has to answer; why is counted and logged."""
        canary, workers = arms.canary, arms.canary_workers
        if canary is None or workers is None or workers.waiting >= MOST_WAITING:
            self._metrics.count_answer("canary", self._timeout_s, ["failures"])
            return None
        began = time.perf_counter()
        try:
            made = await workers.run(_timed(canary.maker, known, k, explain), self._timeout_s)
        except _DismissedError:
            return None
        except Exception as error:  # whatever a bad release makes of it
            self._metrics.count_answer("canary", time.perf_counter() - began, ["failures"])
            log.warning(
                "the canary failed",
                exc_info=error,
                extra={"fields": {"arm": "canary", "release": canary.maker.release.version}},
            )
            return None
        flawed = self._count("canary", arms, canary, known, k, made)
        return None if flawed else made[0]

    def _count(
        self,
        name: ArmName,
        arms: Arms,
        arm: Arm,
        known: Known,
        k: int,
        made: tuple[RecommendationList, float],
    ) -> str:
        """Count one answer; what is wrong with it."""
        answer, seconds = made
        flawed = flaw(answer, k, known, arm.maker.num_available)
        signals = ["malformed"] if flawed else arm.watch.signals(answer)
        if "score_out_of_range" in signals and not arms.comparable:
            signals.remove("score_out_of_range")
        if arms.usual.slow(seconds):
            signals.append("slow")
        self._metrics.count_answer(name, seconds, signals)
        return flawed

    def _mirror(self, arms: Arms, known: Known, k: int, explain: bool) -> None:
        """Put a request to the canary as well; its answer is counted and thrown away."""
        if arms.canary_workers is not None and arms.canary_workers.waiting >= THREADS:
            self._metrics.unmirrored.inc()
            return
        task = asyncio.ensure_future(self._by_canary(arms, known, k, explain))
        self._mirrors.add(task)  # the loop alone would forget it
        task.add_done_callback(self._mirrors.discard)

    def _show(
        self, name: ArmName, arm: Arm, known: Known, answer: RecommendationList
    ) -> RecommendationList:
        now = time.time()
        answer.list_id = new_list_id(arm.ref.digest, now)
        self._shown.note(name, now)
        reasons = [r for item in answer.items for r in item.reasons or ()]
        self._metrics.count_list(answer.source, len(answer.items), shares_by_kind(reasons))
        rows = arm.maker.catalogue.rows([item.item.item_id for item in answer.items])
        self._metrics.novelty.inc(float(arm.bits[rows].sum()))
        self._metrics.coverage.set(arm.spread.note(rows))
        place = arm.watch.tenth(answer)
        if place is not None:
            self._metrics.count_best_score(place)
        if known.row.recent.ts_ms:
            age = now - max(known.row.recent.ts_ms) / 1000
            self._metrics.feature_age.observe(max(age, 0.0))
        return answer

    def _now(self) -> Arms:
        if self._arms is None:
            raise BadInputError("this replica was not told what to serve: call adopt first")
        return self._arms

    def _loaded(self) -> dict[str, Arm]:
        arms = self._now()
        return {arm.ref.digest: arm for arm in (arms.stable, arms.canary) if arm}

    def _complete(self, live: Live) -> None:
        """Load what is missing, in a thread of its own, and take it if it is still wanted."""
        loaded, broken = self._loaded(), None
        try:
            for ref in (live.stable, live.canary):
                if ref and ref.digest not in loaded:
                    broken = ref
                    loaded[ref.digest] = self._load(ref)
            broken, error = None, ""
        except CoterieError as failure:
            error = str(failure)
            log.error("a release could not be loaded: %s", error)
        with self._lock:
            if self._wanted is not live:
                return
            self._error = error
            stable = loaded.get(live.stable.digest)
            if stable is None:
                return  # what answers now goes on
            canary = loaded.get(live.canary.digest) if live.canary else None
            self._take(live, stable, canary, broken)
        self._tell(time.time())

    def _take(
        self, live: Live, stable: Arm, canary: Arm | None, broken: ReleaseRef | None = None
    ) -> None:
        before = self._arms
        same = before is not None and before.canary is canary and canary is not None
        arms = Arms(stable, canary, live.weight, live.mirrored, broken)
        if same and before is not None:
            arms = replace(
                arms,
                stable_workers=before.stable_workers,
                canary_workers=before.canary_workers,
                usual=before.usual,
            )
        elif canary is not None:
            arms = replace(
                arms, stable_workers=_Workers("stable"), canary_workers=_Workers("canary")
            )
        if broken is None:
            self._error = ""
        self._arms = arms
        if not same and before is not None:
            for workers in (before.stable_workers, before.canary_workers):
                if workers is not None:
                    workers.dismiss()
        self._announce(before, arms)

    def _announce(self, before: Arms | None, arms: Arms) -> None:
        names: tuple[ArmName, ArmName] = ("stable", "canary")
        for name in names:
            old, new = (getattr(a, name) if a else None for a in (before, arms))
            if old is not None and old is not new:
                release = old.maker.release
                self._metrics.hide_release(name, release.version, release.digest)
            if new is not None and old is not new:
                release = new.maker.release
                made = _seconds(release.manifest.created_at)
                self._metrics.show_release(name, release.version, release.digest, made)

    def _load(self, ref: ReleaseRef) -> Arm:
        return load_arm(ref, self._features, self._metrics)

    def _tell(self, now: float) -> None:
        """Leave what is served where the controller reads it; written beside, then renamed."""
        with self._telling:  # or an older picture could be the last to be put in its place
            arms = self._arms
            if self._file is None or arms is None:
                return
            canary = arms.canary.ref if arms.canary else None
            weight, mirrored = (arms.weight, arms.mirrored) if canary else (0.0, False)
            live = Live(arms.stable.ref, canary, weight, mirrored)
            content = {"at": now, "live": live.as_json(), "error": self._error}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._file.with_suffix(".part")
            beside.write_text(json.dumps(content))
            beside.replace(self._file)


def _timed(
    maker: ListMaker, known: Known, k: int, explain: bool
) -> Callable[[], tuple[RecommendationList, float]]:
    def make() -> tuple[RecommendationList, float]:
        began = time.perf_counter()
        answer = maker.make(known, k, explain)
        return answer, time.perf_counter() - began

    return make


def _seconds(created_at: str) -> float:
    return datetime.fromisoformat(created_at).timestamp()
