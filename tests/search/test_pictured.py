"""A query finds what looks as what it says, as far as the shop's own pairs tell."""

import numpy as np
import pytest

from coterie.content.encoder import unit_rows
from coterie.search.meaning import VectorIndex
from coterie.search.pictured import LEAST_PAIRS, expected_texts

KINDS, COUNT = 6, 900


@pytest.fixture(scope="module")
def shop():
    """Texts and pictures of six kinds of products; of every seventh there is no text."""
    rng = np.random.default_rng(0)
    kind = np.arange(COUNT) % KINDS
    texts = unit_rows(np.eye(KINDS, 16)[kind] + rng.normal(0, 0.08, (COUNT, 16)))
    pictures = unit_rows(np.eye(KINDS, 24)[kind] + rng.normal(0, 0.08, (COUNT, 24)))
    texts[::7] = 0
    pictures[1::31] = 0
    return kind, texts.astype(np.float16), pictures.astype(np.float16)


def test_what_has_no_text_is_found_by_its_picture(shop):
    kind, texts, pictures = shop
    silent = ~np.any(texts, axis=1) & np.any(pictures, axis=1)
    for asked in range(KINDS):
        query = np.eye(KINDS, 16)[asked]
        alone = VectorIndex(texts).cosines(query)
        found = VectorIndex(texts, pictures=VectorIndex(pictures)).cosines(query)
        assert not alone[silent].any()
        assert found[silent & (kind == asked)].min() > 0.3
        assert found[silent & (kind != asked)].max() < 0.3


def test_text_and_picture_are_added_up_and_one_alone_counts_as_it_is(shop):
    _, texts, pictures = shop
    query = np.eye(KINDS, 16)[1]
    alone = VectorIndex(texts)
    found = VectorIndex(texts, pictures=VectorIndex(pictures)).cosines(query)
    seen = (
        expected_texts(alone._unit, VectorIndex(pictures)._unit)
        @ alone._whitening.apply(query[None])[0]
    )
    said = alone.cosines(query)
    both = np.any(texts, axis=1) & np.any(pictures, axis=1)
    np.testing.assert_allclose(found[both], (said + seen)[both] / np.sqrt(2), atol=1e-5)
    np.testing.assert_allclose(found[~both], (said + seen)[~both], atol=1e-5)


def test_nothing_of_an_items_own_text_is_in_what_its_picture_lets_expect():
    rng = np.random.default_rng(1)
    texts = unit_rows(rng.normal(size=(700, 8)))
    noise = unit_rows(rng.normal(size=(700, 200)))
    own = (expected_texts(texts, noise) * texts).sum(axis=1)
    assert abs(own.mean()) < 0.1


def test_items_alike_in_words_are_so_whatever_they_look_like(shop):
    _, texts, pictures = shop
    with_pictures = VectorIndex(texts, pictures=VectorIndex(pictures))
    np.testing.assert_array_equal(with_pictures.like(1), VectorIndex(texts).like(1))
    assert not with_pictures.knows(0)


def test_a_few_pairs_teach_nothing(shop):
    _, texts, pictures = shop
    few = slice(0, LEAST_PAIRS)
    assert expected_texts(texts[few].astype(np.float32), VectorIndex(pictures[few])._unit) is None
    query = np.eye(KINDS, 16)[2]
    same = VectorIndex(texts[few], pictures=VectorIndex(pictures[few]))
    np.testing.assert_array_equal(same.cosines(query), VectorIndex(texts[few]).cosines(query))
