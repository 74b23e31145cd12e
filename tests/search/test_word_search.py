"""Words of a query find the items that have them, however they are written."""

import random

import numpy as np
import pyarrow as pa
import pytest

from coterie.content.words import cut_text, cut_words
from coterie.search.words import MAX_WORDS, WordIndex, WordSettings, folded, words_of

ITEMS = pa.table(
    {
        "title": [
            "Red ceramic table lamp",
            "Red cotton shirt for men",
            "Steel kettle, 1.7 l",
            "Café chair of oak",
            "红色陶瓷台灯",
            "红色棉衬衫",
            None,
        ],
        "brand": ["Lumio", "Weaver", "Lumio", None, None, None, None],
        "category": ["Home/Lamps", "Fashion", "Kitchen", "Home", "Home/Lamps", "Fashion", "Home"],
        "description": [None, None, "Boils water fast", None, None, None, "Boils slowly"],
    }
)


@pytest.fixture(scope="module")
def index():
    return WordIndex(ITEMS)


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("red lamp", 0),
        ("LAMP red", 0),
        ("shrit", 1),  # two letters changed places
        ("shirts", 1),  # another form
        ("ketle", 2),  # a letter lost
        ("lumio kettle", 2),
        ("cafe chairs", 3),  # an accent that few keyboards have
        ("台灯", 4),
        ("棉衬衫 红色", 5),
        ("ｒｅｄ　ｌａｍｐ", 0),  # noqa: RUF001 -- as Chinese keyboards write Latin letters
        ("boils fast", 2),
    ],
)
def test_the_item_meant_comes_first(index, query, row):
    scores = index.scores(query)
    assert scores.argmax() == row
    assert np.count_nonzero(scores == scores.max()) == 1


@pytest.mark.parametrize("query", ["", "  ", "?!...", "🎉", "zzzzqqq", "\x00", "' OR x=x; --"])
def test_what_says_nothing_of_the_catalogue_finds_nothing(index, query):
    assert not index.scores(query).any()


def test_a_word_in_the_title_counts_more_than_one_in_the_description():
    table = pa.table({"title": ["tea", "pot"], "description": ["pot", "tea"]})
    assert WordIndex(table).scores("tea").argmax() == 0


def test_a_rare_word_decides():
    table = pa.table({"title": ["blue pen", "blue cup", "blue hat", "red pen", "red jar"]})
    scores = WordIndex(table).scores("blue jar")
    assert scores.argmax() == 4


def test_the_word_itself_goes_before_one_spelt_like_it():
    table = pa.table({"title": ["nurse bag", "purse bag"]})
    scores = WordIndex(table).scores("purse")
    assert scores[1] > scores[0] > 0


def cut(texts):
    """Words of each text, and whether each is one character of a script without borders."""
    found = cut_words(folded(pa.array(texts)))
    single, words = found.are_characters(), found.words.to_pylist()
    said = [[] for _ in texts]
    for row, code in zip(found.row.tolist(), found.code.tolist(), strict=True):
        said[row].append((words[code], bool(single[code])))
    return said


def test_texts_in_ascii_are_cut_alike_whatever_stands_beside_them():
    texts = [f"{chr(one)}a{chr(one)}B {chr(one)}{chr(one)} 7" for one in range(1, 128)]
    *beside, other = cut([*texts, "Café 红"])
    assert cut(texts) == beside
    assert cut(texts) == [cut_text(text) for text in texts]
    assert other == [("cafe", False), ("红", True)]
    assert cut(["", "  "]) == [[], []]
    assert cut(["", None]) == [[], []]


def test_a_query_is_cut_as_the_catalogue_is():
    """Letters of all scripts; the newest of Unicode alone may differ."""
    some = random.Random(0).sample([c for c in range(1, 0xFFFF) if not 0xD800 <= c < 0xE000], 3000)
    texts = [f"a{chr(one)}B{chr(one)}" for one in some]
    found = cut_words(pa.array(texts))
    single, words = found.are_characters(), found.words.to_pylist()
    said = [[] for _ in texts]
    for row, code in zip(found.row.tolist(), found.code.tolist(), strict=True):
        said[row].append((words[code], bool(single[code])))
    assert said == [cut_text(text) for text in texts]


def test_a_long_query_is_bounded():
    assert len(words_of(" ".join(map(str, range(1000))))) == MAX_WORDS


def test_a_catalogue_without_words_can_be_asked():
    for table in (ITEMS.slice(0, 0), pa.table({"title": pa.nulls(3, pa.string())})):
        assert WordIndex(table).scores("lamp").tolist() == [0.0] * table.num_rows


def test_parts_of_a_large_catalogue_are_put_together(monkeypatch, index):
    whole = index.scores("red lamp shirts 台灯")
    monkeypatch.setattr("coterie.search.words._ROWS", 2)
    assert WordIndex(ITEMS).scores("red lamp shirts 台灯") == pytest.approx(whole)


def test_columns_that_count_nothing_are_left_out():
    settings = WordSettings(fields=(("title", 1.0), ("brand", 0.0)))
    assert not WordIndex(ITEMS, settings).scores("lumio").any()


def test_what_a_model_said_is_found_behind_what_items_say_themselves():
    table = ITEMS.append_column(
        "described", pa.array(["kettle", None, None, None, None, None, "茶壶 gooseneck"])
    )
    index = WordIndex(table)
    assert np.argsort(-index.scores("kettle"))[:2].tolist() == [2, 0]
    assert index.scores("gooseneck").argmax() == index.scores("茶壶").argmax() == 6
    now = index.changed([6], pa.table({"title": ["Oak bench"]}))
    assert not now.scores("gooseneck").any(), "it was said of what the item was before"
    assert not WordIndex(ITEMS).scores("gooseneck").any()
