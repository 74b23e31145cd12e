"""A model may say reasons in other words, and nothing that they do not say."""

import pytest
from planted_inventions import EN, FORMS, GOOD, INVENTED, ZH

from coterie.languages.texts import languages
from coterie.reasons import sentences
from coterie.reasons.rephrasing import Fact, invented, question_of, read_spoken
from coterie.reasons.sentence_forms import Said, find_form
from coterie.schema import EventKind

BOUGHT = EventKind.PURCHASE


@pytest.mark.parametrize(("language", "fact", "said"), GOOD)
def test_the_same_in_other_words_passes(language, fact, said):
    assert invented(said, FORMS[language][fact], language) == ""


@pytest.mark.parametrize(
    ("language", "fact"), [(one, fact) for one in FORMS for fact in FORMS[one]]
)
def test_the_sentence_of_the_catalogue_itself_passes(language, fact):
    form = FORMS[language][fact]
    assert invented(form.text, form, language) == ""


@pytest.mark.parametrize(("language", "fact", "said"), INVENTED, ids=map(str, range(len(INVENTED))))
def test_what_is_invented_is_caught(language, fact, said):
    assert invented(said, FORMS[language][fact], language)


def test_why_it_is_caught_is_told():
    fact = FORMS["en"]["friend"]
    assert invented("{friend} bought {title}", fact, "en") == "not the places of the fact"
    assert invented("{friend} bought this!", fact, "en").startswith("marks")
    assert invented("this bought {friend}", fact, "en").startswith("another order")


def test_there_are_enough_of_them():
    assert len(INVENTED) >= 60
    assert {language for language, _, _ in INVENTED} == set(FORMS) == set(languages())


@pytest.mark.parametrize(
    ("said", "texts", "expected"),
    [
        (Said("Bea bought this", friend="Bea", num_friends=1), EN, ("friend", "this", BOUGHT)),
        (
            Said("Bea and 4 more people you know bought this", friend="Bea", num_friends=5),
            EN,
            ("friends", "this", BOUGHT),
        ),
        (Said("You bought Red {title}", title="Red {title}"), EN, ("you", "title", BOUGHT)),
        (Said("您买过“灯”", title="灯"), ZH, ("you", "title", BOUGHT)),
        (
            Said("People you know bought this", title="You bought this"),
            EN,
            ("some", "this", BOUGHT),
        ),
    ],
)
def test_a_reason_is_found_to_be_the_sentence_that_it_is(said, texts, expected):
    form, _ = find_form(said, texts)
    assert (form.who, form.what, form.did) == expected


@pytest.mark.parametrize(
    "said",
    [
        Said("You returned Lamp", title="Lamp"),
        Said("You bought Lamp, but did not want it", title="Lamp"),
        Said("What 5 people you know did lately"),
        Said("Popular with all shoppers"),
        Said("Bea bought this", friend="Max", num_friends=1),
    ],
)
def test_what_may_not_be_worded_anew_is_no_sentence_of_these(said):
    assert find_form(said, EN) is None


def two_facts():
    friend = find_form(Said("Bea bought this", friend="Bea", num_friends=1), EN)
    lamp = find_form(Said("You bought <b>Lamp", title="<b>Lamp"), EN)
    return [Fact(*friend), Fact(*lamp)]


def test_a_model_sees_neither_names_nor_titles_nor_numbers():
    asked = question_of([one.form for one in two_facts()], "en")
    assert "Bea" not in asked.told + asked.rules
    assert "Lamp" not in asked.told + asked.rules
    assert "{friend} bought this" in asked.told


def read(*parts):
    value = {"parts": [{"fact": number, "text": text} for number, text in parts]}
    facts = two_facts()
    return read_spoken(value, [one.form for one in facts], "en"), facts


def test_parts_are_filled_and_put_after_one_another():
    (spoken, why), facts = read((2, "you purchased {title}"), (1, "and {friend} bought this too"))
    assert why == ""
    assert spoken.filled(facts, "en") == "You purchased <b>Lamp. And Bea bought this too."


@pytest.mark.parametrize(
    "parts",
    [
        [(1, "{friend} bought this"), (1, "{friend} bought this")],
        [(1, "{friend} bought {title}"), (2, "You bought this")],
        [(1, "{friend} bought this"), (2, "You bought {title}, a bargain")],
    ],
)
def test_each_fact_is_said_once_and_none_of_another(parts):
    (spoken, why), _ = read(*parts)
    assert spoken is None
    assert why


def test_each_kind_of_event_can_be_said_in_each_language():
    for texts in languages().values():
        for table in (sentences.YOU_ITEM, sentences.FRIEND_THIS, sentences.FRIEND_ITEM):
            for kind, sentence in table.items():
                filled = texts.say(sentence, title="T", friend="F")
                found = find_form(Said(filled, friend="F", num_friends=1, title="T"), texts)
                if kind in (EventKind.RETURN, EventKind.DISLIKE):
                    assert found is None
                    continue
                form, _ = found
                assert invented(form.text, form, texts.language) == ""
