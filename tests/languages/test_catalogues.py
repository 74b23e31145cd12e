"""Sentences in several languages: whole, complete, and chosen by what a reader accepts."""

import re

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from coterie.errors import BadInputError
from coterie.languages import update
from coterie.languages.texts import CATALOGUES, best_language, languages, read_languages, texts_for
from coterie.reasons import sentences

PLACE = re.compile(r"\{\w*\}")
FILES = sorted(CATALOGUES.glob("*/LC_MESSAGES/coterie.po"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.parent.name)
def test_a_catalogue_says_every_sentence_with_all_its_places(path):
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.parent.parent.name)
    for message in catalogue:
        if not message.id:
            continue
        plural = isinstance(message.id, tuple)
        places = set(PLACE.findall(message.id[-1] if plural else message.id))
        said = message.string if plural else (message.string,)
        assert len(said) == (catalogue.num_plurals if plural else 1), message.id
        for form in said:
            assert form, f"nobody translated {message.id}"
            assert set(PLACE.findall(form)) == places, message.id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.parent.name)
def test_catalogues_are_what_update_makes_of_the_code(path):
    written, compiled = update.updated(path, path.parent.parent.name)
    assert written == path.read_bytes(), "run python -m coterie.languages.update"
    assert compiled == path.with_suffix(".mo").read_bytes()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-TW", "zh"),
        ("en-GB, zh;q=0.9", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("fr", "en"),
        ("zh;q=0", "en"),
        ("*", "en"),
        ("ZH", "zh"),
        ("zh;q=2, ;;, \x00, zh;q=0.5;x=1", "en"),
        ("a-" * 5000 + ",zh", "zh"),
        (",".join(["fr"] * 50 + ["zh"]), "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_language_that_is_liked_best_is_chosen(accepted, language):
    assert best_language(accepted, ["en", "zh"]) == language


def test_a_title_with_braces_is_said_as_it_is():
    said = texts_for("zh").say(sentences.YOU_ITEM["purchase"], title="{friend} {0} 100 %")
    assert said == "您买过“{friend} {0} 100 %”"


def test_a_language_with_more_forms_is_added_by_its_catalogue_alone(tmp_path):
    folder = tmp_path / "pl" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = Catalog(locale="pl")
    forms = ["{num} rzecz z historii", "{num} rzeczy z historii", "{num} rzeczy z twojej historii"]
    catalogue.add(sentences.YOU_ALL, forms + forms[2:] * (catalogue.num_plurals - 3))
    with (folder / "coterie.mo").open("wb") as file:
        write_mo(file, catalogue)
    texts = read_languages(tmp_path)["pl"]
    assert [texts.count(sentences.YOU_ALL, num) for num in (1, 2, 5, 22)] == [
        forms[0].format(num=1),
        forms[1].format(num=2),
        forms[2].format(num=5),
        forms[1].format(num=22),
    ]
    # What nobody translated yet is said in English.
    assert texts.say(sentences.POPULAR) == sentences.POPULAR
    assert texts.entries()[sentences.YOU_ALL[0]][:3] == forms
    assert texts.forms()[:6] == [2, 0, 1, 1, 1, 2]


def test_a_broken_catalogue_is_named(tmp_path):
    (tmp_path / "pl" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "pl" / "LC_MESSAGES" / "coterie.mo").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match=r"coterie\.mo"):
        read_languages(tmp_path)


def test_english_and_chinese_come_with_coterie():
    assert list(languages()) == ["en", "zh"]
    assert languages()["en"].entries() == {}
