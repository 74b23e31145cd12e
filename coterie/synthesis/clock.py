"""When a shop is busy: days, hours, and how a person's doings lie in them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.data.dataset import Ints
from coterie.synthesis.source import Doubles

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class ShopClock:
    """Positions from 0 to 1 stand for times such that each stretch has as many events."""

    begin_ms: int
    """Midnight of the first day."""
    days: Doubles
    """Share of events up to the end of each day, shape (num_days,); the last is 1."""
    hours: Doubles
    """Share of events up to the end of each hour, shape (24,)."""

    @classmethod
    def of(cls, ts_ms: Ints) -> "ShopClock":
        """Learn it of events' times."""
        begin = int(ts_ms.min()) // DAY_MS * DAY_MS
        day = (ts_ms - begin) // DAY_MS
        return cls.of_counts(
            begin, np.bincount(day), np.bincount(ts_ms % DAY_MS // HOUR_MS, minlength=24)
        )

    @classmethod
    def of_counts(
        cls, begin_ms: int, days: "Doubles | Ints", hours: "Doubles | Ints"
    ) -> "ShopClock":
        """Make it of events a day and an hour of the day; none may be below 0."""
        # A little for each, so that positions and times are the same thing said twice.
        some = np.asarray(days, np.float64) + 1e-9 * max(float(np.sum(days)), 1.0)
        hour = np.asarray(hours, np.float64) + 1e-9 * max(float(np.sum(hours)), 1.0)
        return cls(begin_ms, np.cumsum(some) / some.sum(), np.cumsum(hour) / hour.sum())

    def position(self, ts_ms: Ints) -> Doubles:
        """Find the positions of times, shape of ``ts_ms``; hours count evenly."""
        end = len(self.days) * DAY_MS
        day, rest = np.divmod(np.clip(ts_ms - self.begin_ms, 0, end - 1), DAY_MS)
        borders = np.concatenate([[0.0], self.days])
        found: Doubles = borders[day] + (borders[day + 1] - borders[day]) * rest / DAY_MS
        return found

    def times(self, position: Doubles, rng: np.random.Generator) -> Ints:
        """Draw times of the days at positions, in milliseconds since 1970."""
        day = np.minimum(np.searchsorted(self.days, position, side="right"), len(self.days) - 1)
        hour = np.searchsorted(self.hours, rng.random(len(position)), side="right")
        within = np.minimum(hour, 23) * HOUR_MS + rng.integers(0, HOUR_MS, len(position))
        return np.asarray(self.begin_ms + day * DAY_MS + within, np.int64)
