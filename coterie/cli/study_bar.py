"""A study as one bar on standard error: trials done, best so far, time left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from coterie.tuning.study_progress import StudyProgress, Watch


class _TimeLeft(ProgressColumn):
    """Counts down between what the study tells."""

    def render(self, task: Task) -> Text:
        """Write minutes, or seconds where there are few."""
        until = task.fields["until"]
        if until is None:
            return Text("")
        left = max(0.0, until - time.monotonic())
        return Text(f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left")


@contextmanager
def study_bar(what: str) -> Iterator[Watch]:
    """Show a study's progress; nothing where standard error is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
        _TimeLeft(),
        TextColumn("[dim]{task.fields[running]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None, best="", until=None, running="starting")

        def show(progress: StudyProgress) -> None:
            left = progress.seconds_left
            bars.update(
                task,
                completed=progress.done,
                total=progress.total,
                best=_best(progress),
                until=None if left is None else time.monotonic() + left,
                running=progress.running,
            )

        yield show


def _best(progress: StudyProgress) -> str:
    if progress.best is None:
        return ""
    gain = "" if progress.gain is None else f" ({progress.gain:+.1%})"
    return f"best {progress.best:.4f}{gain}"
