import pyarrow as pa
import pytest

from coterie.content.texts import TextSettings, item_texts, price_words
from coterie.errors import BadInputError


def catalogue(**columns):
    count = max(len(values) for values in columns.values())
    empty = {
        "item_id": [f"i{row}" for row in range(count)],
        "price": [None] * count,
        **{name: [None] * count for name in ("title", "brand", "category", "description", "tags")},
    }
    types = {"price": pa.float64()}
    return pa.table(
        {
            name: pa.array(values, types.get(name, pa.string()))
            for name, values in {**empty, **columns}.items()
        }
    )


def test_a_text_has_a_line_of_each_thing_that_is_known_and_none_of_others():
    items = catalogue(
        title=[" Blue \n lamp ", "Chair"],
        brand=["Acme", ""],
        category=["Home/Light", None],
        tags=["cosy|small", "  "],
        description=["Shines.", None],
    )
    assert item_texts(items) == ["Blue lamp\nAcme\nHome > Light\ncosy|small\nShines.", "Chair"]


def test_a_text_is_bounded_and_the_title_outlives_the_rest():
    items = catalogue(title=["灯" * 30], description=["x" * 5000])
    (text,) = item_texts(items, TextSettings(max_characters=40, max_description=20))
    assert text == "灯" * 30 + "\n" + "x" * 9


def test_an_item_of_nothing_has_an_empty_text():
    assert item_texts(catalogue(title=[None])) == [""]
    assert item_texts(catalogue(title=["a"]).slice(0, 0)) == []


def test_a_catalogue_without_a_column_has_its_other_lines():
    assert item_texts(catalogue(title=["Lamp"]).drop_columns(["tags"])) == ["Lamp"]


def test_reviews_are_added_as_far_as_they_are_given_and_few_and_short():
    items = catalogue(title=["Lamp", "Chair"])
    said = {"i0": ["bright " * 9, "fine", "broke"], "other": ["no"]}
    lines = item_texts(items, TextSettings(max_reviews=2, max_review=6), said)
    assert lines == ["Lamp\nbright fine", "Chair"]


def test_a_price_is_told_within_its_category_only():
    items = catalogue(
        category=["a"] * 5 + ["b"] * 5 + ["c"],
        price=[1.0, 2.0, 3.0, 4.0, 5.0, 100.0, 500.0, 300.0, 200.0, 400.0, 7.0],
    )
    order = ["very cheap", "cheap", "mid-priced", "expensive", "very expensive"]
    b = ["very cheap", "very expensive", "mid-priced", "cheap", "expensive"]
    assert price_words(items).to_pylist() == [*order, *b, None]


def test_equal_prices_are_equally_dear_and_items_without_one_say_nothing():
    items = catalogue(category=["a"] * 7, price=[3.0] * 6 + [None])
    assert price_words(items).to_pylist() == ["mid-priced"] * 6 + [None]
    assert price_words(catalogue(title=["a", "b"])).to_pylist() == [None, None]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(BadInputError, match="1 character or more"):
        TextSettings(max_characters=0)
