"""Delimited text is read whole, or the run stops and names the line."""

import csv
import gzip
import io
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data import delimited
from coterie.data.chunks import FileForm
from coterie.data.formats import columns_of, read_chunks
from coterie.errors import BadInputError

PLAIN = FileForm()


def rows_of(file, form=PLAIN):
    rows = {}
    for chunk in read_chunks(file, file.name, form):
        table = pa.table(chunk.columns | {f"!{k}": v for k, v in chunk.faults.items()})
        rows |= dict(zip(chunk.rows.tolist(), table.to_pylist(), strict=True))
    return rows


def written(tmp_path, text, name="items.csv"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


OPEN = [
    ('a,b\n1,x\n2,"open\n3,y\n4,z\n', 3),
    ('a,b\n1,"x, y"\n2,"cut', 3),
    ('a,b\n1,x\n2,"open\n3,"a, b"\n', 3),
    ('a,b\n1,"two\nlines"\n2,"5" tv"\n3,y\n', 4),
    ('a,b\n1,x\n"2","op""en\n3,y\n', 3),
]


@pytest.mark.parametrize(("text", "line"), OPEN)
@pytest.mark.parametrize("name", ["items.csv", "items.csv.gz"])
def test_a_quote_that_does_not_close_stops_with_its_line(tmp_path, text, line, name):
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text
    file = written(tmp_path, content, name)
    with pytest.raises(BadInputError, match=rf"{name} line {line}: a quote that opens here"):
        rows_of(file)


def test_a_field_that_takes_the_rest_of_a_large_file_is_no_field(tmp_path):
    lines = "".join(f'{i},"fine, {i}"\n' for i in range(1000))
    file = written(tmp_path, f'a,b\n{lines}x,"open\n' + "y,more\n" * 300_000)
    with pytest.raises(BadInputError, match="line 1002: a quote that opens here"):
        rows_of(file)


def test_a_quote_within_a_field_is_a_character(tmp_path):
    rows = rows_of(written(tmp_path, 'a,b\n1,5" tv\n2,"7"" tv"\n3,""\n'))
    assert [row["b"] for row in rows.values()] == ['5" tv', '7" tv', ""]


def test_rows_keep_their_numbers_beside_uneven_ones(tmp_path):
    text = 'a,b\n1,x\n2\n\n3,"y\ny"\n4,5,6\n7,8,9\n8,z\n'
    rows = rows_of(written(tmp_path, text))
    assert {number: row["a"] for number, row in sorted(rows.items())} == dict(
        enumerate("123478", 1)
    )
    assert rows[4]["!"] == rows[5]["!"] == "more fields than the header"
    assert rows[2]["!"] == "fewer fields than the header"
    assert "!" not in rows[3] or rows[3]["!"] is None


def test_rows_of_many_blocks_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 2_000)
    lines = [f"{i},{i}" if i % 97 else f"{i}" for i in range(1, 3_001)]
    rows = rows_of(written(tmp_path, "a,b\n" + "\n".join(lines) + "\n"))
    assert {number: int(row["a"]) for number, row in rows.items()} == {i: i for i in range(1, 3001)}


def test_uneven_rows_are_told_whenever_the_reader_thread_tells_of_them(tmp_path, monkeypatch):
    """It has the interpreter between any two steps of ours, not as luck will have it."""
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 200)
    file = written(tmp_path, "a,b\n" + "1\n2,x\n" * 60_000)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    try:
        numbers = sorted(
            number for chunk in read_chunks(file, "a.csv", PLAIN) for number in chunk.rows
        )
    finally:
        sys.setswitchinterval(interval)
    assert numbers == list(range(1, 120_001))


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\ufeff"), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12))
def test_what_a_csv_writer_writes_is_read_again(tmp_path_factory, table):
    file = tmp_path_factory.mktemp("csv") / "items.csv"
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [("a", "b", "c"), *table]
    )
    file.write_bytes(text.getvalue().encode())
    assert [tuple(row.values()) for row in rows_of(file).values()] == table


FORMS = [
    ("1::Pan::2\n2::Lid::3\n", FileForm("::", header=False, names=("a", "b", "c"), quote="")),
    ("1\tPan\t2\n2\tLid\t3\n", FileForm("\t", header=False, names=("a", "b", "c"), quote="")),
    (" 1  Pan 2\n2 Lid\t3 \n", FileForm(" ", header=False, names=("a", "b", "c"), quote="")),
    ('a;b;c\n1;"Pan";2\n"2";Lid;3\n', FileForm(";")),
    ("a|b|c\n1|Pan|2\n2|Lid|3", FileForm("|")),
]


@pytest.mark.parametrize(("text", "form"), FORMS)
def test_other_forms_are_read_when_they_are_named(tmp_path, text, form):
    file = written(tmp_path, text, "ratings.dat")
    assert columns_of(file, "ratings.dat", form) == ["a", "b", "c"]
    assert list(rows_of(file, form).values()) == [
        {"a": "1", "b": "Pan", "c": "2"},
        {"a": "2", "b": "Lid", "c": "3"},
    ]


def test_quotes_may_be_escaped_where_the_form_says_so(tmp_path):
    file = written(tmp_path, 'a;b\n1;"a \\"b\\" c"\n')
    assert rows_of(file, FileForm(";", escape="\\"))[1]["b"] == 'a "b" c'


def test_another_encoding_is_read_when_it_is_named(tmp_path):
    for encoding in ("latin-1", "utf-16", "gb18030"):
        text = "a,b\n1,Caf\u00e9\n" if encoding == "latin-1" else "a,b\n1,\u7ea2\u8272\n"
        file = written(tmp_path, text.encode(encoding))
        [row] = rows_of(file, FileForm(encoding=encoding)).values()
        assert row["b"] == text[6:-1]


HINTS = [
    ("a,b\n1,Caf\u00e9 cr\u00e8me, na\u00efve K\u00fcche\n", "cp1252"),
    ("a,b\n1,\u7ea2\u8272\u8fde\u8863\u88d9\u590f\u5b63\u65b0\u6b3e\n", "gb18030"),
    (
        "a,b\n1,\u041a\u0440\u0430\u0441\u043d\u043e\u0435 \u043f\u043b\u0430\u0442\u044c\u0435\n",
        "cp1251",
    ),
    ("a,b\n1,2\n", "utf-16"),
    ("a,b\n1,2\n", "utf-16-be"),
]


@pytest.mark.parametrize(("text", "encoding"), HINTS)
def test_the_hint_on_another_encoding_is_right(tmp_path, text, encoding):
    file = written(tmp_path, text.encode(encoding))
    with pytest.raises(BadInputError, match=f"iconv -f {encoding} -t utf-8"):
        rows_of(file)


def test_a_packed_file_that_was_cut_short_is_refused(tmp_path):
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 10_000)
    file = written(tmp_path, whole[:-40], "items.csv.gz")
    with pytest.raises(BadInputError, match=r"items.csv.gz is no whole gzip file"):
        rows_of(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "packed with gzip: let its name end in .gz"),
        (b"PK\x03\x04rest", "a zip archive or a spreadsheet"),
        (b"PAR1rest", "a Parquet file: let its name end in .parquet"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(tmp_path, content, said):
    with pytest.raises(BadInputError, match=f"items.csv is no text but {said}"):
        rows_of(written(tmp_path, content))


def test_zstandard_is_read(tmp_path):
    with pa.CompressedOutputStream(str(tmp_path / "items.csv.zst"), "zstd") as out:
        out.write(b"\xef\xbb\xbfa,b\n1,2\n")
    assert rows_of(tmp_path / "items.csv.zst") == {1: {"a": "1", "b": "2"}}
