"""What is older than a shop keeps it goes by itself: out of the log, features and exports."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from coterie.data.locks import EXPORT, LockTakenError
from serving.events.log import EventLog
from serving.features.old_recents import OldRecents
from serving.features.online_store import OnlineFeatures
from serving.ingestion.sweep import Sweeper
from serving.telemetry.instruments import AGED_IN, LogMetrics
from serving.telemetry.logs import LOGGER

EVERY_S: Final = 86_400.0
"""Between two passes, each from one end to the other; files of stores are written anew after one
that removed something."""
FILES: Final = 20
"""Exported files of one look."""
_DAY_MS: Final = 86_400_000
log = logging.getLogger(LOGGER)


class Retention:
    """Removes what people did longer ago than it is kept: a small piece each turn, all in a pass.

    What breaks off is begun anew: to look again at what was looked at changes nothing. Several
    processes may be at it.
    """

    def __init__(
        self,
        log: EventLog,
        open_features: Callable[[], OnlineFeatures],
        sweeper: Sweeper | None,
        keep_days: float,
        metrics: LogMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what is looked through.

        Args:
            log: Of events.
            open_features: Called by the first pass.
            sweeper: Of what was exported; None where nothing is.
            keep_days: Of what is kept; 0: all is, and nothing is looked at.
            metrics: Where it is counted.
            clock: Seconds since 1970.
        """
        self._log, self._open_features, self._sweeper = log, open_features, sweeper
        self._keep_ms, self._metrics, self._clock = round(keep_days * _DAY_MS), metrics, clock
        self._recents: OldRecents | None = None
        self._pass: Iterator[None] | None = None
        self._next_s, self._began_s = 0.0, 0.0
        self._to_compact = {"log": False, "features": False}
        self._removed: dict[str, int] = {}

    def turn(self) -> None:
        """Look at the next piece, if a pass is due.

        Raises:
            BadInputError: Nobody here knows how the online store removes, or a store refuses.
            UnavailableError: Something did not answer; the next turn begins anew.
        """
        if not self._keep_ms or (self._pass is None and self._clock() < self._next_s):
            return
        going = self._pass or self._all()
        # Whatever happens meanwhile: a pass that broke off does not go on.
        self._pass = None
        try:
            next(going)
            self._pass = going
        except LockTakenError:
            return
        except StopIteration:
            self._next_s = self._began_s + EVERY_S

    def finish(self) -> dict[str, int]:
        """Go through all at once; say what was removed, by where it was.

        Raises:
            BadInputError: As ``turn``.
            UnavailableError: As ``turn``.
        """
        if self._keep_ms:
            for _ in self._all():
                pass
        return self._removed

    def _all(self) -> Iterator[None]:
        where = ("log", "features") if self._sweeper is None else AGED_IN
        self._began_s, self._removed = self._clock(), dict.fromkeys(where, 0)
        oldest_ms = int(self._began_s * 1000) - self._keep_ms
        yield from self._of_log(oldest_ms)
        yield from self._of_features(oldest_ms)
        yield from self._of_exports(oldest_ms)
        # Last, once: who wrote what is gone has to be out of freed pages, too.
        if self._to_compact["log"]:
            self._log.compact()
        if self._to_compact["features"] and self._recents is not None:
            self._recents.compact()
        self._to_compact = dict.fromkeys(self._to_compact, False)
        self._metrics.aged_passed.set(self._clock())
        if any(self._removed.values()):
            log.info("removed what was too old", extra={"fields": self._removed})

    def _of_log(self, oldest_ms: int) -> Iterator[None]:
        after = ""
        while True:
            # What an export has read it would write after.
            with self._log.lock(EXPORT, wait_s=0.0):
                found = self._log.remove_older(oldest_ms, after)
            self._count("log", found.removed)
            if not found.after:
                return
            after = found.after
            yield

    def _of_features(self, oldest_ms: int) -> Iterator[None]:
        self._recents = self._recents or OldRecents(self._log, self._open_features())
        for user_ids in self._recents.pages():
            self._count("features", self._recents.remove_older(user_ids, oldest_ms))
            yield

    def _of_exports(self, oldest_ms: int) -> Iterator[None]:
        if self._sweeper is None:
            return
        paths = self._sweeper.aged_files()
        for first in range(0, len(paths), FILES):
            some = paths[first : first + FILES]
            self._count("exports", self._sweeper.remove_older(some, oldest_ms))
            yield

    def _count(self, where: str, removed: int) -> None:
        if removed:
            self._removed[where] += removed
            self._metrics.aged.labels(where).inc(removed)
            if where in self._to_compact:
                self._to_compact[where] = True
