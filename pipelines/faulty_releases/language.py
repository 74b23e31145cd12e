"""Faults of the words that shoppers read."""

import html
from typing import Final

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, with_column

FAMILY: Final = "language"


def _garbled(release: Release) -> Changes:
    """Read UTF-8 as Latin-1: letters beyond ASCII become several others."""
    titles = column(release, "title")
    return with_column(
        release, "title", [None if t is None else t.encode().decode("latin-1") for t in titles]
    )


def _untranslated(release: Release) -> Changes:
    """Leave the key in the place of the text, as where a translation is missing."""
    ids = column(release, "item_id")
    return with_column(release, "title", [f"catalogue.{item_id}.title" for item_id in ids])


def _markup(release: Release) -> Changes:
    """Leave the markup of a page in titles."""
    titles = [
        None if t is None else f'<span class="title">{html.escape(t)}</span>'
        for t in column(release, "title")
    ]
    return with_column(release, "title", titles)


def _foreign(release: Release) -> Changes:
    """Write all titles in another script, as where the columns of two languages changed places."""
    signs = {ord("a") + place: chr(0x0430 + place) for place in range(26)}
    signs |= {ord("A") + place: chr(0x0410 + place) for place in range(26)}
    titles = [None if t is None else t.translate(signs) for t in column(release, "title")]
    return with_column(release, "title", titles)


FAULTS: Final = (
    Fault(
        "garbled-titles",
        FAMILY,
        "titles beyond ASCII were read in the wrong encoding",
        ("preflight",),
        _garbled,
    ),
    Fault(
        "untranslated-titles",
        FAMILY,
        "titles are keys of texts that are missing",
        ("preflight",),
        _untranslated,
    ),
    Fault("markup-in-titles", FAMILY, "titles hold a page's markup", ("preflight",), _markup),
    Fault(
        "foreign-titles",
        FAMILY,
        "titles are in a script that shoppers do not read",
        ("preflight",),
        _foreign,
    ),
)
