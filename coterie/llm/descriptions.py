"""What an item is, said by a language model from the item's own texts, and held to them.

Texts of items are hostile input: each item is asked for alone, so what one says can change nothing
but its own description, which its seller writes anyway, in bounded words and nothing but words.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from coterie.content.encoder import digest_of
from coterie.llm.quantities import numbers_in
from coterie.llm.question import LanguageModel, Question

FIELDS: Final = ("keyword", "attribute", "title_en", "title_zh")
Source = Literal["text", "model"]
"""Whether all words of a value stand in the item's texts, or the model brought some."""
SAID: Final = ("title", "brand", "category", "tags", "description")
MOST_CHARACTERS: Final = 600
"""Of each text of an item that is shown."""
MOST_KEYWORDS: Final = 8
MOST_ATTRIBUTES: Final = 6
_PLAIN: Final = re.compile(r"[\w][\w &'/%.+-]*", re.UNICODE)
"""Words: no commas, which part tags, and nothing of which addresses, markup or JSON are made."""
_ADDRESS: Final = re.compile(r"//|www\.|\.[a-z]{2,}\b", re.IGNORECASE)
_WORD: Final = re.compile(r"[\u3400-\u9fff]|[^\W_]+")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_RULES: Final = (
    "You describe one product of a shop from its own texts. keywords: up to eight short words or "
    "phrases by which somebody would look for it. attributes: up to six facts that its texts "
    "state, each with a name and a value in their words. title_en, title_zh: its title in English "
    "and in Chinese. Add no brands, numbers, prices or praise that the texts do not have."
)
_TEXT: Final = {"type": "string", "maxLength": 60}
_FORM: Final = {
    "type": "object",
    "properties": {
        "keywords": {"type": "array", "items": _TEXT, "maxItems": MOST_KEYWORDS},
        "attributes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 30}, "value": _TEXT},
                "required": ["name", "value"],
                "additionalProperties": False,
            },
            "maxItems": MOST_ATTRIBUTES,
        },
        "title_en": {"type": "string", "maxLength": 160},
        "title_zh": {"type": "string", "maxLength": 160},
    },
    "required": ["keywords", "attributes", "title_en", "title_zh"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Described:
    """One thing that is said of an item."""

    field: str
    """One of FIELDS."""
    value: str
    source: Source


def question_of_item(item: Mapping[str, Any]) -> Question:
    """Ask what an item is; of its columns those of SAID are told."""
    said = {name: str(item[name])[:MOST_CHARACTERS] for name in SAID if item.get(name)}
    told = json.dumps(said, ensure_ascii=False)
    return Question("catalogue", _RULES, told, _FORM, max_tokens=400)


def digest_of_item(model: LanguageModel, item: Mapping[str, Any]) -> str:
    """Digest what decides how an item is described."""
    return digest_of(model=model.digest, told=question_of_item(item).told, version=1)


def read_description(value: Mapping[str, Any], item: Mapping[str, Any]) -> list[Described]:
    """Keep of an answer what may be said of an item.

    Values are plain words, their numbers are numbers of the item, attributes stand in its texts
    word for word, and titles are in the language that they are meant for.

    Args:
        value: In the form that was asked for.
        item: Its columns.
    """
    text = " ".join(str(item[name]) for name in SAID if item.get(name))
    words, numbers = set(_words(text)), numbers_in(text)

    def described(field: str, said: str) -> list[Described]:
        plain = " ".join(said.split())
        odd = not _PLAIN.fullmatch(plain) or _ADDRESS.search(plain)
        if odd or not numbers_in(plain) <= numbers:
            return []
        ours = set(_words(plain)) <= words
        return [Described(field, plain, "text" if ours else "model")]

    found = [one for said in value["keywords"] for one in described("keyword", said)]
    for told in value["attributes"]:
        # Its name may be any word; what it is has to be said by the item.
        name = described("attribute", told["name"])
        is_said = described("attribute", told["value"])
        if name and is_said and is_said[0].source == "text":
            found.append(Described("attribute", f"{name[0].value} {is_said[0].value}", "text"))
    for field, han in (("title_en", False), ("title_zh", True)):
        said = str(value[field])
        if bool(_HAN.search(said)) is han and _words(said) != _words(str(item["title"])):
            found += described(field, said)
    return list(dict.fromkeys(found))


def searched(
    said: Sequence[Described], title: str, translations: bool, invented: bool
) -> list[Described]:
    """Keep what search may find an item by: what its own texts say; its title in the other
    language, where ``translations``; all else that the model brought, where ``invented``.

    >>> said = [Described("title_zh", "蓝色衬衫", "model"), Described("keyword", "cosy", "model")]
    >>> [one.value for one in searched(said, "Blue shirt", translations=True, invented=False)]
    ['蓝色衬衫']
    >>> searched(said, "蓝色衬衫", translations=True, invented=False)
    []
    """
    other = "title_en" if _HAN.search(title) else "title_zh"
    return [
        one
        for one in said
        if one.source == "text" or invented or (translations and one.field == other)
    ]


def tags_with(tags: str | None, described: Sequence[Described], most: int = 400) -> str | None:
    """Put what is said of an item behind its tags, each thing once, in bounded length.

    >>> tags_with("cotton, summer", [Described("keyword", "T shirt", "model")])
    'cotton, summer, T shirt'
    """
    known = [one.strip() for one in (tags or "").split(",") if one.strip()]
    seen = {one.casefold() for one in known}
    length = len(", ".join(known))
    for one in described:
        if one.value.casefold() in seen or length + len(one.value) + 2 > most:
            continue
        known.append(one.value)
        seen.add(one.value.casefold())
        length += len(one.value) + 2
    return ", ".join(known) or None


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
