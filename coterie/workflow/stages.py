"""Stages of a study that takes a while, counted for whoever watches."""

from coterie.progress import Progress


class Stages:
    """Counts stages: each begins when it is named, and ends when the next one does."""

    def __init__(self, study: str, progress: Progress, stages: int) -> None:
        self._study, self._progress, self._stages = study, progress, stages
        self._done, self._what = 0, ""

    def __call__(self, what: str) -> None:
        """Begin a stage."""
        if self._what:
            self._done += 1
        self._what = what
        self._progress(f"{self._study}: {what}", self._done, self._stages)

    def end(self) -> None:
        """End the last one."""
        self._progress(f"{self._study}: {self._what}", self._stages, self._stages)
