"""In what items are alike, where that is most of a reason."""

from collections.abc import Mapping
from typing import Final

from coterie.recommend.content import ALIKE_IN

MOSTLY: Final = 0.5
"""Part of what a group adds above which it is told that items are alike, and in what."""
_DIGITS: Final = 6


def likeness_of(of_kind: Mapping[str, float], gross: float) -> dict[str, float] | None:
    """Say in what items are alike where that is most of what entries add: shares of 1.

    Args:
        of_kind: What comes of being alike, by kind of content.
        gross: All that the entries add, without signs.
    """
    there = {ALIKE_IN[kind]: part for kind, part in of_kind.items() if part > 0}
    whole = sum(there.values())
    # What was turned down takes away: it is told as such, whatever it was alike in.
    if not there or whole <= MOSTLY * gross:
        return None
    return {name: round(part / whole, _DIGITS) for name, part in there.items()}
