"""Bring the catalogues up to date with the code: ``python -m coterie.languages.update``.

Finds every marked sentence, adds new ones to each ``.po`` file (``--add LANGUAGE`` begins one),
and makes the ``.mo`` files that are read when sentences are said. Needs Babel, of the extra dev.
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from coterie.languages.page_texts import sentences_of_page
from coterie.languages.texts import CATALOGUES, DOMAIN

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = (
    "coterie/languages/texts.py",
    "coterie/reasons/*.py",
    "coterie/together/words.py",
    "serving/api/asking.py",
    "serving/api/people.py",
    "serving/api/static/*.js",
)
PAGES: Final = tuple(
    f"serving/api/static/{name}.html"
    for name in ("index", "privacy", "sign-in", "together", "circle")
)
KEYWORDS: Final = {
    "marked": None,
    "marked_plural": (1, 2),
    "say": None,
    "count": (1, 2),
}
WIDTH: Final = 100


def template() -> Any:
    """Collect all sentences, each with the files that say it."""
    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_file

    found = Catalog(project="Coterie", charset="utf-8", fuzzy=False)
    for path in _files(SOURCES):
        method = "javascript" if path.suffix == ".js" else "python"
        for _, message, comments, context in extract_from_file(
            method,
            str(path),
            keywords=KEYWORDS,
            comment_tags=("Translators:",),
            options={"parse_template_string": True},
        ):
            where = [(path.relative_to(ROOT).as_posix(), 0)]
            found.add(message, locations=where, auto_comments=comments, context=context)
    for path in _files(PAGES):
        for sentence in sentences_of_page(path.read_text(encoding="utf-8")):
            found.add(sentence, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    return found


def updated(path: Path, language: str) -> tuple[bytes, bytes]:
    """Write a language's ``.po`` and ``.mo`` files anew, as bytes."""
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po, write_po

    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
    else:
        catalogue = Catalog(locale=language, project="Coterie", fuzzy=False)
    # Dates and versions would differ in each run.
    catalogue.update(template(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    written, compiled = BytesIO(), BytesIO()
    write_po(written, catalogue, width=WIDTH, omit_header=False, include_lineno=False)
    write_mo(compiled, catalogue)
    return written.getvalue(), compiled.getvalue()


def main(arguments: list[str] | None = None) -> None:
    """Write all catalogues anew."""
    parser = argparse.ArgumentParser(prog="python -m coterie.languages.update")
    parser.add_argument("--add", metavar="LANGUAGE", help="begin a catalogue, such as de or pt_BR")
    options = parser.parse_args(arguments)
    known = {path.parent.parent.name for path in CATALOGUES.glob(f"*/LC_MESSAGES/{DOMAIN}.po")}
    for language in sorted(known | ({options.add} if options.add else set())):
        path = CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"
        written, compiled = updated(path, language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written)
        path.with_suffix(".mo").write_bytes(compiled)
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def _files(patterns: tuple[str, ...]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


if __name__ == "__main__":
    main()
