"""Lines of a step's log that say how far it is and what it found; the local runner reads them."""

from typing import Final

MARK: Final = "coterie-progress"
"""Begins a line of progress: mark, done, total and what, a tab between."""
NOTE: Final = "coterie-note"
"""Begins a line for people: mark and text, a tab between."""


def print_progress(what: str, done: int, total: int) -> None:
    """Print how far a part of the work is, as a ``coterie.progress.Progress``."""
    print(f"{MARK}\t{done}\t{total}\t{what}", flush=True)


def print_note(text: str) -> None:
    """Print what whoever watches the run should know."""
    print(f"{NOTE}\t{text}", flush=True)


def parse_progress(line: str) -> tuple[str, int, int] | None:
    """Read what, done and total from a line of the log; None where it is no line of progress.

    >>> parse_progress("    coterie-progress\\t3\\t10\\tsocial")
    ('social', 3, 10)
    """
    mark, *rest = line.strip().split("\t", 3)
    if mark != MARK or len(rest) != 3:
        return None
    return rest[2], int(rest[0]), int(rest[1])


def parse_note(line: str) -> str | None:
    """Read the text of a note from a line of the log; None where it is no note.

    >>> parse_note("    coterie-note\\t3 bad rows")
    '3 bad rows'
    """
    mark, _, text = line.strip().partition("\t")
    return text if mark == NOTE else None
