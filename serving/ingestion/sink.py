"""Events and changes come in: the log first, then the features that the next list is made from."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from coterie.data.changes import Change, referral
from serving.events.event import Entry, Event
from serving.events.log import EventLog, LogBatch
from serving.features.online_store import OnlineFeatures
from serving.ingestion.eraser import Erased
from serving.ingestion.feature_updater import FeatureUpdater
from serving.telemetry.metrics import ServingMetrics


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch of events or changes."""

    accepted: int
    """New, and kept for good."""
    duplicate: int
    """Known by their ``event_id``, or of somebody who is erased just now: nothing changed."""
    applied: bool
    """Whether the next list will take all of them into account; if not, a later one will."""


class EventWriter(Protocol):
    """Where routes hand events to."""

    async def write(self, entries: Sequence[Entry]) -> Receipt:
        """Keep events, or changes.

        Raises:
            UnavailableError: They were not kept; may be sent again.
        """

    async def erase(self, user_id: str) -> Erased:
        """Forget a person; see Eraser."""

    async def lift(self, user_id: str) -> bool:
        """Let a person who was erased come back; see Eraser."""

    async def about(self, user_id: str, after: str, most: int) -> LogBatch:
        """Read what the log has about a person; see EventLog."""


class Sink:
    """Keeps batches of events and applies them at once."""

    def __init__(
        self,
        log: EventLog,
        features: OnlineFeatures,
        metrics: ServingMetrics,
        on_new: Callable[[Sequence[Event], float], None] | None = None,
        referral_weight: float = 0.0,
    ) -> None:
        """Take a log and what its events change.

        Args:
            log: Where events are kept first.
            features: What the next list is made from.
            metrics: Where events are counted.
            on_new: Told of the new events of each call, and of the time in seconds since 1970.
            referral_weight: What each referred event adds to a tie; 0: it makes none.
        """
        self._log = log
        self._metrics = metrics
        self._on_new = on_new
        self._referral_weight = referral_weight
        self._stamp_ms = 0
        self._updater = FeatureUpdater(log, features, metrics.log)

    def write(self, batches: Sequence[Sequence[Entry]]) -> list[Receipt]:
        """Keep several batches in one transaction and one push, one receipt each.

        Changes that say no time happen now, each after the one before. They are in effect as soon
        as they are kept: what became of events is no matter to them.

        Raises:
            UnavailableError: Nothing was kept.
        """
        entries = [self._stamped(entry) for batch in batches for entry in batch]
        # One transaction with the events that they come of, and after them in what is answered.
        kept = self._log.keep([*entries, *self._referrals(entries)])
        fresh = iter(kept.fresh)
        new = [[next(fresh) for _ in batch] for batch in batches]
        # What was kept before may not have been pushed when it was: then it is now.
        applied = self._updater.push(kept.unpushed) if all(kept.fresh) else self.catch_up()
        flags = [flag for batch in new for flag in batch]
        events = [(e, n) for e, n in zip(entries, flags, strict=True) if isinstance(e, Event)]
        for event, is_new in events:
            self._metrics.events.count_event(event.event, is_new)
            if is_new:
                self._metrics.events.count_invitation(
                    event.event,
                    event.invited_user_id is not None,
                    event.referrer_user_id is not None,
                )
        if self._on_new is not None:
            self._on_new([event for event, is_new in events if is_new], time.time())
        return [
            Receipt(sum(each), len(each) - sum(each), applied or not _waits_for_features(batch))
            for batch, each in zip(batches, new, strict=True)
        ]

    def _referrals(self, entries: Sequence[Entry]) -> list[Change]:
        if not self._referral_weight:
            return []
        return [
            referral(e.event_id, e.user_id, e.referrer_user_id, e.ts_ms, self._referral_weight)
            for e in entries
            if isinstance(e, Event) and e.referrer_user_id and e.referrer_user_id != e.user_id
        ]

    def _stamped(self, entry: Entry) -> Entry:
        if isinstance(entry, Event) or entry.ts_ms:
            return entry
        self._stamp_ms = max(self._stamp_ms + 1, time.time_ns() // 1_000_000)
        return replace(entry, ts_ms=self._stamp_ms)

    def forget(self, user_id: str) -> None:
        """Let go of what is remembered here of a person who was erased."""
        self._updater.forget(user_id)

    def tend(self) -> None:
        """Push what was left behind, here or by a sink that died."""
        self._updater.tend()

    def catch_up(self) -> bool:
        """Push what the feature store was not told of; return whether it now knows all."""
        return self._updater.catch_up()


def _waits_for_features(batch: Sequence[Entry]) -> bool:
    return not all(isinstance(entry, Change) for entry in batch)
