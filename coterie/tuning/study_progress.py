"""How far a study is: one callback type, shown by the command line."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """What a person who waits wants to know."""

    done: int
    """Trials, with those of earlier runs."""
    total: int | None
    """Asked for; None where only time bounds the study."""
    best: float | None
    """Best score so far."""
    gain: float | None
    """How far it is above the model's own settings, .05 for 5 %; None until they are through."""
    seconds_left: float | None
    """Until the nearest bound, as far as that can be told."""
    running: str
    """Where the trials in flight are."""


Watch = Callable[[StudyProgress], None]
"""Called whenever a trial starts, reports or ends."""


def unwatched(progress: StudyProgress) -> None:
    """Watch nothing: for a study that nobody waits for."""
