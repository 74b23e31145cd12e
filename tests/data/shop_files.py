"""A tiny shop as files in any form, for tests to spoil."""

import csv
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NUM_USERS, NUM_ITEMS, NUM_EVENTS = 5, 4, 40

Shop = dict[str, list[dict[str, object]]]


def small_shop() -> Shop:
    """40 events of 5 shoppers with 4 items, 5 ties of friends in a ring, all of it good."""
    kinds = ("view", "click", "cart", "purchase")
    events = [
        {
            "event_id": f"e{i:03d}",
            "user_id": f"u{i % NUM_USERS}",
            "item_id": f"i{i % NUM_ITEMS}",
            "event": kinds[i % 4],
            "value": "",
            "text": "",
            "ts": f"2024-01-{1 + i // 2:02d}T10:{i:02d}:00Z",
            "referrer_user_id": "u1" if i % 10 == 0 else "",
        }
        for i in range(NUM_EVENTS)
    ]
    ties = [
        {"src_user_id": f"u{i}", "dst_user_id": f"u{(i + 1) % NUM_USERS}", "kind": "friend"}
        for i in range(NUM_USERS)
    ]
    items = [
        {"item_id": f"i{i}", "title": f"Thing {i}", "price": str(i + 0.5), "available": "true"}
        for i in range(NUM_ITEMS)
    ]
    return {"events": events, "ties": ties, "items": items}


def write_shop(folder: Path, shop: Shop, form: str = "csv") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in shop.items():
        write_rows(folder / f"{name}.{form}", rows)
    return str(folder)


def write_rows(file: Path, rows: list[dict[str, object]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows(rows)
    elif file.suffix == ".jsonl":
        lines = [json.dumps({k: v for k, v in row.items() if v != ""}) for row in rows]
        file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    else:
        table = {c: [row.get(c) or None for row in rows] for c in columns}
        pq.write_table(pa.table(table), file)


def real_data(name: str) -> Path:
    """A folder of real data; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("COTERIE_DATA", str(beside))) / name
    if not folder.exists():
        pytest.skip(f"no real data at {folder}: set COTERIE_DATA to a folder with {name}")
    return folder
