"""Sentences that stand in a page of HTML: found for the catalogues, and said in a language.

An element with ``data-say`` says its text; with ``data-say="aria-label"`` the attribute that it
names is said instead.
"""

import html
import re
from collections.abc import Iterator
from typing import Final

from coterie.languages.texts import SOURCE, Texts

_SAID: Final = re.compile(
    r"""<[^>]*\sdata-say(?:="(?P<attribute>[a-z-]+)")?[^>]*>(?P<text>[^<]*)"""
)
_LANGUAGE: Final = f'<html lang="{SOURCE}">'


def sentences_of_page(page: str) -> Iterator[str]:
    """Find the sentences of a page, in the language that it is written in."""
    for match in _SAID.finditer(page):
        yield _sentence(match)


def page_in(page: str, texts: Texts) -> str:
    """Say a page in a language, and which language that is."""

    def said(match: re.Match[str]) -> str:
        sentence = _sentence(match)
        found = html.escape(texts.say(sentence))
        if match["attribute"]:
            kept = match["attribute"]
            return match[0].replace(f' {kept}="{sentence}"', f' {kept}="{found}"')
        tag = match[0].removesuffix(match["text"])
        return tag + match["text"].replace(sentence, found)

    return _SAID.sub(said, page).replace(_LANGUAGE, f'<html lang="{texts.language}">')


def _sentence(match: re.Match[str]) -> str:
    if match["attribute"]:
        [said] = re.findall(rf'\s{match["attribute"]}="([^"]*)"', match[0])
        return str(said)
    return match["text"].strip()
