"""How a delimited file is written: encoding, delimiter, quotes, header; guessed from its start."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coterie.data.chunks import FileForm
from coterie.data.encodings import guess_encoding, sample_of, utf8_chunks
from coterie.errors import BadInputError

DELIMITERS: Final = ("::", "\t", ";", ",", "|", " ")
"""Delimiters in the order in which they are believed where several fit."""
_LINES = 200
_FITTING = 0.9
"""Share of the lines that need as many fields as most have."""
_VALUE = re.compile(r"[+-]?\d[\d.,:/ TZ-]*|")
"""A number, a time, or nothing: no name of a column."""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """How a file seems to be written."""

    form: FileForm
    fields: list[list[str]]
    """Fields of the first lines, the header among them."""


def sniff(file: Path, name: str) -> Sniffed:
    """Guess a delimited file's form.

    Args:
        file: May be compressed.
        name: What errors call it.

    Raises:
        BadInputError: It is no table of any form that is known, or in no encoding that is known.
    """
    encoding = encoding_of(file, name)
    text = sample_of(file, name).decode(encoding, errors="ignore").removeprefix("\ufeff")
    lines = [line for line in text.splitlines(keepends=True) if line.strip()]
    # The last line may be cut off where the sample ends.
    lines = lines[:-1] if len(lines) > _LINES else lines
    lines = lines[:_LINES]
    best = max((_fit(lines, delimiter) for delimiter in DELIMITERS), key=lambda fit: fit[0])
    if best[0] < _FITTING:
        raise BadInputError(f"{name} is no table: its lines have no delimiter in common")
    _, form, fields = best
    if not _has_header(fields):
        names = tuple(f"column_{number}" for number in range(1, len(fields[0]) + 1))
        form = FileForm(form.delimiter, encoding, False, names, form.quote, form.escape)
    else:
        form = FileForm(form.delimiter, encoding, True, (), form.quote, form.escape)
    return Sniffed(form, fields)


def encoding_of(file: Path, name: str) -> str:
    """Guess what a file is written in; all of it is looked at, as one letter may be enough.

    Raises:
        BadInputError: It is in no encoding that is known.
    """
    sample = sample_of(file, name)
    guess = guess_encoding(sample) or "latin-1"
    if guess == "utf-8":
        try:
            for _ in utf8_chunks(file, name):
                pass
        except BadInputError as error:
            looks = re.search(r"it looks like (\S+);", str(error))
            guess = looks[1] if looks else "latin-1"
    # Of the two that differ in 27 letters, the one that takes any byte.
    return "latin-1" if guess == "cp1252" and not _is_cp1252(file, name) else guess


def _is_cp1252(file: Path, name: str) -> bool:
    try:
        for _ in utf8_chunks(file, name, "cp1252"):
            pass
    except BadInputError:
        return False
    return True


def _fit(lines: list[str], delimiter: str) -> tuple[float, FileForm, list[list[str]]]:
    """Measure how well a delimiter fits: the share of lines with as many fields as most."""
    escaped = any('\\"' in line for line in lines)
    forms = [FileForm(delimiter, quote="")]
    # A comma within a field needs quotes, though perhaps not before line a million.
    if delimiter in (",", ";", "|") or any('"' in line for line in lines):
        forms.insert(0, FileForm(delimiter, quote='"', escape="\\" if escaped else ""))
    best = (-1.0, forms[0], [[""]])
    for form in forms:
        fields = fields_of(lines, form)
        (most, count), *_ = Counter(len(row) for row in fields).most_common(1)
        share = count / len(fields) if most > 1 else 0.0
        if share > best[0]:
            best = share, form, fields
    return best


def fields_of(lines: list[str], form: FileForm) -> list[list[str]]:
    """Split some lines into fields, by a form; nothing is refused."""
    delimiter, text = form.delimiter, "".join(lines)
    if delimiter == " ":
        return [line.split() for line in lines] or [[""]]
    if len(delimiter) > 1:
        text, delimiter = text.replace(delimiter, "\x1f"), "\x1f"
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=form.quote or None,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        doublequote=not form.escape,
        escapechar=form.escape or None,
    )
    try:
        return [row for row in rows if row] or [[""]]
    except csv.Error:
        return [[""]]


def _has_header(fields: list[list[str]]) -> bool:
    """Tell whether the first line names columns: all words, and no two the same."""
    first = [field.strip() for field in fields[0]]
    if any(_VALUE.fullmatch(field) for field in first) or len(set(first)) < len(first):
        return False
    # A first line of words over other lines of words says nothing: most files have a header.
    return not any(re.fullmatch(r"\S+@\S+|https?://\S+", field) for field in first)
