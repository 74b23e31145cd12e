"""What simulated items say of themselves: words in two languages, and pictures."""

import re
from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from coterie.content.encoder import unit_rows
from coterie.content.texts import item_texts
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.simulate.pictures import paint, png
from coterie.data.simulate.shapes import OUTLINES
from coterie.data.simulate.words import SHELVES
from coterie.data.simulate.words_zh import CHINESE

HAN = re.compile(r"[\u4e00-\u9fff]")
ITEMS = ShopConfig(num_users=30, num_items=1_500, num_events=300, days=5, pictures=True)
SHELF = next(row for row, shelf in enumerate(SHELVES) if shelf.path == "Fashion/Women/Dresses")


@pytest.fixture(scope="module")
def pictured():
    return simulate(ITEMS)


@pytest.fixture(scope="module")
def dresses(pictured):
    """Rows of one shelf, where a nearest item of the same style is one in six by chance."""
    return np.flatnonzero(pictured.assortment.shelf == SHELF)


@pytest.fixture(scope="module")
def files(pictured, dresses):
    """Their pictures."""
    [(rows, pictures)] = paint(only(pictured.looks, dresses))
    assert rows.tolist() == list(range(len(dresses)))
    return [png(pixels) for pixels in pictures]


def only(looks, rows):
    """The looks of some items."""
    return replace(looks, **{one.name: getattr(looks, one.name)[rows] for one in fields(looks)})


def test_every_word_has_its_chinese():
    assert set(CHINESE) == {shelf.path for shelf in SHELVES} == set(OUTLINES)
    for shelf in SHELVES:
        chinese = CHINESE[shelf.path]
        for words in ("styles", "nouns", "details", "uses"):
            assert len(getattr(shelf, words)) == len(getattr(chinese, words)), shelf.path
            assert len(set(getattr(chinese, words))) == len(getattr(chinese, words)), shelf.path


def test_a_fifth_of_the_items_are_titled_in_chinese_and_all_described_in_both(pictured):
    chinese = np.array([bool(HAN.search(title)) for title in pictured.items["title"].to_pylist()])
    assert 0.16 < chinese.mean() < 0.24
    for text in pictured.items["description"].to_pylist():
        assert HAN.search(text)
        assert re.search(r"\b(made|pick|right|chosen)\b", text)


def test_words_say_the_style_of_all_but_a_few(pictured):
    goods = pictured.assortment
    said = [
        SHELVES[shelf].styles[style] in text and CHINESE[SHELVES[shelf].path].styles[style] in text
        for shelf, style, text in zip(
            goods.shelf.tolist(), goods.style.tolist(), item_texts(pictured.items), strict=True
        )
    ]
    assert np.mean(said) == pytest.approx(1 - ITEMS.vague, abs=0.04)


def test_words_and_pictures_leave_all_that_happens_as_it_was(pictured):
    plain = simulate(replace(ITEMS, pictures=False, chinese=0.7, vague=0.6))
    for name in ("events", "ties", "users", "truth"):
        assert getattr(plain, name).equals(getattr(pictured, name))
    without = [name for name in plain.items.column_names if name not in WORDED]
    assert plain.items.select(without).equals(pictured.items.select(without))
    assert plain.items["image_uri"].null_count == ITEMS.num_items


WORDED = ("title", "description", "image_uri")


def test_the_same_seed_paints_the_same_pictures_beside_the_tables(tmp_path):
    small = replace(ITEMS, num_items=20)
    for folder in ("one", "other"):
        simulate(small).write(tmp_path / folder)
    uris = simulate(small).items["image_uri"].to_pylist()
    assert uris[3] == "pictures/item-0003.png"
    assert len(list((tmp_path / "one" / "pictures").iterdir())) == 20
    pictures = [(tmp_path / "one" / uri).read_bytes() for uri in uris]
    assert pictures == [(tmp_path / "other" / uri).read_bytes() for uri in uris]
    assert len(set(pictures)) == 20


def test_a_picture_reads_back_as_it_was_painted(pictured, dresses):
    pictures = pytest.importorskip("coterie.content.pictures", reason="the extra content")
    [(_, painted)] = paint(only(pictured.looks, dresses[:2]))
    assert (np.asarray(pictures.open_picture(png(painted[1]))) == painted[1]).all()


def test_text_vectors_tell_the_style(pictured, dresses, texts_encoder):
    texts = item_texts(pictured.items.take(pa.array(dresses)))
    assert same_style(pictured, dresses, texts_encoder.encode(texts).vectors) > 0.3


def test_picture_vectors_tell_the_style(pictured, dresses, files, pictures_encoder):
    assert same_style(pictured, dresses, pictures_encoder.encode(files).vectors) > 0.45


def test_where_words_and_pictures_are_all_vague_they_tell_nothing_of_the_style(dresses):
    vague = simulate(replace(ITEMS, vague=0.999))
    shown = vague.looks.pattern[dresses] == vague.assortment.style[dresses]
    assert shown.mean() < 0.4
    titles = vague.items["title"].take(pa.array(dresses))
    plain = pc.match_substring_regex(titles, "Classic|Everyday|Simple|Modern|经典|日常|简约|现代")
    assert pc.mean(pc.cast(plain, pa.float64())).as_py() > 0.8


def same_style(shop, rows, vectors):
    """Share of items whose nearest is of their style; by chance one in six."""
    scores = unit_rows(vectors) @ unit_rows(vectors).T
    np.fill_diagonal(scores, -np.inf)
    style = shop.assortment.style[rows]
    return (style == style[scores.argmax(axis=1)]).mean()
