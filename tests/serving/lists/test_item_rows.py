"""Items made when they are asked for are those that a catalogue says, as changes leave them."""

import pyarrow as pa

from coterie.schema import RELEASED_ITEMS
from serving.lists import catalogue
from serving.lists.catalogue import ItemRows
from serving.schemas import Item

TABLE = pa.Table.from_pylist(
    [
        {"item_id": "a", "title": "Rake", "category": "Garden", "price": 3.5, "available": False},
        {"item_id": "b", "title": "Cup", "image_uri": "pictures/b.png"},
        {"item_id": "c", "title": "Pan", "category": "Kitchen", "image_uri": "s3://shop/c.png"},
    ],
    RELEASED_ITEMS,
)


def test_rows_are_what_the_table_says(monkeypatch):
    monkeypatch.setattr(catalogue, "_MADE", 1)  # what is no longer kept is made again
    rows = ItemRows(TABLE)
    expected = [
        Item(item_id="a", title="Rake", category="Garden", price=3.5, available=False),
        Item(item_id="b", title="Cup", image="pictures/b.png"),
        Item(item_id="c", title="Pan", category="Kitchen"),
    ]
    for _ in range(2):
        assert [rows[row] for row in range(len(rows))] == expected


def test_changes_and_later_items_are_seen_in_rows_and_in_words():
    rows = ItemRows(TABLE)
    assert rows.texts().to_pylist() == ["Rake Garden", "Cup ", "Pan Kitchen"]
    rows[1] = rows[1].model_copy(update={"title": "Mug", "category": "Kitchen"})
    rows.add([Item(item_id="d", title="New")])
    assert [rows[row].title for row in range(4)] == ["Rake", "Mug", "Pan", "New"]
    rows[3] = rows[3].model_copy(update={"title": "Newer"})
    assert rows.texts().to_pylist() == ["Rake Garden", "Mug Kitchen", "Pan Kitchen", "Newer "]


def test_there_may_be_no_items():
    rows = ItemRows(TABLE.slice(0, 0))
    rows.add([Item(item_id="d", title="New")])
    assert [len(rows), rows[0].item_id, rows.texts().to_pylist()] == [1, "d", ["New "]]
