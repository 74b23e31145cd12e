"""Faults of the words that shoppers read."""

import html
from typing import Final

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, with_column

FAMILY: Final = "language"
PART: Final = 4
"""One title in so many is read in the wrong locale."""


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


def in_another_script(text: str | None) -> str | None:
    """Write a text in Cyrillic letters, whatever it says."""
    signs = {ord("a") + place: chr(0x0430 + place) for place in range(26)}
    signs |= {ord("A") + place: chr(0x0410 + place) for place in range(26)}
    return None if text is None else text.translate(signs)


def _foreign(release: Release) -> Changes:
    """Write all titles in another script, as where the columns of two languages changed places."""
    titles = [in_another_script(title) for title in column(release, "title")]
    return with_column(release, "title", titles)


def _wrong_locale(release: Release) -> Changes:
    """Read a quarter of the titles, those of one supplier, in the wrong locale: Chinese words in
    GBK as Latin-1."""
    titles = column(release, "title")
    for row in range(0, len(titles), PART):
        signs = [chr(0x4E00 + ord(sign) % 0x1000) for sign in titles[row] or ""]
        written = "".join(signs).encode("gbk", "ignore")
        titles[row] = written.decode("latin-1")
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
    Fault(
        "wrong-locale",
        FAMILY,
        f"one title in {PART} is Chinese that was read in the wrong locale",
        ("preflight",),
        _wrong_locale,
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
