"""Judges experiments now and then by what was exported, and ends arms that do harm.

It is the event consumer's work: replicas answer shoppers, and read nothing but what runs.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.errors import BadInputError
from coterie.experiments.communities import CommunityMap
from coterie.experiments.definition import Experiment
from coterie.experiments.judging import judge
from coterie.experiments.outcomes import read_exported_events
from coterie.experiments.store import ExperimentStore
from coterie.impressions.table import read_impressions
from coterie.schema import NETWORK_COMMUNITY, SHOPPER_NETWORK_VIEW
from serving.features.online_store import OnlineFeatures
from serving.telemetry.instruments import EarnedMetrics
from serving.telemetry.logs import LOGGER

EVERY_S: Final = 60.0
"""Between two looks."""
_REMEMBERED: Final = 1_000_000
log: Final = logging.getLogger(LOGGER)


class ExperimentWatch:
    """Writes down what each experiment has found, and stops arms by their guardrails."""

    def __init__(
        self,
        store: ExperimentStore,
        source: str,
        open_features: Callable[[], OnlineFeatures],
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.time,
        metrics: EarnedMetrics | None = None,
    ) -> None:
        """Take what is judged by.

        Args:
            store: Where experiments are written down.
            source: Folder of tables that events and impressions are exported to.
            open_features: Know communities; called where these are drawn.
            every_s: Between two looks, seconds.
            clock: Seconds since 1970.
            metrics: Where it is shown what recommendations earned; nowhere if not given.
        """
        self._metrics = metrics
        self._store, self._source, self._open_features = store, source, open_features
        self._every_s, self._clock = every_s, clock
        self._next_s = 0.0
        self._communities: dict[str, float] = {}
        self._frozen: dict[str, CommunityMap] = {}
        self._thawed: set[str] = set()

    def turn(self) -> None:
        """Look, if it is time.

        Raises:
            BadInputError: What is written down, or was exported, is damaged.
            UnavailableError: The store does not answer.
        """
        if self._clock() >= self._next_s:
            self.look()
            self._next_s = self._clock() + self._every_s

    def look(self) -> list[str]:
        """Judge all experiments that run, or whose last windows are not over; give their names.

        Raises:
            BadInputError: As ``turn``.
            UnavailableError: As ``turn``.
        """
        now_ms = int(self._clock() * 1000)
        going = [one for one in self._store.read() if one.runs or self._late(one, now_ms)]
        self._thaw({one.communities for one in going})
        if not going:
            self._show({})
            return []
        since = min(one.started_ms for one in going)
        try:
            impressions = read_impressions(self._source, since)
        except BadInputError as error:
            log.info("no experiment is judged yet", extra={"fields": {"why": str(error)}})
            return []
        events = read_exported_events(self._source)
        earned: dict[str, dict[str, Any]] = {}
        for one in going:
            found = judge(one, impressions, events, now_ms, self._of)
            self._store.note_result(one.name, found)
            if found["earned"]:
                earned[one.name] = found["earned"]
            if one.runs:
                self._stop(one, found)
        self._show(earned)
        return [one.name for one in going]

    def _show(self, earned: dict[str, dict[str, Any]]) -> None:
        if self._metrics is not None:
            self._metrics.show(earned)

    def _late(self, one: Experiment, now_ms: int) -> bool:
        return now_ms < one.stopped_ms + 2 * (one.window_s + self._every_s) * 1000

    def _stop(self, one: Experiment, found: dict[str, Any]) -> None:
        """Put shoppers of arms that breach a guardrail back on what is live."""
        stopped = {arm.name for arm in one.arms if arm.stopped}
        for judged in found["guardrails"]:
            if not judged["breached"] or judged["arm"] in stopped:
                continue
            stopped.add(judged["arm"])
            ratio = judged["ratio"]
            seen = "the first arm has none" if ratio is None else f"{ratio:.3g} times the first's"
            why = (
                f"{judged['guardrail']}: {seen}, limit {judged['limit']:g}, "
                f"e-value {judged['e_value']:.3g}"
            )
            self._store.stop_arm(one.name, judged["arm"], why)
            fields = {"experiment": one.name, "arm": judged["arm"], "why": why}
            log.warning("an experiment's arm is stopped", extra={"fields": fields})

    def _thaw(self, needed: set[str]) -> None:
        """Let go of communities whose experiment's last window is over."""
        for name in {one.communities for one in self._store.read()} - needed - self._thawed:
            if name:
                self._store.thaw(name)
                self._thawed.add(name)
        self._frozen = {name: kept for name, kept in self._frozen.items() if name in needed}

    def _of(self, experiment: Experiment, user_ids: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
        """Look up communities; who is in none that is known is one by themselves."""
        if name := experiment.communities:
            if name not in self._frozen:
                self._frozen[name] = self._store.communities(name)
            return self._frozen[name].find(user_ids.tolist())
        unknown = [one for one in user_ids.tolist() if one not in self._communities]
        if unknown:
            features = self._open_features()
            if len(self._communities) + len(unknown) > _REMEMBERED:
                self._communities.clear()
                unknown = user_ids.tolist()
            for number, user_id in enumerate(unknown):
                known = features.studied(SHOPPER_NETWORK_VIEW, user_id).get(NETWORK_COMMUNITY)
                self._communities[user_id] = -1.0 - number if known is None else float(known)
        return np.array([self._communities[one] for one in user_ids.tolist()], np.int64)
