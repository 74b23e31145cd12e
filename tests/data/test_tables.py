import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop_files import small_shop, write_rows, write_shop

from coterie.data.tables import open_folder
from coterie.errors import BadInputError
from coterie.schema import EVENTS, ITEMS, TIES


def read(table, path):
    """Each row as a dict of texts, with its file, its number, and what is wrong with it."""
    rows = []
    with open_folder(str(path)) as folder:
        for chunk in folder.chunks(table):
            texts = {name: column.cast(pa.string()) for name, column in chunk.columns.items()}
            faults = {f"!{name}": fault for name, fault in chunk.faults.items()}
            for row in pa.table(texts | faults).to_pylist():
                rows.append(row | {"file": chunk.file})
            for row, number in zip(rows[-len(chunk) :], chunk.rows.tolist(), strict=True):
                row["row"] = number
    return rows


def of(rows, name):
    return [row[name] for row in rows]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_every_form_is_read_in_the_order_of_its_rows(tmp_path, form):
    rows = read(EVENTS, write_shop(tmp_path, small_shop(), form))
    assert of(rows, "event_id") == [f"e{i:03d}" for i in range(40)]
    assert set(of(rows, "file")) == {f"events.{form}"}
    assert of(rows, "row") == list(range(1, 41))


def test_part_files_are_read_in_the_order_of_their_names(tmp_path):
    events = small_shop()["events"]
    (tmp_path / "events").mkdir()
    write_rows(tmp_path / "events" / "b.jsonl", events[25:])
    write_rows(tmp_path / "events" / "a.csv", events[:25])
    (tmp_path / "events" / "_SUCCESS").touch()
    rows = read(EVENTS, tmp_path)
    assert of(rows, "event_id") == [row["event_id"] for row in events]
    assert sorted(set(of(rows, "file"))) == ["events/a.csv", "events/b.jsonl"]
    assert of(rows, "row") == [*range(1, 26), *range(1, 16)]


def test_a_folder_beside_a_file_has_more_of_the_table(tmp_path):
    """A shop's own export, and the events that came since."""
    events = small_shop()["events"]
    write_rows(tmp_path / "events.csv", events[:25])
    (tmp_path / "events").mkdir()
    write_rows(tmp_path / "events" / "since.parquet", events[25:])
    rows = read(EVENTS, tmp_path)
    assert of(rows, "event_id") == [row["event_id"] for row in events]
    assert of(rows, "file") == ["events.csv"] * 25 + ["events/since.parquet"] * 15


def test_a_folder_may_have_any_name(tmp_path):
    folder = write_shop(tmp_path / "odd [1] {b}*? é", small_shop(), "csv")
    assert len(read(TIES, folder)) == 5


def test_a_store_is_read_through_fsspec():
    store = fsspec.filesystem("memory")
    lines = b"src_user_id,dst_user_id,kind\nu1,u2,friend\n"
    store.pipe_file("/tables-test/ties.csv", lines)
    [row] = read(TIES, "memory://tables-test")
    assert (row["dst_user_id"], row["file"]) == ("u2", "ties.csv")
    store.rm("/tables-test", recursive=True)


def test_a_key_that_only_the_last_line_holds_is_read(tmp_path):
    shop = small_shop()["events"] * 30
    write_rows(tmp_path / "events.jsonl", [*shop, {**shop[0], "text": "late"}])
    assert read(EVENTS, tmp_path)[-1]["text"] == "late"


def test_a_row_of_another_width_is_told(tmp_path):
    lines = "item_id,title,price\ni1,Pan,1\ni2,Pan, big,2\ni3,Pot\ni4,Lid,\n"
    (tmp_path / "items.csv").write_text(lines)
    told = {row["row"]: row.get("!") for row in read(ITEMS, tmp_path)}
    wide, narrow = "more fields than the header", "fewer fields than the header"
    assert told == {1: None, 2: wide, 3: narrow, 4: None}


def test_ids_of_csv_stay_text_and_a_byte_order_mark_is_no_part_of_them(tmp_path):
    (tmp_path / "items.csv").write_text("\ufeffitem_id,title\n007,Pan\n", encoding="utf-8")
    assert of(read(ITEMS, tmp_path), "item_id") == ["007"]


def refusal(tmp_path, name, content, table=ITEMS):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read(table, tmp_path)
    return str(caught.value)


def test_a_missing_column_is_named_with_its_file(tmp_path):
    said = refusal(tmp_path, "items.csv", b"item_id,price\ni1,2\n")
    assert said.startswith("items.csv lacks column title; it has item_id, price")


def test_another_delimiter_is_told(tmp_path):
    said = refusal(tmp_path, "items.csv", b"item_id;title\ni1;Pan\n")
    assert said.endswith("fields seem to be parted by ';': coterie inspect reads that")


def test_an_empty_file_is_refused(tmp_path):
    assert refusal(tmp_path, "items.csv", b"").startswith("items.csv is empty")


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    whole = tmp_path / "whole.parquet"
    write_rows(whole, small_shop()["items"])
    said = refusal(tmp_path, "items.parquet", whole.read_bytes()[:-20])
    assert said.startswith("items.parquet is no whole Parquet file")


def test_a_parquet_file_spoilt_in_the_middle_is_refused(tmp_path):
    write_rows(tmp_path / "whole.parquet", small_shop()["items"] * 500)
    content = bytearray((tmp_path / "whole.parquet").read_bytes())
    content[4:60] = b"\xff" * 56
    assert refusal(tmp_path, "items.parquet", bytes(content)).startswith("items.parquet cannot be")


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_another_encoding_is_refused_with_its_line(tmp_path, name):
    lines = {
        "items.csv": "item_id,title\ni1,Pan\ni2,Café\n",
        "items.jsonl": '{"item_id":"i1","title":"Pan"}\n\n{"item_id":"i2","title":"Café"}\n',
    }
    said = refusal(tmp_path, name, lines[name].encode("latin-1"))
    assert said.startswith(f"{name} is not in UTF-8 (line 3: byte 0xe9)")


def test_utf_16_is_refused(tmp_path):
    content = "item_id,title\ni1,Pan\n".encode("utf-16-le")
    said = refusal(tmp_path, "items.csv", content)
    assert "is not in UTF-8" in said
    assert "iconv -f utf-16-le -t utf-8" in said


def test_a_broken_line_of_json_is_named(tmp_path):
    good = b'{"item_id":"i1","title":"Pan"}\n' * 1500
    said = refusal(tmp_path, "items.jsonl", good + b'{"item_id":"i2",}\n')
    assert said.startswith("items.jsonl cannot be read: line 1501, column")


def test_a_misspelt_optional_column_is_refused_and_an_unknown_one_noted(tmp_path):
    said = refusal(tmp_path, "items.csv", b"item_id,title,image_url\ni1,Pan,x\n")
    assert said == "items.csv has column image_url: rename it image_uri, or leave it out"
    (tmp_path / "items.csv").write_bytes(b"item_id,title,colour\ni1,Pan,red\n")
    with open_folder(str(tmp_path)) as folder:
        assert folder.unknown_columns(ITEMS) == ("colour",)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    assert "column 'title' more than once" in refusal(
        tmp_path, "items.csv", b"item_id,title,title\na,b,c\n"
    )


def test_a_type_that_cannot_be_an_id_is_refused(tmp_path):
    pq.write_table(pa.table({"item_id": [True], "title": ["Pan"]}), tmp_path / "items.parquet")
    with pytest.raises(BadInputError, match=r"items.parquet: column item_id is stored as bool"):
        read(ITEMS, tmp_path)


def test_a_table_in_two_forms_is_refused(tmp_path):
    write_rows(tmp_path / "items.csv", small_shop()["items"])
    write_rows(tmp_path / "items.jsonl", small_shop()["items"])
    with pytest.raises(BadInputError, match="has items more than once"):
        read(ITEMS, tmp_path)
