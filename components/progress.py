"""How a component tells how far it is, and what it found: lines of its log that the local runner
knows."""

from typing import Final

MARK: Final = "coterie-progress"
NOTE: Final = "coterie-note"


def printed(what: str, done: int, total: int) -> None:
    """A ``coterie.progress.Progress`` that prints."""
    print(f"{MARK}\t{done}\t{total}\t{what}", flush=True)


def noted(text: str) -> None:
    """Tell whoever watches the run."""
    print(f"{NOTE}\t{text}", flush=True)


def parse(line: str) -> tuple[str, int, int] | None:
    """What a line of the log tells; None where it is about something else.

    >>> parse("    coterie-progress\\t3\\t10\\tsocial")
    ('social', 3, 10)
    """
    mark, *rest = line.strip().split("\t", 3)
    if mark != MARK or len(rest) != 3:
        return None
    return rest[2], int(rest[0]), int(rest[1])


def parse_note(line: str) -> str | None:
    """The text of a note; None where the line is something else.

    >>> parse_note("    coterie-note\\t3 bad rows")
    '3 bad rows'
    """
    mark, _, text = line.strip().partition("\t")
    return text if mark == NOTE else None
