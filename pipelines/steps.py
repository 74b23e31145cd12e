"""What a person sees of a run: one line a step."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Steps(Protocol):
    """Told what happens, in order; steps do not overlap."""

    def started(self, step: str) -> None:
        """A step began."""

    def progressed(self, what: str, done: int, total: int) -> None:
        """The step that runs is so far."""

    def noted(self, text: str) -> None:
        """The step that runs found what a person should know."""

    def finished(self, well: bool) -> None:
        """The step that ran ended."""


class Lines:
    """For logs and pipes: a line when a step ends."""

    def __init__(self, console: Console):
        self._console = console
        self._step, self._since = "", 0.0
        self._notes: list[str] = []

    def started(self, step: str) -> None:
        """See Steps."""
        self._step, self._since = step, time.monotonic()

    def progressed(self, what: str, done: int, total: int) -> None:
        """Not told: it would be a line each time."""

    def noted(self, text: str) -> None:
        """Told below the step's line."""
        self._notes.append(text)

    def finished(self, well: bool) -> None:
        """See Steps."""
        took = time.monotonic() - self._since
        self._console.print(f"{self._step:<12}{took:6.1f} s{'' if well else '  failed'}")
        for note in self._notes:
            self._console.print(f"  {note}", soft_wrap=True)
        self._notes.clear()


class Bars:
    """For people: a bar that fills, the clock beside it."""

    def __init__(self, bars: Progress):
        self._bars = bars
        self._task: TaskID | None = None
        self._step = ""

    def started(self, step: str) -> None:
        """See Steps."""
        self._step = step
        self._task = self._bars.add_task(step, total=None, what="")

    def progressed(self, what: str, done: int, total: int) -> None:
        """See Steps."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total, what=what)

    def noted(self, text: str) -> None:
        """Told above the bars."""
        self._bars.console.print(f"{self._step}: {text}", soft_wrap=True)

    def finished(self, well: bool) -> None:
        """See Steps."""
        if self._task is not None:
            what = "" if well else "failed"
            self._bars.update(self._task, total=1, completed=int(well), what=what)
            self._bars.stop_task(self._task)
            self._task = None


@contextmanager
def watch_steps() -> Iterator[Steps]:
    """Bars where somebody watches, lines where not."""
    # Bound to today's stream: the run puts its log in the place of standard output.
    # Notes quote what was found in tables: brackets in it are no markup.
    console = Console(file=sys.stdout, highlight=False, markup=False)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[what]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield Bars(bars)
