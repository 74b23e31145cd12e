"""How often somebody may ask: a bucket each, which fills at a rate and is emptied by requests."""

from typing import Final

BURST_S: Final = 5.0
"""Who has not asked for so long may ask at once what they might have asked in that time."""
MOST: Final = 10_000
"""Buckets that are kept; who asked longest ago loses theirs, and so begins with a full one."""


class Buckets:
    """Token buckets of one kind of caller, in bounded memory."""

    def __init__(self, rate: float, most: int = MOST) -> None:
        """Let each caller ask ``rate`` times a second; 0 sets no limit."""
        self._rate, self._most = rate, most
        self._full = max(1.0, rate * BURST_S)
        self._buckets: dict[str, tuple[float, float]] = {}
        """What is in each, and when that was so; who asked last comes last."""

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, who: str, now: float) -> float:
        """Take one request's worth of a caller's bucket.

        Args:
            who: The caller.
            now: Seconds, on a clock that never goes back.

        Returns:
            0, or the seconds after which there is enough in it again.
        """
        if not self._rate:
            return 0.0
        held, at = self._buckets.pop(who, (self._full, now))
        held = min(self._full, held + (now - at) * self._rate)
        wait = 0.0 if held >= 1 else (1 - held) / self._rate
        if len(self._buckets) >= self._most:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[who] = (held if wait else held - 1, now)
        return wait
