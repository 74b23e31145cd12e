"""From the event log to the features that the next list is made from."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from coterie.data.locks import PUSH, LockTakenError
from coterie.errors import UnavailableError
from serving.events.event import Event, by_person
from serving.events.log import EventLog, LogBatch
from serving.features.online_store import OnlineFeatures
from serving.features.recent import RecentList, merge, note_asked
from serving.features.recent_rows import RememberedRows, recent_rows
from serving.telemetry.instruments import LogMetrics
from serving.telemetry.logs import LOGGER

PUSH_BATCH: Final = 500
"""Events taken to the feature store at a time, when there are more to catch up on."""
LEFT_S: Final = 3.0
"""Events not pushed for so long were left behind, whoever kept them."""
_TOGETHER: Final = 2
"""Attempts at a batch while others push too; after them it is pushed alone."""
_ATTEMPTS: Final = 4
"""At a batch of which a row was changed by somebody else, each under a lock of its own."""
log = logging.getLogger(LOGGER)


class FeatureUpdater:
    """Tells features of what the log has; of several, in processes anywhere.

    A merge reads, changes and writes a shopper's list, so two at once would lose one's events.
    Where the store compares rows as it writes them, two may be at work, and who came second to a
    shopper begins again; elsewhere one waits for the other.
    """

    def __init__(self, log: EventLog, features: OnlineFeatures, metrics: LogMetrics) -> None:
        self._log, self._metrics = log, metrics
        self._rows = recent_rows(features)
        self._said = ""
        self._behind = True
        """Whether the log may have what features were not told of, and nobody is at."""

    def push(self, batch: LogBatch) -> bool:
        """Push events that were logged this moment, and whatever was left before them.

        Returns:
            Whether the feature store now knows them.
        """
        if self._behind:
            return self.catch_up()
        return not batch or self._try(lambda: self._push(batch))

    def tend(self) -> None:
        """Push what was left behind, by this process or by one that died.

        What the log has for a moment only, another sink is at.
        """
        if self._behind or self._log.oldest_unpushed_s() > LEFT_S:
            self.catch_up()

    def forget(self, user_id: str) -> None:
        """Let go of what is remembered of a person who was erased."""
        if isinstance(self._rows, RememberedRows):
            self._rows.forget(user_id)

    def catch_up(self) -> bool:
        """Push what the feature store was not told of yet, also from before a crash.

        Returns:
            Whether it now knows all that was in the log when this began.
        """
        if not self._try(self._push_all):
            return False
        self._metrics.unpushed.set(0)
        self._metrics.oldest_unpushed.set(0)
        return True

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except UnavailableError as error:
            self._behind = True
            self._complain(str(error))
            if not isinstance(error, LockTakenError):
                self._metrics.push_failures.inc()
            self._show()
            return False
        self._behind, self._said = False, ""
        return True

    def _push_all(self) -> None:
        while batch := self._log.unpushed(PUSH_BATCH):
            self._push(batch)
            if len(batch) < PUSH_BATCH:
                break

    def _push(self, batch: LogBatch) -> None:
        began = time.perf_counter()
        groups = by_person(batch.events)
        left = 0
        for attempt in range(_ATTEMPTS):
            shared = self._rows.shared and attempt < _TOGETHER
            # A lock for each batch: features tell newer from older by its fencing token.
            with self._log.lock(PUSH, shared=shared) as fencing_token:
                left = self._write(groups, fencing_token)
                if not left or attempt == _ATTEMPTS - 1:
                    self._log.mark_pushed(batch)
                    break
        if left:
            # Nobody else was at them: their times are ahead of the log's clock. Feast leaves such
            # rows, too.
            log.warning("%d recent lists are of a later time than events, and stay", left)
        self._metrics.push_seconds.observe(time.perf_counter() - began)

    def _write(self, groups: Mapping[str, Sequence[Event]], fencing_token: int) -> int:
        """Merge events into shoppers' lists; return how many rows were not written."""
        # Looked up under the lock: who is erased meanwhile is erased from features after.
        gone = self._log.suppressed()
        groups = {user: events for user, events in groups.items() if user not in gone}
        users = list(groups)
        known = self._rows.read(users)
        lists = [
            _told(user, row.recent, events)
            for row, (user, events) in zip(known, groups.items(), strict=True)
        ]
        return self._rows.write(users, known, lists, fencing_token).count(None)

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


def _told(user_id: str, recent: RecentList, events: Sequence[Event]) -> RecentList:
    """Take in what somebody did, and when others shared items with them."""
    asked = [event.ts_ms for event in events if event.user_id != user_id]
    if not asked:
        return merge(recent, events)
    own = [event for event in events if event.user_id == user_id]
    return note_asked(merge(recent, own) if own else recent, asked)
