"""How long work is watched: one callback type, shown as a bar by the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)`` while long work goes on."""


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


@contextmanager
def bar() -> Iterator[Progress]:
    """Draw bars on standard error, one for each ``what``; none where it is no terminal.

    A bar that is short of its total when the block ends well is shown as full: who stops early
    is done too.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show
        for task in bars.tasks:
            bars.update(task.id, total=task.completed)
