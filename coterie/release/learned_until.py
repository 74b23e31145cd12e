"""Until when releases know what people did: a fresh release may be made of old events."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coterie.rollout.figures import ComparedFigure

LEARNED_UNTIL: Final = "learned_until_day"
"""Name among a manifest's metrics: days since 1970, UTC."""
LATE_DAYS: Final = 7.0
"""A canary whose events end this much before live's was made of an old copy of them."""
_YEAR_10000: Final = 2_932_896.0


def until_of(metrics: Mapping[str, Any]) -> float | None:
    """Read until when a release knows events, in days since 1970; None: it does not say."""
    found = metrics.get(LEARNED_UNTIL)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 <= found < _YEAR_10000 else None


def compare_until(live: float | None, canary: float | None) -> ComparedFigure:
    """Tell whether the canary's events end clearly before live's; None: one does not say."""
    if live is None or canary is None:
        return ComparedFigure("learned_earlier", None)
    late = live - canary > LATE_DAYS
    said = f"until {_day(canary)}, live's until {_day(live)}"
    return ComparedFigure("learned_earlier", float(late), examples=(said,) if late else ())


def _day(days: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).date().isoformat()
