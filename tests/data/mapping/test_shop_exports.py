"""Exports as shop systems write them: orders with a state, products by other ids, nested logs."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.mapping.document import parse_mapping
from coterie.data.mapping.survey import survey, with_rules
from coterie.data.mapping.write import mapping_text


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "export"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    ("told", "left_out", "kept"),
    [
        ({"Status": ["active", "archived", "draft"]}, {"Status": ["archived", "draft"]}, 20),
        ({"Published": ["1", "0", "-1"]}, {"Published": ["-1", "0"]}, 20),
        ({"is_active": ["f", "f", "f"]}, None, 60),
        ({"stock_status": ["instock", "outofstock", "onbackorder"]}, None, 60),
    ],
)
def test_products_that_are_not_sold_are_learned_from_and_not_shown(folder, told, left_out, kept):
    products = {"sku": [f"S{n}" for n in range(60)], "Title": "A fine lamp"}
    products |= {name: words * 20 for name, words in told.items()}
    pd.DataFrame(products).to_csv(folder / "products.csv", index=False)
    sales = {"user_id": [n % 9 for n in range(60)], "sku": [f"S{n}" for n in range(60)]}
    pd.DataFrame(sales | {"created_at": "2025-03-01"}).to_csv(folder / "sales.csv", index=False)
    text, tables = mapped(folder)
    assert yaml.safe_load(text)["items"][0].get("leave_out") == left_out
    assert tables["items"].available.sum() == kept
    assert len(tables["events"]) == 60


def test_people_who_left_the_shop_are_kept_out_of_others_lists(folder):
    people = pd.DataFrame({"id": range(9), "email": [f"p{n}@x.org" for n in range(9)]})
    people["deleted_at"] = ["2025-02-01"] * 2 + [None] * 7
    people.to_csv(folder / "customers.csv", index=False)
    sales = {"user_id": [n % 9 for n in range(60)], "sku": [f"S{n}" for n in range(60)]}
    pd.DataFrame(sales | {"created_at": "2025-03-01"}).to_csv(folder / "sales.csv", index=False)
    text, _ = mapped(folder)
    users = pq.read_table(folder.parent / "clean" / "users.parquet").to_pandas()
    consents = users.set_index("user_id")[["may_be_used", "may_be_named"]]
    assert not consents.loc[["0", "1"]].any().any(), text
    assert consents.drop(["0", "1"]).all().all()


def mapped(folder):
    """Give the mapping that inspect writes, and the tables that it makes, by name."""
    text = mapping_text(with_rules(survey(str(folder))))
    out = folder.parent / "clean"
    ingest(str(folder), str(out), IngestConfig(max_bad_share=0.2), mapping=parse_mapping(text))
    tables = {one: pq.read_table(out / f"{one}.parquet").to_pandas() for one in ("events", "items")}
    return text, tables


def test_orders_that_came_to_nothing_are_no_purchases(folder):
    states = ["Completed", "Processing", "Cancelled", "Refunded", "Failed", "On hold"]
    rows = [
        f"{n};{states[n % 6]};{1 + n % 28:02}.03.2025 10:00;{n % 9};k{n % 9}@x.org;{100 + n % 12};"
        f"Lamp {n % 12};1;{10 + n % 7},50 €"
        for n in range(120)
    ]
    head = "Order Number;Order Status;Order Date;Customer User ID;Email (Billing);Product ID;"
    text = head + "Item Name;Quantity;Item Cost\n" + "\n".join(rows)
    (folder / "orders.csv").write_text(text, "cp1252")
    text, tables = mapped(folder)
    part = yaml.safe_load(text)["events"][0]["columns"]
    assert part["user_id"] == "Customer User ID"
    assert part["event"]["drop"] == ["Cancelled", "Failed", "On hold"]
    # The state of an order changes from one export to the next; its id must not.
    assert "Order Status" not in part["event_id"]["digest"]
    assert "Order Number" in part["event_id"]["digest"]
    counts = tables["events"].event.value_counts().to_dict()
    assert counts == {"purchase": 40, "return": 20}
    assert (
        sorted(set(tables["items"].price))
        == [10.5 + n for n in range(7)][: len(set(tables["items"].price))]
    )
    assert "Lamp 3" in set(tables["items"].title)


def test_a_state_that_only_the_first_row_of_an_order_has_leaves_rows_out(folder):
    head = "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem sku,"
    head += "Lineitem fulfillment status,Cancelled at\n"
    rows = []
    for n in range(60):
        at = f"2025-03-{1 + n % 28:02} 10:00:{n % 60:02} +0100"
        state, gone = ("voided", at) if n % 10 == 0 else ("paid", "")
        rows += [f"#{n},u{n % 7}@x.org,{state},{at},1,Lamp,A{n % 9},fulfilled,{gone}"]
        rows += [f"#{n},u{n % 7}@x.org,,{at},1,Cup,B{n % 9},pending,"]
    (folder / "orders_export.csv").write_text(head + "\n".join(rows))
    text, tables = mapped(folder)
    part = yaml.safe_load(text)["events"][0]
    assert part["leave_out"] == {"Financial Status": ["voided"], "Cancelled at": "any"}
    assert "Lineitem fulfillment status" not in part["columns"]["event_id"]["digest"]
    assert "Name" in part["columns"]["event_id"]["digest"]
    assert len(tables["events"]) == 114


def test_products_are_known_by_the_ids_that_events_name(folder):
    products = {"ID": range(100, 160), "SKU": [f"S{n}" for n in range(60)], "Name": "A fine lamp"}
    products |= {
        "Type": ["variable"] * 40 + ["variation"] * 20,
        "Categories": "Light > Desk, Light",
    }
    products |= {"Images": "https://x.org/a.jpg, https://x.org/b.jpg"}
    pd.DataFrame(products).to_csv(folder / "wc-products.csv", index=False)
    guests = [0] * 30 + [n + 1 for n in range(60)]
    bought = {"user_id": guests, "product_id": [100 + n % 60 for n in range(90)]}
    dated = {"created_at": "2025-03-01 10:00:00", "order_id": range(90)}
    pd.DataFrame(bought | dated).to_csv(folder / "sales.csv", index=False)
    text, tables = mapped(folder)
    assert yaml.safe_load(text)["items"][0]["columns"]["item_id"] == "ID"
    items = tables["items"].set_index("item_id")
    assert (items.category["105"], items.image_uri["105"]) == ("Light/Desk", "https://x.org/a.jpg")
    assert items.available.sum() == 40
    assert "0" not in set(tables["events"].user_id)


def test_a_table_named_after_products_may_call_its_key_id(folder):
    stamp = pd.Timestamp("2025-01-01")
    products = pd.DataFrame({"id": range(60), "name": "A fine lamp", "price_cents": 1295})
    products["deleted_at"] = [stamp] * 5 + [pd.NaT] * 55
    products.to_parquet(folder / "products.parquet")
    lines = {
        "id": range(90),
        "user_id": [n % 9 for n in range(90)],
        "product_id": [n % 60 for n in range(90)],
    }
    pd.DataFrame(lines | {"created_at": stamp}).to_parquet(folder / "order_lines.parquet")
    friends = {
        "user_id": [1, 2, 3],
        "friend_id": [2, 3, 4],
        "status": ["accepted", "pending", "blocked"],
    }
    pd.DataFrame(friends).to_parquet(folder / "friendships.parquet")
    text, tables = mapped(folder)
    items = tables["items"].set_index("item_id")
    assert items.price["10"] == 12.95
    assert items.available[["3", "10"]].tolist() == [False, True]
    ties = pq.read_table(folder.parent / "clean" / "ties.parquet").num_rows
    assert ties == 2, text


def test_tables_that_name_people_and_items_only_together_are_told_to_be_joined(folder):
    orders = {"id": range(30), "user_id": [n % 9 for n in range(30)], "created_at": "2025-01-01"}
    pd.DataFrame(orders).to_csv(folder / "orders.csv", index=False)
    lines = {"id": range(30), "order_id": range(30), "product_id": [n % 7 for n in range(30)]}
    pd.DataFrame(lines).to_csv(folder / "order_items.csv", index=False)
    [said] = [one for one in survey(str(folder)).problems if "join" in one]
    assert said.startswith(
        "order_items.csv names items and orders.csv people: join them by order_id"
    )


def test_a_log_of_events_with_lists_of_items_needs_no_script(folder):
    def row(n, name, *items):
        listed = [
            {
                "item_id": f"i{i}",
                "item_name": f"Lamp {i}",
                "item_category": "Light",
                "price": 2.5,
                "item_brand": "(not set)",
            }
            for i in items
        ]
        return {
            "event_date": "20250303",
            "event_timestamp": str(1740997832413000 + n * 10**6),
            "event_name": name,
            "event_params": [{"key": "ga_session_id", "value": {"int_value": n}}],
            "user_id": str(n % 9) if n % 3 else None,
            "user_pseudo_id": f"{n % 9 + 1000}.1700000000",
            "device": {"category": "mobile"},
            "items": listed,
        }

    rows = [row(n, "view_item", n % 20) for n in range(60)]
    rows += [row(100 + n, "purchase", n % 20, (n + 1) % 20) for n in range(20)]
    rows += [
        row(200, "page_view"),
        row(201, "view_item_list", 1, 2, 3),
        row(202, "begin_checkout", 1),
    ]
    (folder / "events_20250303.json").write_text("".join(json.dumps(r) + "\n" for r in rows))
    text, tables = mapped(folder)
    part = yaml.safe_load(text)["events"][0]
    assert part["form"] == {"each": "items"}
    assert part["columns"]["user_id"] == {"from": ["user_id", "user_pseudo_id"]}
    assert tables["events"].event.value_counts().to_dict() == {"view": 60, "purchase": 40}
    items = tables["items"].set_index("item_id")
    assert (items.title["i3"], items.category["i3"], items.brand["i3"]) == ("Lamp 3", "Light", None)
