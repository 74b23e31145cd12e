"""What a person sees of a run: one line a step."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class StepDisplay(Protocol):
    """Shows the steps of a run in order; steps do not overlap."""

    def start(self, step: str) -> None:
        """Show that a step began."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Show how far the step that runs has come with a part of its work."""

    def note(self, text: str) -> None:
        """Show what a person should know of the step that runs."""

    def finish(self, well: bool) -> None:
        """Show that the step that ran ended, and whether it ended well."""


class LineDisplay:
    """For logs and pipes: a line when a step ends."""

    def __init__(self, console: Console):
        self._console = console
        self._step, self._since = "", 0.0
        self._notes: list[str] = []

    def start(self, step: str) -> None:
        """Begin to measure how long a step takes."""
        self._step, self._since = step, time.monotonic()

    def advance(self, what: str, done: int, total: int) -> None:
        """Show nothing: it would be a line each time."""

    def note(self, text: str) -> None:
        """Keep what will stand below the step's line."""
        self._notes.append(text)

    def finish(self, well: bool) -> None:
        """Print a step, how long it took, and what was noted."""
        took = time.monotonic() - self._since
        self._console.print(f"{self._step:<12}{took:6.1f} s{'' if well else '  failed'}")
        for note in self._notes:
            self._console.print(f"  {note}", soft_wrap=True)
        self._notes.clear()


class BarDisplay:
    """For people: a bar that fills, the clock beside it."""

    def __init__(self, bars: Progress):
        self._bars = bars
        self._task: TaskID | None = None
        self._step = ""

    def start(self, step: str) -> None:
        """Add a bar for a step."""
        self._step = step
        self._task = self._bars.add_task(step, total=None, what="")

    def advance(self, what: str, done: int, total: int) -> None:
        """Fill the bar of the step that runs."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total, what=what)

    def note(self, text: str) -> None:
        """Print above the bars what a person should know of the step that runs."""
        self._bars.console.print(f"{self._step}: {text}", soft_wrap=True)

    def finish(self, well: bool) -> None:
        """Fill or empty the bar of the step that ran, and stop its clock."""
        if self._task is not None:
            what = "" if well else "failed"
            self._bars.update(self._task, total=1, completed=int(well), what=what)
            self._bars.stop_task(self._task)
            self._task = None


@contextmanager
def open_display() -> Iterator[StepDisplay]:
    """Show bars where somebody watches, and lines where nobody does."""
    # Bound to today's stream: the run puts its log in the place of standard output.
    # Notes quote what was found in tables: brackets in it are no markup.
    console = Console(file=sys.stdout, highlight=False, markup=False)
    if not console.is_terminal:
        yield LineDisplay(console)
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[what]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield BarDisplay(bars)
