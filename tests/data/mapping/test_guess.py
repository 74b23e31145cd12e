"""Files of well-known systems are known by their columns."""

import pyarrow as pa
import pytest

from coterie.data.mapping.guess import guess
from coterie.data.mapping.look import look_at

SOME = {
    "id": ["a1", "b2", "c3", "a1"],
    "number": ["3", "4", "5", "3"],
    "time": ["2021-01-02 10:00:00", "2021-01-03", "2021-02-03", "2021-01-02"],
    "text": ["A red one", "A blue one", "A big one", "A red one"],
    "word": ["view", "cart", "view", "purchase"],
    "flag": ["true", "false", "true", "true"],
    "nothing": [None, None, None, ""],
}


def guessed(name, /, **columns):
    looks = [
        look_at(column.replace("__", " "), pa.array(SOME[kind] * 10, pa.string()))
        for column, kind in columns.items()
    ]
    return guess(name, looks, has_names=True)


@pytest.mark.parametrize(
    ("name", "columns", "table", "roles"),
    [
        (
            "orders_export.csv",
            {
                "Name": "id",
                "Email": "id",
                "Created__at": "time",
                "Lineitem__quantity": "number",
                "Lineitem__name": "text",
                "Lineitem__price": "number",
                "Lineitem__sku": "id",
            },
            "events",
            {
                "user_id": "Email",
                "item_id": "Lineitem sku",
                "value": "Lineitem quantity",
                "ts": "Created at",
            },
        ),
        (
            "products_export.csv",
            {
                "Handle": "id",
                "Title": "text",
                "Body__(HTML)": "text",
                "Vendor": "text",
                "Type": "text",
                "Variant__SKU": "id",
                "Variant__Price": "number",
                "Image__Src": "id",
                "Tags": "text",
            },
            "items",
            {
                "item_id": "Variant SKU",
                "title": "Title",
                "description": "Body (HTML)",
                "price": "Variant Price",
                "category": "Type",
                "brand": "Vendor",
                "tags": "Tags",
                "image_uri": "Image Src",
            },
        ),
        (
            "wc-product-export.csv",
            {
                "ID": "number",
                "SKU": "id",
                "Name": "text",
                "Regular__price": "number",
                "Categories": "text",
            },
            "items",
            {"item_id": "SKU", "title": "Name", "price": "Regular price", "category": "Categories"},
        ),
        (
            "catalog_product.csv",
            {
                "sku": "id",
                "name": "text",
                "price": "number",
                "categories": "text",
                "base_image": "id",
            },
            "items",
            {
                "item_id": "sku",
                "title": "name",
                "price": "price",
                "category": "categories",
                "image_uri": "base_image",
            },
        ),
        (
            "customers.csv",
            {"customer_id": "id", "may_be_named": "flag", "Accepts__Marketing": "flag"},
            "users",
            {"user_id": "customer_id", "may_be_named": "may_be_named"},
        ),
        (
            "follows.csv",
            {"follower_id": "id", "followee_id": "id", "created_at": "time"},
            "ties",
            {"src_user_id": "follower_id", "dst_user_id": "followee_id", "since": "created_at"},
        ),
        (
            "friends.csv",
            {"user": "id", "friend": "id"},
            "ties",
            {"src_user_id": "user", "dst_user_id": "friend"},
        ),
        ("stock.csv", {"sku": "id", "quantity": "number"}, "unknown", {}),
        ("people.csv", {"customer_id": "id", "city": "text"}, "unknown", {}),
        ("settings.csv", {"key": "id", "setting": "text"}, "unknown", {}),
    ],
)
def test_a_file_is_known_by_its_columns(name, columns, table, roles):
    found = guessed(name, **columns)
    assert found.table == table
    assert found.roles == roles
    assert bool(found.why) is (table == "unknown")


def test_a_name_counts_only_where_the_values_fit_it():
    columns = {"user_id": "id", "item_id": "id", "timestamp": "text", "event_type": "word"}
    found = guessed("log.csv", **columns, rating="nothing")
    assert found.table == "events"
    assert found.roles == {"user_id": "user_id", "item_id": "item_id", "event": "event_type"}
