"""Events come in: the log first, then the features that the next list is made from."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.events.event import Event
from serving.events.log import EventLog
from serving.features.online_store import OnlineFeatures
from serving.ingestion.feature_updater import FeatureUpdater
from serving.telemetry.metrics import ServingMetrics


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch of events."""

    accepted: int
    """New, and kept for good."""
    duplicate: int
    """Known by their ``event_id``: nothing changed."""
    applied: bool
    """Whether the next list will take all of them into account; if not, a later one will."""


class EventWriter(Protocol):
    """Where routes hand events to."""

    async def write(self, events: Sequence[Event]) -> Receipt:
        """Keep events.

        Raises:
            UnavailableError: They were not kept; may be sent again.
        """


class Sink:
    """Keeps batches of events and applies them at once."""

    def __init__(
        self,
        log: EventLog,
        features: OnlineFeatures,
        metrics: ServingMetrics,
        on_new: Callable[[Sequence[Event], float], None] | None = None,
    ) -> None:
        """Take a log and what its events change.

        Args:
            log: Where events are kept first.
            features: What the next list is made from.
            metrics: Where events are counted.
            on_new: Told of the new events of each call, and of the time in seconds since 1970.
        """
        self._log = log
        self._metrics = metrics
        self._on_new = on_new
        self._updater = FeatureUpdater(log, features, metrics.log)

    def write(self, batches: Sequence[Sequence[Event]]) -> list[Receipt]:
        """Keep several batches in one transaction and one push, one receipt each.

        Raises:
            UnavailableError: Nothing was kept.
        """
        events = [event for batch in batches for event in batch]
        fresh = iter(self._log.append(events))
        new = [[next(fresh) for _ in batch] for batch in batches]
        applied = self.catch_up()
        for event, is_new in zip(events, (n for flags in new for n in flags), strict=True):
            self._metrics.events.count_event(event.event, is_new)
        if self._on_new is not None:
            flags = (flag for batch in new for flag in batch)
            novel = [e for e, is_new in zip(events, flags, strict=True) if is_new]
            self._on_new(novel, time.time())
        return [Receipt(sum(flags), len(flags) - sum(flags), applied) for flags in new]

    def catch_up(self) -> bool:
        """Push what the feature store was not told of; return whether it now knows all."""
        return self._updater.catch_up()
