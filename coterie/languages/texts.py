"""Sentences in the languages of the catalogues, and which language a reader is answered in.

A sentence is always one entry of a catalogue, with named places for what differs. Nothing is put
together from pieces, since other languages order, inflect and count otherwise.
"""

import functools
import gettext
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from coterie.errors import BadInputError

SOURCE: Final = "en"
"""The language that the code is written in: its sentences stand for themselves."""
DOMAIN: Final = "coterie"
CATALOGUES: Final = Path(__file__).parent / "catalogues"
MAX_RANGES: Final = 20
"""Languages of a request that are looked at; browsers name a handful."""
_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
_PLURALS_SHOWN: Final = 200
"""Every rule of gettext's catalogues repeats itself with the last two digits of a number."""

Plural = tuple[str, str]
"""A sentence for one, and for several: keys of the catalogues, which know more forms."""


def marked(sentence: str) -> str:
    """Mark a sentence for the catalogues that is said elsewhere."""
    return sentence


def marked_plural(one: str, many: str) -> Plural:
    """Mark a sentence that counts for the catalogues; it is said elsewhere."""
    return one, many


ITSELF: Final = marked("English")
"""What a language is called in itself: translated by its own name."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one language."""

    language: str
    """BCP 47 tag."""
    _catalogue: gettext.NullTranslations

    def say(self, sentence: str, **values: object) -> str:
        """Say a sentence with its values filled in."""
        return self._catalogue.gettext(sentence).format_map(values)

    def count(self, sentence: Plural, num: int, **values: object) -> str:
        """Say a sentence in the form that goes with ``num``, which fills in its ``{num}``."""
        return self._catalogue.ngettext(*sentence, num).format_map({"num": num, **values})

    def unfilled(self, sentence: str | Plural, num: int = 1) -> str:
        """Give a sentence, in the form that goes with ``num``, with its places in braces."""
        if isinstance(sentence, str):
            return self._catalogue.gettext(sentence)
        return self._catalogue.ngettext(*sentence, num)

    def entries(self) -> dict[str, str | list[str]]:
        """List what a page needs to say the same: each sentence, or its forms, by its key.

        English, which is its own key, has none.
        """
        catalogue: Mapping[Any, str] = getattr(self._catalogue, "_catalog", {})
        found: dict[str, str | list[str]] = {}
        for key, said in catalogue.items():
            if isinstance(key, tuple):
                found.setdefault(key[0], [])
            elif key:
                found[key] = said
        for key, forms in found.items():
            if isinstance(forms, list):
                # A catalogue numbers its forms from 0 without gaps.
                while (key, len(forms)) in catalogue:
                    forms.append(catalogue[key, len(forms)])
        return found

    def forms(self) -> list[int]:
        """Find the form that goes with each of 0 to 199; larger numbers go by their last two
        digits, from 100 on."""
        rule = getattr(self._catalogue, "plural", lambda num: int(num != 1))
        return [rule(num) for num in range(_PLURALS_SHOWN)]


def read_languages(folder: Path = CATALOGUES) -> dict[str, Texts]:
    """Read all catalogues of a folder, ``LANGUAGE/LC_MESSAGES/coterie.mo``, by language.

    Raises:
        BadInputError: A catalogue cannot be read.
    """
    found = {SOURCE: Texts(SOURCE, gettext.NullTranslations())}
    for path in sorted(folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")):
        language = path.parent.parent.name.replace("_", "-")
        try:
            with path.open("rb") as file:
                found[language] = Texts(language, gettext.GNUTranslations(file))
        except (OSError, ValueError, SyntaxError, UnicodeError) as error:
            raise BadInputError(
                f"cannot read the catalogue {path}: {error}; "
                "make it anew with python -m coterie.languages.update"
            ) from error
    return found


@functools.cache
def languages() -> Mapping[str, Texts]:
    """Read the catalogues that come with Coterie, once."""
    return read_languages()


def texts_for(accepted: str | None) -> Texts:
    """Choose the texts that answer an ``Accept-Language`` header; English where none fits."""
    known = languages()
    return known[best_language(accepted, known)]


def best_language(accepted: str | None, known: Iterable[str]) -> str:
    """Look up the language that a reader likes best of those that are known (RFC 4647).

    >>> best_language("zh-CN,zh;q=0.9,en;q=0.8", ["en", "zh"])
    'zh'
    >>> best_language("de, en;q=0.5, zh;q=0", ["en", "zh"])
    'en'
    """
    by_tag = {language.lower(): language for language in known}
    for tag in _wanted(accepted or ""):
        while tag:
            if tag in by_tag:
                return by_tag[tag]
            tag = tag.rpartition("-")[0]
    return SOURCE


def _wanted(accepted: str) -> list[str]:
    """List the ranges of a header, best first; what is no range, or is not wanted, is left out."""
    found = []
    for part in accepted.split(",", MAX_RANGES)[:MAX_RANGES]:
        match = _RANGE.fullmatch(part)
        if match:
            quality = float(match[2]) if match[2] else 1.0
            # Any language will do: then the one that all is written in.
            tag = SOURCE if match[1] == "*" else match[1].lower()
            if quality > 0:
                found.append((-quality, tag))
    return [tag for _, tag in sorted(found, key=lambda one: one[0])]
