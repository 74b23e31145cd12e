"""The releases that one replica has loaded, and what it says of them to the controller."""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from coterie.data.changes import RowState
from coterie.errors import BadInputError, CoterieError
from coterie.files import write_atomically
from coterie.reasons.discretion import Discretion
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import Live, ReleaseRef
from serving.features.live import LiveState
from serving.features.online_store import OnlineFeatures
from serving.rollouts.joining import JoiningItems
from serving.rollouts.list_checks import LatencyLimit
from serving.rollouts.loaded_release import LoadedRelease, check_search, load_arm
from serving.rollouts.pairs import Pairs
from serving.rollouts.purchases import JudgedByPurchases
from serving.rollouts.workers import ArmWorkers
from serving.telemetry.arm_metrics import ARMS
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

log: Final = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True)
class LoadedArms:
    """Releases and threads that answer at one moment; replaced whole, never changed."""

    stable: LoadedRelease
    canary: LoadedRelease | None = None
    weight: float = 0.0
    """Share of shoppers on the canary."""
    mirrored: bool = False
    """Whether the canary is asked what stable is asked, and its answers are thrown away."""
    broken: ReleaseRef | None = None
    """A canary that could not be loaded; each request that was its counts as its failure."""
    stable_workers: ArmWorkers | None = None
    """There only while there are two arms: one alone answers in the event loop."""
    canary_workers: ArmWorkers | None = None
    latency: LatencyLimit = field(default_factory=LatencyLimit)
    pairs: Pairs = field(default_factory=Pairs)
    purchases: JudgedByPurchases = field(default_factory=JudgedByPurchases)

    @property
    def comparable(self) -> bool:
        """Whether both arms know what scores are odd: a count that one cannot make is no count."""
        return all(arm.checks.knows_scores for arm in (self.stable, self.canary) if arm)

    @property
    def canary_digest(self) -> str:
        """Digest of the release that shoppers are assigned to, loaded or broken; or empty."""
        ref = self.canary.ref if self.canary else self.broken
        return ref.digest if ref else ""

    def dismiss(self) -> None:
        """Let both arms' threads end."""
        for workers in (self.stable_workers, self.canary_workers):
            if workers is not None:
                workers.dismiss()


class ReplicaReleases:
    """Keeps what one replica serves; loads what is new in a thread beside what answers."""

    def __init__(
        self,
        features: OnlineFeatures,
        metrics: ServingMetrics,
        state: str = "",
        encoders: QueryEncoders | None = None,
        discretion: Discretion | None = None,
        live: LiveState | None = None,
    ) -> None:
        """Begin with nothing to serve, until the first ``adopt``.

        Args:
            features: What is known of shoppers.
            metrics: Where releases are shown.
            state: Folder where replicas say what they serve; nowhere if empty.
            encoders: What queries are encoded with; the default text encoder if not given.
            discretion: How much reasons tell of friends; the default if not given.
            live: What changed since releases were made; nothing if not given.
        """
        self._discretion, self._live = discretion, live
        self._joining = JoiningItems(_add)
        self._features, self._metrics = features, metrics
        self._encoders = encoders or QueryEncoders()
        self._file = Path(state, f"{os.getpid()}.json") if state else None
        self._lock, self._telling = threading.Lock(), threading.Lock()
        self._wanted: Live | None = None
        self._error = ""
        self.arms: LoadedArms | None = None
        """None before the first ``adopt``."""

    def now(self) -> LoadedArms:
        """Return what answers at this moment.

        Raises:
            BadInputError: There is nothing yet.
        """
        if self.arms is None:
            raise BadInputError("this replica was not told what to serve: call adopt first")
        return self.arms

    def fresh(self, beside: Iterable[LoadedRelease] = ()) -> LoadedArms:
        """Return what answers at this moment, with all changes of items until now.

        Args:
            beside: Releases of experiments, which are brought up to date as well.

        Raises:
            BadInputError: There is nothing yet.
            UnavailableError: The store of changes does not answer: an item that is no longer sold
                could be shown.
        """
        arms = self.now()
        if self._live is not None:
            self._live.refresh()
            for arm in (arms.stable, arms.canary, *beside):
                if arm is not None:
                    self._bring_up_to_date(arm)
        return arms

    def load_beside(self, ref: ReleaseRef) -> LoadedRelease:
        """Load a release that an experiment shows, and try it; one that a rollout has loaded is
        not loaded again.

        Raises:
            BadInputError: It is damaged, or cannot make lists.
            UnavailableError: Its store did not answer.
        """
        known = self._loaded().get(ref.digest)
        if known is not None:
            return known
        arm = self._load(ref)
        check_search(arm.maker)
        return arm

    def _bring_up_to_date(self, arm: LoadedRelease) -> None:
        """Let an arm know of changes at once, and of new items as soon as they have vectors."""
        if self._live is None or arm.maker.items.version == self._live.version:
            return
        states, version = self._live.items_since(min(arm.maker.items.version, self._live.version))
        new = arm.maker.items.change(states)
        arm.maker.items.version = version
        if new or arm.maker.items.searcher.waits_for_encoder:
            self._joining.put(arm, new)

    def adopt(self, live: Live) -> None:
        """Serve this: at once what is loaded, the rest as soon as it is.

        Raises:
            BadInputError: This is the first call, and stable cannot be loaded.
        """
        with self._lock:
            self._wanted = live
            if self.arms is None:
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

    def tell(self, now: float) -> None:
        """Leave what is served where the controller reads it."""
        with self._telling:  # or an older picture could be the last to be put in its place
            arms = self.arms
            if self._file is None or arms is None:
                return
            canary = arms.canary.ref if arms.canary else None
            weight, mirrored = (arms.weight, arms.mirrored) if canary else (0.0, False)
            live = Live(arms.stable.ref, canary, weight, mirrored)
            content = {"at": now, "live": live.as_json(), "error": self._error}
            # Written again with every beat: after a power cut no replica is alive to be read of.
            write_atomically(self._file, json.dumps(content), durable=False)

    def _loaded(self) -> dict[str, LoadedRelease]:
        arms = self.now()
        return {arm.ref.digest: arm for arm in (arms.stable, arms.canary) if arm}

    def _load(self, ref: ReleaseRef) -> LoadedRelease:
        arm = load_arm(ref, self._features, self._metrics, self._encoders, self._discretion)
        if self._live is not None:
            # A release comes into use with all that changed since it was made; where nobody can say
            # what that is, the first request asks again.
            with contextlib.suppress(CoterieError):
                self._live.refresh()
                states, version = self._live.items_since(0)
                arm.maker.items.add(arm.maker.items.change(states))
                arm.maker.items.version = version
        return arm

    def _complete(self, live: Live) -> None:
        """Load what is missing, in a thread of its own, and take it if it is still wanted."""
        loaded, broken = self._loaded(), None
        try:
            for ref in (live.stable, live.canary):
                if ref and ref.digest not in loaded:
                    broken = ref
                    arm = self._load(ref)
                    if ref is live.canary:
                        # In a cluster nobody tried it before; what is stable answers all the same.
                        check_search(arm.maker)
                    loaded[ref.digest] = arm
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
        self.tell(time.time())

    def _take(
        self,
        live: Live,
        stable: LoadedRelease,
        canary: LoadedRelease | None,
        broken: ReleaseRef | None = None,
    ) -> None:
        """Put new arms in the place of those that answer; a canary that stays keeps its threads."""
        before = self.arms
        same = before is not None and before.canary is canary and canary is not None
        arms = LoadedArms(stable, canary, live.weight, live.mirrored, broken)
        if same and before is not None:
            arms = replace(
                arms,
                stable_workers=before.stable_workers,
                canary_workers=before.canary_workers,
                latency=before.latency,
                pairs=before.pairs,
                purchases=before.purchases,
            )
        elif canary is not None:
            arms = replace(
                arms, stable_workers=ArmWorkers("stable"), canary_workers=ArmWorkers("canary")
            )
        if broken is None:
            self._error = ""
        self.arms = arms
        if not same and before is not None:
            before.dismiss()
        self._announce(before, arms)

    def _announce(self, before: LoadedArms | None, arms: LoadedArms) -> None:
        """Show in metrics which release each arm has, where that has changed."""
        for name in ARMS:
            old, new = (getattr(a, name) if a else None for a in (before, arms))
            if old is not None and old is not new:
                release = old.maker.release
                self._metrics.arms.hide_release(name, release.version, release.digest)
            if new is not None and old is not new:
                release = new.maker.release
                made = _seconds(release.manifest.created_at)
                self._metrics.arms.show_release(name, release.version, release.digest, made)


def _add(arm: LoadedRelease, states: Mapping[str, RowState]) -> None:
    try:
        arm.maker.items.add(states)
    except Exception:
        log.exception(
            "new items wait for the next release", extra={"fields": {"items": len(states)}}
        )


def _seconds(created_at: str) -> float:
    return datetime.fromisoformat(created_at).timestamp()
