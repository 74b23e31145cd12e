"""Keeps what trials come to, tells who watches, and knows when it is enough."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coterie.errors import BadInputError, UnavailableError
from coterie.tuning.study import Ending, Study, Trial
from coterie.tuning.study_progress import StudyProgress, Watch
from coterie.tuning.trials import Bounds, Search


@dataclass
class _Flight:
    """A trial that has started and not ended."""

    changes: Mapping[str, Any]
    started: float
    repeat: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    last: Mapping[str, Any] = field(default_factory=dict)


class TrialRecorder:
    """Told of what happens to trials, whoever runs them, one event at a time."""

    def __init__(self, study: Study, search: Search, bounds: Bounds, watch: Watch):
        self._study, self._search, self._bounds, self._watch = study, search, bounds, watch
        self._began, self._elapsed_before = time.monotonic(), study.elapsed_s
        self._done_before = study.num_counted
        self._flights: dict[str, _Flight] = {}
        self._first_s: float | None = None
        self._hopeless: Exception | None = None

    def enough(self, repeat: int = 0) -> bool:
        """Tell whether time is up, or there is no sense in going on.

        A search ends while there is time to fit its best again.
        """
        limit = self._bounds.seconds
        ahead = 0.0 if repeat else self.runoff_s
        return self._hopeless is not None or (limit is not None and self._now() + ahead >= limit)

    @property
    def rivals(self) -> tuple[Trial, ...]:
        """What is to be fitted again when the search has ended."""
        return self._study.pending if self._search.seeds else ()

    @property
    def runoff_s(self) -> float:
        """What that will take, about."""
        seconds = [trial.seconds for trial in self.rivals]
        return max(sum(seconds) / self._bounds.at_once, max(seconds, default=0.0))

    def started(self, key: str, changes: Mapping[str, Any], repeat: int = 0) -> None:
        """Note that a process took a trial up."""
        self._flights[key] = _Flight(changes, self._now(), repeat)
        self._first_s = self._now() if self._first_s is None else self._first_s
        self._tell()

    def reported(self, key: str, result: Mapping[str, Any]) -> None:
        """Note what a trial reports; see ``trials.attempt``."""
        flight = self._flights[key]
        flight.last = result
        if "score" in result:
            flight.curve.append((int(result["epoch"]), float(result["score"])))
        self._tell()

    def ended(self, key: str) -> None:
        """Record a trial that finished, failed in words, or was stopped."""
        last = self._flights[key].last
        if "failed" not in last:
            self._keep(key, Ending.FINISHED if "finished" in last else Ending.STOPPED)
            return
        error = str(last["failed"])
        self._check_hope(key, RuntimeError(error) if "fault" in last else BadInputError(error))
        self._keep(key, Ending.FAILED, error)

    def died(self, key: str, error: str) -> None:
        """Record a trial whose process died."""
        self._check_hope(key, UnavailableError(f"the process of the first trial died: {error}"))
        self._keep(key, Ending.FAILED, error)

    def cut(self) -> None:
        """Record that whatever has not ended was cut."""
        for key in list(self._flights):
            self._keep(key, Ending.CUT)

    def raise_if_hopeless(self) -> None:
        """Raise why the model's own settings, which should always do, could not be fitted."""
        if self._hopeless is not None:
            raise self._hopeless

    def _check_hope(self, key: str, error: Exception) -> None:
        flight = self._flights[key]
        if flight.changes == self._search.defaults and not flight.repeat:
            self._hopeless = error

    def _keep(self, key: str, ending: Ending, error: str = "") -> None:
        flight, now = self._flights.pop(key), self._now()
        if self._hopeless is not None:
            return  # so that the next run tries again
        score = flight.last.get("best") if ending is not Ending.FAILED else None
        best = max(flight.curve, key=lambda point: point[1], default=(0, 0.0))
        trial = Trial(
            changes=flight.changes,
            ending=ending,
            score=score,
            best_epoch=best[0],
            curve=flight.curve,
            seconds=round(now - flight.started, 2),
            elapsed_s=round(self._elapsed_before + now, 2),
            error=error,
            repeat=flight.repeat,
        )
        self._study.add(trial)
        self._tell()

    def _tell(self) -> None:
        study = self._study
        best, own = study.best, study.of(self._search.defaults)
        self._watch(
            StudyProgress(
                done=study.num_counted,
                total=self._bounds.trials,
                best=study.mean(best) if best else None,
                gain=study.gain(best, own) if best and own else None,
                seconds_left=self._seconds_left(),
                running=", ".join(map(_write, self._flights.values())),
            )
        )

    def _seconds_left(self) -> float | None:
        """Estimate seconds to the nearer bound: the clock's, or the trials' at this run's pace.

        With what it takes to fit the best again.
        """
        now, bounds = self._now(), self._bounds
        left = [] if bounds.seconds is None else [max(0.0, bounds.seconds - now)]
        done = self._study.num_counted - self._done_before
        if bounds.trials is not None and done:
            pace = (now - (self._first_s or 0.0)) / done
            left.append(pace * (bounds.trials - self._study.num_counted) + self.runoff_s)
        return min(left, default=None)

    def _now(self) -> float:
        """Measure seconds since this run began."""
        return time.monotonic() - self._began


def _write(flight: _Flight) -> str:
    again = "again, " if flight.repeat else ""
    if not flight.curve:
        return f"{again}fitting"
    epoch, score = flight.curve[-1]
    return f"{again}epoch {epoch} {score:.4f}"
