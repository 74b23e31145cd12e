"""How long work is watched: one callback type, shown as a bar by the command line."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)`` while long work goes on."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
