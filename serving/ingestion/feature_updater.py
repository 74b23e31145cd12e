"""From the event log to the features that the next list is made from."""

import logging
import time
from typing import Final

from coterie.data.locks import PUSH, LockTakenError
from coterie.errors import UnavailableError
from serving.events.event import by_shopper
from serving.events.log import EventLog, LogBatch
from serving.features.online_store import OnlineFeatures
from serving.features.recent import merge
from serving.telemetry.instruments import LogMetrics
from serving.telemetry.logs import LOGGER

PUSH_BATCH: Final = 500
"""Events taken to the feature store at a time, when there are more to catch up on."""
log = logging.getLogger(LOGGER)


class FeatureUpdater:
    """Tells features of what the log has; of several, in processes anywhere, one at a time.

    A merge reads, changes and writes a shopper's list, so two at once would lose one's events.
    """

    def __init__(self, log: EventLog, features: OnlineFeatures, metrics: LogMetrics) -> None:
        self._log, self._features, self._metrics = log, features, metrics
        self._said = ""

    def catch_up(self) -> bool:
        """Push what the feature store was not told of yet, also from before a crash.

        Returns:
            Whether it now knows all that was in the log when this began.
        """
        try:
            while self._push_next() == PUSH_BATCH:
                pass
        except UnavailableError as error:
            self._complain(str(error))
            if not isinstance(error, LockTakenError):
                self._metrics.push_failures.inc()
            self._show()
            return False
        self._said = ""
        self._metrics.unpushed.set(0)
        self._metrics.oldest_unpushed.set(0)
        return True

    def _push_next(self) -> int:
        # A lock for each batch: features tell newer from older by its fencing token.
        with self._log.lock(PUSH) as fencing_token:
            batch = self._log.unpushed(PUSH_BATCH)
            if batch:
                self._push(batch, fencing_token)
        return len(batch)

    def _push(self, batch: LogBatch, fencing_token: int) -> None:
        began = time.perf_counter()
        groups = by_shopper(batch.events)
        known = self._features.recent_lists(list(groups))
        merged = [merge(recent, groups[user]) for user, recent in zip(groups, known, strict=True)]
        self._features.push_recent(list(groups), merged, fencing_token)
        self._log.mark_pushed(batch)
        self._metrics.push_seconds.observe(time.perf_counter() - began)

    def _show(self) -> None:
        try:
            self._metrics.unpushed.set(self._log.count_unpushed())
            self._metrics.oldest_unpushed.set(self._log.oldest_unpushed_s())
        except UnavailableError as error:
            self._complain(str(error))

    def _complain(self, said: str) -> None:
        """Log a problem once until it changes."""
        if said != self._said:
            log.warning("events wait in the log: %s", said)
        self._said = said
