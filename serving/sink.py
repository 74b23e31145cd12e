"""The one writer of events: log first, then the features that the next list is made from."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from coterie.errors import UnavailableError
from serving.attribution import Responses
from serving.events import Event, EventLog, by_shopper, merge
from serving.features import OnlineFeatures
from serving.metrics import Metrics

PUSH_BATCH: Final = 500
"""Events taken to the feature store at a time, when there are more to catch up on."""


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
    """Serialises writes: there is one of it, so that no two merges of a shopper's list collide."""

    def __init__(
        self,
        log: EventLog,
        features: OnlineFeatures,
        metrics: Metrics,
        responses: Responses | None = None,
    ) -> None:
        self._log = log
        self._features = features
        self._metrics = metrics
        self._responses = responses

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
            self._metrics.count_event(event.event, is_new)
        if self._responses is not None:
            flags = (flag for batch in new for flag in batch)
            novel = [e for e, is_new in zip(events, flags, strict=True) if is_new]
            self._responses.note(novel, time.time())
        return [Receipt(sum(flags), len(flags) - sum(flags), applied) for flags in new]

    def catch_up(self) -> bool:
        """Push what the feature store was not told of yet, also from before a crash.

        Returns:
            Whether it now knows all.
        """
        try:
            while events := self._log.unpushed(PUSH_BATCH):
                self._push(events)
        except UnavailableError:
            self._metrics.push_failures.inc()
            self._metrics.unpushed.set(self._log.count_unpushed())
            self._metrics.oldest_unpushed.set(self._log.oldest_unpushed_s())
            return False
        self._metrics.unpushed.set(0)
        self._metrics.oldest_unpushed.set(0)
        return True

    def _push(self, events: Sequence[Event]) -> None:
        began = time.perf_counter()
        groups = by_shopper(events)
        known = self._features.recent_lists(list(groups))
        merged = [merge(recent, groups[user]) for user, recent in zip(groups, known, strict=True)]
        self._features.push_recent(list(groups), merged)
        self._log.mark_pushed(events)
        self._metrics.push_seconds.observe(time.perf_counter() - began)
