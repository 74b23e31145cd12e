"""Which release a click belongs to: lists carry an id that says who made them and when.

A list counts as one that could be followed by a click once its time is over, and a click is
counted at that same moment: so both arms' rates are of whole windows, however young an arm is.
"""

import heapq
import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coterie.impressions.attribution import CLICKS
from coterie.rollout.live import Live
from coterie.schema import EventKind
from serving.events.event import Event
from serving.telemetry.arm_metrics import SHORT_DIGEST, ArmMetrics, ArmName

REMEMBERED: Final = 200_000
"""Lists whose clicks are remembered, so that each counts once."""
_LIST_ID: Final = re.compile(rf"([0-9a-f]{{{SHORT_DIGEST}}})-([0-9a-f]{{1,12}})-[0-9a-f]{{12}}")


def new_list_id(digest: str, now: float | None = None) -> str:
    """Create the id of a new list from release digest and time (seconds since 1970)."""
    ms = int((time.time() if now is None else now) * 1000)
    return f"{digest[:SHORT_DIGEST]}-{ms:x}-{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True)
class ListId:
    """A list's id, taken apart: who made the list, and when."""

    digest: str
    """The first digits of its release's."""
    made: float
    """Seconds since 1970."""

    @classmethod
    def read(cls, text: str | None) -> "ListId | None":
        """Parse a list's id; None where it is none of ours.

        >>> ListId.read("0123456789ab-3e8-000000000000")
        ListId(digest='0123456789ab', made=1.0)
        """
        found = _LIST_ID.fullmatch(text or "")
        return cls(found[1], int(found[2], 16) / 1000) if found else None


class Impressions:
    """Lists that were shown and whose time is not over; of one replica."""

    def __init__(self, window_s: float, metrics: ArmMetrics) -> None:
        self._window_s, self._metrics = window_s, metrics
        self._waiting: deque[tuple[float, ArmName]] = deque()

    def note(self, arm: ArmName, now: float) -> None:
        """Note a list that is shown."""
        self._waiting.append((now + self._window_s, arm))

    def mature(self, now: float) -> None:
        """Count lists whose time to be followed by a click is over."""
        while self._waiting and self._waiting[0][0] <= now:
            self._metrics.count_shown(self._waiting.popleft()[1])


class Responses:
    """Clicks and purchases that follow from lists; of the one who writes events."""

    def __init__(self, window_s: float, metrics: ArmMetrics) -> None:
        self._window_s, self._metrics = window_s, metrics
        self._arms: dict[str, ArmName] = {}
        self._waiting: list[tuple[float, ArmName, str]] = []
        self._counted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def adopt(self, live: Live) -> None:
        """Count lists of these releases from now on."""
        self._arms = {live.stable.digest[:SHORT_DIGEST]: "stable"}
        if live.canary:
            self._arms[live.canary.digest[:SHORT_DIGEST]] = "canary"

    def note(self, events: Sequence[Event], now: float) -> None:
        """Take in new events; of one list each signal counts once, within its window."""
        for event in events:
            listed = ListId.read(event.list_id)
            arm = self._arms.get(listed.digest) if listed else None
            if listed is None or arm is None or not 0 <= now - listed.made <= self._window_s:
                continue
            over = listed.made + self._window_s
            if event.event in CLICKS:
                self._once(str(event.list_id), "clicks", over, arm)
            if event.event is EventKind.PURCHASE:
                self._once(str(event.list_id), "purchases", over, arm)

    def mature(self, now: float) -> None:
        """Count clicks and purchases whose list's time is over."""
        while self._waiting and self._waiting[0][0] <= now:
            _, arm, signal = heapq.heappop(self._waiting)
            self._metrics.count_response(arm, signal)

    def _once(self, list_id: str, signal: str, over: float, arm: ArmName) -> None:
        if (list_id, signal) in self._counted:
            return
        self._counted[list_id, signal] = None
        if len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        heapq.heappush(self._waiting, (over, arm, signal))
