"""Events come in: the log first, then the features that the next list is made from."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.attribution import Responses
from serving.event_log import EventLog
from serving.events import Event
from serving.features import OnlineFeatures
from serving.metrics import Metrics
from serving.pusher import Pusher


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
        metrics: Metrics,
        responses: Responses | None = None,
    ) -> None:
        self._log = log
        self._metrics = metrics
        self._responses = responses
        self._pusher = Pusher(log, features, metrics.log)

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
        """See Pusher."""
        return self._pusher.catch_up()
