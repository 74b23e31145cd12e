"""Files that no service watches forget a person, or are named."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.cli.main import main
from coterie.data.ingest import IngestConfig, ingest
from coterie.errors import BadInputError
from coterie.privacy.forget import forget
from coterie.schema import FRIEND_WIDTHS

WHO = "zoë-7"


@pytest.fixture
def shop(tmp_path):
    raw = tmp_path / "raw"
    (raw / "events").mkdir(parents=True)
    heads = "event_id,user_id,item_id,event,ts,referrer_user_id,text\n"
    (raw / "events" / "a.csv").write_text(
        heads + f'1,{WHO},p,view,2026-01-01,,"a, b"\n2,ana,p,view,2026-01-01,{WHO},"c, ""d"""\n'
    )
    (raw / "events" / "b.csv.gz").write_bytes(
        gzip.compress(f"{heads}3,{WHO},p,view,2026-01-01,,\n".encode())
    )
    ties = [{"src_user_id": WHO, "dst_user_id": "ana", "kind": "follow"}]
    ties.append({"src_user_id": "bea", "dst_user_id": "ana", "kind": "follow"})
    (raw / "ties.jsonl").write_text("".join(json.dumps(tie) + "\n" for tie in ties))
    pq.write_table(pa.table({"item_id": ["p"], "title": ["Pan"]}), raw / "items.parquet")
    ids = [[WHO, "bea"], ["bea"], None]
    columns = {"user_id": ["ana", WHO, "cleo"], "friend_ids": ids}
    for name, width in FRIEND_WIDTHS.items():
        if name != "friend_ids":
            columns[name] = [of and list(range(len(of) * width)) for of in ids]
    pq.write_table(pa.table(columns), tmp_path / "features.parquet")
    return tmp_path


def test_tables_lose_a_person_and_their_name_in_rows_of_others(shop):
    found = forget(WHO, [str(shop)])
    assert {name.rpartition("/")[2]: num for name, num in found.rows.items()} == {
        "a.csv": 2,
        "ties.jsonl": 1,
        "features.parquet": 2,
    }
    # What is packed is named, not passed over.
    assert [name.rpartition("/")[2] for name in found.left] == ["b.csv.gz"]
    [_head, line] = (shop / "raw" / "events" / "a.csv").read_text().splitlines()
    assert line == '2,ana,p,view,2026-01-01,,"c, ""d"""'
    rows = pq.read_table(shop / "features.parquet").to_pylist()
    assert [row["user_id"] for row in rows] == ["ana", "cleo"]
    assert rows[0]["friend_ids"] == ["bea"]
    for name, width in FRIEND_WIDTHS.items():
        assert name == "friend_ids" or rows[0][name] == list(range(width, 2 * width))
    assert rows[1]["friend_ids"] is None
    assert forget(WHO, [str(shop)]).rows == {}


def test_clean_tables_are_named_and_right_after_the_next_ingest(shop):
    raw, clean = str(shop / "raw"), shop / "clean"
    config = IngestConfig()
    ingest(raw, str(clean), config)
    found = forget(WHO, [raw, str(clean)])
    assert {why for name, why in found.left.items() if "/clean/" in name} == {"ingest again"}
    (shop / "raw" / "events" / "b.csv.gz").unlink()
    ingest(raw, str(clean), config)
    assert forget(WHO, [str(clean)]).left == {}


def test_the_command_says_what_is_left_and_fails_for_it(shop, capsys):
    assert main(["forget", WHO, str(shop)]) == 2
    said = capsys.readouterr()
    done, left = said.out.split("still with the id, or maybe: ")
    assert "a.csv" in done
    assert left.splitlines()[1].endswith("b.csv.gz"), left
    assert said.err.startswith("coterie: 1 files still hold the id, or may: do what is said")
    assert len(said.err.splitlines()) == 1
    (shop / "raw" / "events" / "b.csv.gz").unlink()
    assert main(["forget", WHO, str(shop)]) == 0


def test_what_is_no_folder_is_said(shop):
    with pytest.raises(BadInputError, match="no folder"):
        forget(WHO, [str(shop / "nowhere")])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"user_id\n\xff\n"),
        ("a.jsonl", b'{"user_id": "ana"\n'),
        ("a.jsonl", b"[1]\n"),
        ("a.parquet", b"no parquet"),
        ("a.csv.gz", b"no gzip"),
        ("b.csv.gz", gzip.compress(b"user_id\nana\n", mtime=0)[:-4]),
    ],
)
def test_a_spoilt_file_is_named_and_all_others_are_rewritten(shop, name, content):
    spoilt = shop / "a" / name
    spoilt.parent.mkdir()
    spoilt.write_bytes(content)
    found = forget(WHO, [str(shop)])
    assert "mend it, or remove it" in found.left[str(spoilt)]
    assert spoilt.read_bytes() == content
    assert len(found.rows) == 3


def table_of(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("who", "ids"),
    [
        ("42", [42, 43]),
        ("42", [42.0, 43.0]),
        ("42", ["42.0", "43"]),
        ("42", pa.array(["42", "43"], pa.large_string())),
        ("42", pa.array(["42", "43"]).dictionary_encode()),
        ("zoë", [" zoe\u0308", "bea"]),
        ('a"b\\', ['a"b\\', "bea"]),
    ],
    ids=["numbers", "fractions", "texts of numbers", "large", "coded", "composed", "quoted"],
)
def test_an_id_is_found_in_whatever_form_ingest_would_take_it(tmp_path, who, ids):
    found = forget(who, [str(table_of(tmp_path, user_id=ids, item_id=["p", "q"]))])
    assert [*found.rows.values()] == [1]
    assert found.left == {}
    assert pq.read_table(tmp_path / "t.parquet")["item_id"].to_pylist() == ["q"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_lines_are_found_in_whatever_form_ingest_would_take_them(tmp_path, suffix):
    rows = [{"user_id": " zoe\u0308", "item_id": "p"}, {"user_id": "bea", "item_id": "q"}]
    lines = {
        "csv": ["user_id,item_id", *(",".join(row.values()) for row in rows)],
        "jsonl": [json.dumps(row) for row in rows],
    }
    (tmp_path / f"t.{suffix}").write_text("\n".join(lines[suffix]))
    found = forget("zoë", [str(tmp_path)])
    assert ([*found.rows.values()], found.left) == ([1], {})
    assert "zoe" not in (tmp_path / f"t.{suffix}").read_text()


@pytest.mark.parametrize(
    "note",
    [
        pa.array(["for zoë", ""], pa.large_string()),
        pa.array(["for zoë", ""]).dictionary_encode(),
        pa.array([b"for zo\xc3\xab", b""]),
        [{"by": ["zoë"]}, {"by": []}],
        [["zoe\u0308"], []],
    ],
    ids=["large", "coded", "bytes", "nested", "composed"],
)
def test_a_file_that_says_it_anywhere_is_named(tmp_path, note):
    found = forget("zoë", [str(table_of(tmp_path, note=note))])
    assert [why.partition(":")[0] for why in found.left.values()] == [
        "of no form that is known here"
    ]


def test_a_number_is_a_person_only_where_people_may_stand(tmp_path):
    assert forget("42", [str(table_of(tmp_path, price=[42.0], value=[42.0]))]).left == {}
    assert forget("42", [str(table_of(tmp_path, buyer=[42]))]).left
    assert forget("42", [str(table_of(tmp_path, buyer=[142]))]).left == {}
    (tmp_path / "t.parquet").unlink()
    (tmp_path / "counts.json").write_text('{"rows": 1420, "at": "2025-01-01T10:42:00Z"}')
    assert list(forget("42", [str(tmp_path)]).left) == [str(tmp_path / "counts.json")]
    (tmp_path / "counts.json").write_text('{"rows": 1420, "items": ["p142"]}')
    assert forget("42", [str(tmp_path)]).left == {}
    (tmp_path / "log.sqlite").write_bytes(b"\x00\x1f1742view")
    assert forget("42", [str(tmp_path)]).left


@pytest.mark.parametrize("text", ['{"who": "zo\\u00eb"}', '{"who": "zoë"}'], ids=["escaped", "not"])
def test_other_files_are_named_however_they_spell_it(tmp_path, text):
    (tmp_path / "notes.json").write_text(text)
    assert forget("zoë", [str(tmp_path)]).left
