# ruff: noqa: RUF001 - Chinese has marks of its own
"""Reasons in a sentence by a language model, which may rephrase and nothing else.

The model is given sentences of the catalogue with their places unfilled: it sees no name, no
title and no number, so it can neither tell of them nor be talked to by them. What it answers counts
where each part can be read, phrase by phrase, as the fact that it was given; else the template
stands.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coterie.content.encoder import digest_of
from coterie.llm.question import LanguageModel, Question
from coterie.reasons.phrases import wording_of
from coterie.reasons.sentence_forms import SentenceForm

MOST_FACTS: Final = 3
"""Of one sentence."""
MOST_CHARACTERS: Final = 240
"""Of one part."""
_PLACE: Final = re.compile(r"\{(friend|num|title|category)\}")
_IN_ENGLISH: Final = re.compile(r"[A-Za-z ,.;]*")
_IN_CHINESE: Final = re.compile(r"[\u4e00-\u9fff ，。；、“”]*")
_MARKS: Final = re.compile(r"[ ,.;，。；、“”]+")
_RULES: Final = (
    "You reword facts of a shop for one shopper, in {language}. You get facts, each with a number. "
    "Say all of them in one short, friendly sentence, as parts: of each part, the number of its "
    "fact and its words. Say nothing that a fact does not say: no names, numbers, products, "
    "praise, times, reasons or guesses. Keep every word in braces as it is, once, where its fact "
    "has it."
)
_LANGUAGES: Final = {"en": "English", "zh": "Chinese"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One reason, as a sentence with its places, and what stands in them."""

    form: SentenceForm
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a model says some sentences: which comes when, and its words."""

    parts: tuple[tuple[int, str], ...]

    def filled(self, facts: Sequence[Fact], language: str) -> str:
        """Say it of some people and items."""
        said = []
        for number, text in self.parts:
            bare, values = _sentence(text, language), facts[number].values
            said.append(_PLACE.sub(lambda place, of=values: of[place[1]], bare))  # type: ignore[misc]
        return ("" if language == "zh" else " ").join(said)


def question_of(forms: Sequence[SentenceForm], language: str) -> Question:
    """Ask for one sentence that says what some sentences say.

    Args:
        forms: At most MOST_FACTS.
        language: Of the sentences, ``en`` or ``zh``.
    """
    part = {
        "type": "object",
        "properties": {
            "fact": {"type": "integer", "minimum": 1, "maximum": len(forms)},
            "text": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
        },
        "required": ["fact", "text"],
        "additionalProperties": False,
    }
    form = {
        "type": "object",
        "properties": {
            "parts": {
                "type": "array",
                "items": part,
                "minItems": len(forms),
                "maxItems": len(forms),
            }
        },
        "required": ["parts"],
        "additionalProperties": False,
    }
    facts = [{"fact": number, "text": one.text} for number, one in enumerate(forms, 1)]
    return Question(
        "wording",
        _RULES.format(language=_LANGUAGES[language]),
        json.dumps({"facts": facts}, ensure_ascii=False),
        form,
    )


def digest_of_forms(model: LanguageModel, forms: Sequence[SentenceForm], language: str) -> str:
    """Digest what decides how some sentences are said."""
    return digest_of(model=model.digest, language=language, facts=[one.text for one in forms])


def read_spoken(
    value: Mapping[str, Any], forms: Sequence[SentenceForm], language: str
) -> tuple[Spoken | None, str]:
    """Check what a model says, part by part: what it says, or None and why it may not be said."""
    parts = tuple((int(part["fact"]) - 1, str(part["text"]).strip()) for part in value["parts"])
    if sorted(number for number, _ in parts) != list(range(len(forms))):
        return None, "not each fact once"
    for number, text in parts:
        if why := invented(text, forms[number], language):
            return None, why
    return Spoken(parts), ""


def invented(text: str, form: SentenceForm, language: str) -> str:
    """Say what of a text its fact does not say; an empty text where it says just that.

    >>> from coterie.schema import EventKind
    >>> fact = SentenceForm("friend", "this", EventKind.PURCHASE, "{friend} bought this")
    >>> invented("This was bought by {friend}", fact, "en")
    ''
    >>> invented("{friend} bought all of this", fact, "en")
    'words that the fact does not have'
    """
    wording = wording_of(form, language)
    if wording is None:
        return "a language without phrases"
    if len(text) > MOST_CHARACTERS:
        return "too long"
    around = _PLACE.sub("", text)
    letters = _IN_ENGLISH if language == "en" else _IN_CHINESE
    if not letters.fullmatch(around):
        return "marks, digits, or letters of another language"
    if sorted(_PLACE.findall(text)) != sorted(_PLACE.findall(form.text)):
        return "not the places of the fact"
    plain = _plain(text, language)
    roles = _read(plain, form, language)
    if not roles:
        return "words that the fact does not have"
    return "" if roles & wording.orders else "another order, which may say something else"


def _plain(text: str, language: str) -> str:
    """Leave words and places alone: in English with one space between, in Chinese with none."""
    between = " " if language == "en" else ""
    pieces = (piece for piece in _MARKS.split(text) if piece)
    return between.join(piece if piece.startswith("{") else piece.lower() for piece in pieces)


@functools.lru_cache(2000)
def _phrases(form: SentenceForm, language: str) -> tuple[tuple[str, str], ...]:
    wording = wording_of(form, language)
    assert wording is not None
    found = [(phrase, role) for role, many in wording.phrases.items() for phrase in many]
    return tuple(sorted(found, key=lambda one: -len(one[0])))


def _read(plain: str, form: SentenceForm, language: str) -> frozenset[str]:
    """Read a text as phrases: the roles of all ways to do so, in order; none where none is."""
    phrases, end = _phrases(form, language), len(plain)
    spaced = language == "en"
    # From the end on: in which roles what follows a place can be read.
    ways: list[frozenset[str]] = [frozenset()] * end + [frozenset({""})]
    for start in reversed(range(end)):
        found: set[str] = set()
        for phrase, role in phrases:
            if not plain.startswith(phrase, start):
                continue
            after = start + len(phrase)
            if spaced and after < end:
                if plain[after] != " ":
                    continue
                after += 1
            here = "" if role == "-" else role
            found |= {here + rest for rest in ways[after] if len(here + rest) <= MOST_ROLES}
        ways[start] = frozenset(found)
    return ways[0] if end else frozenset()


MOST_ROLES: Final = 6


def _sentence(part: str, language: str) -> str:
    """Make a part a sentence; a name that it begins with stays as it is."""
    bare = part.strip(" ,.;，。；、")
    return f"{bare}。" if language == "zh" else f"{bare[:1].upper()}{bare[1:]}."
