"""Words, meaning and taste are added up, and nothing is shown that does not fit."""

import numpy as np
import pyarrow as pa
import pytest

from coterie.search.index import SearchIndex, SearchWeights
from coterie.search.meaning import VectorIndex

TITLES = ["red lamp", "red shirt", "blue shirt", "steel kettle", "oak chair"]
MEANINGS = {"lamp": 0, "light": 0, "shirt": 1, "衬衫": 1, "kettle": 2, "chair": 3}


def encode(texts):
    """An encoder that knows a few words in two languages."""
    vectors = np.zeros((len(texts), 4), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            if word in MEANINGS:
                vectors[row, MEANINGS[word]] = 1.0
    return vectors


def make(available=None, vectors=True, **weights):
    return SearchIndex(
        pa.table({"title": TITLES}),
        np.ones(len(TITLES), np.bool_) if available is None else np.array(available),
        VectorIndex(encode(TITLES).astype(np.float16)) if vectors else None,
        SearchWeights(**weights),
    )


def ask(index, query, k=5, taste=None):
    return index.search(query, k, encode([query])[0], taste)


def test_words_and_meaning_each_find_what_the_other_does_not():
    index = make()
    by_meaning = ask(index, "衬衫", 5)
    assert sorted(by_meaning.item_idx.tolist()) == [1, 2]
    assert by_meaning.has_meaning.all()
    assert not by_meaning.has_words.any()
    by_words = ask(index, "steel", 5)
    assert by_words.item_idx.tolist() == [3]
    assert by_words.has_words.all()
    assert not by_words.has_meaning.any()


def test_parts_add_up_to_the_score():
    found = ask(make(), "red shirt", 5, taste=np.arange(5.0))
    assert found.score == pytest.approx(found.words + found.meaning + found.taste)
    assert found.item_idx[0] == 1
    assert (np.diff(found.score) <= 0).all()


def test_taste_decides_between_what_fits_alike_and_finds_nothing_itself():
    index = make()
    for liked in (1, 2):
        taste = np.zeros(5)
        taste[liked] = 5.0
        assert ask(index, "shirt", 5, taste).item_idx[0] == liked
    taste = np.array([0.0, 0.0, 0.0, 0.0, 9.0])
    assert 4 not in ask(index, "shirt", 5, taste).item_idx


def test_a_taste_that_is_the_same_for_all_changes_nothing():
    index = make()
    same = ask(index, "red shirt", 5, np.full(5, 7.0))
    assert same.item_idx.tolist() == ask(index, "red shirt", 5).item_idx.tolist()
    assert not same.taste.any()


def test_what_is_not_available_is_never_found():
    found = ask(make(available=[True, False, True, True, True]), "red shirt", 5)
    assert 1 not in found.item_idx
    assert not len(ask(make(available=[False] * 5), "red shirt", 5, np.arange(5.0)).item_idx)


def test_without_vectors_words_alone_answer():
    found = ask(make(vectors=False), "red shirt", 5)
    assert found.item_idx[0] == 1
    assert not found.meaning.any()
    assert not len(ask(make(vectors=False), "衬衫", 5).item_idx)


def test_what_fits_nothing_is_an_empty_answer():
    found = ask(make(), "qqqq", 5)
    assert found.item_idx.shape == found.score.shape == (0,)


def test_no_more_than_asked_for():
    assert len(ask(make(), "red shirt", 1).item_idx) == 1


def test_vectors_tell_which_items_are_alike():
    index = VectorIndex(encode([*TITLES, ""]).astype(np.float16))
    assert index.like(1)[2] > 0.9 > index.like(1)[3]
    assert index.knows(1)
    assert not index.knows(5)
    assert not index.like(1)[5]
