import gzip

import pytest

from coterie.data.mapping.sniff import encoding_of, sniff
from coterie.errors import BadInputError


def form_of(tmp_path, text, encoding="utf-8", name="x.csv"):
    file = tmp_path / name
    data = text.encode(encoding)
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return sniff(file, name).form


@pytest.mark.parametrize("delimiter", ["::", "\t", ";", ",", "|", " "])
def test_the_delimiter_is_the_one_that_all_lines_have(tmp_path, delimiter):
    rows = [["user", "item", "rating"], *([f"u{n}", f"i{n}", "3.5"] for n in range(40))]
    form = form_of(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows))
    assert form.delimiter == delimiter
    assert form.header


def test_marks_within_fields_are_no_delimiters(tmp_path):
    rows = "".join(f"{n},Lamp; old | new :: {n},A|B\n" for n in range(40))
    assert form_of(tmp_path, "id,title,genres\n" + rows).delimiter == ","
    rows = "".join(f'{n},"Lamp, old, and {"new, " * (n % 3)}","A"\n' for n in range(40))
    form = form_of(tmp_path, "id,title,genres\n" + rows)
    assert (form.delimiter, form.quote, form.escape) == (",", '"', "")


def test_quotes_of_a_comma_file_are_expected_even_where_none_is_near(tmp_path):
    assert form_of(tmp_path, "a,b\n" + "1,2\n" * 500).quote == '"'


def test_a_backslash_before_a_quote_is_an_escape(tmp_path):
    rows = "".join(f'"{n}";"A \\"new\\" one; or two"\n' for n in range(40))
    form = form_of(tmp_path, '"id";"title"\n' + rows)
    assert (form.delimiter, form.escape) == (";", "\\")


def test_quotes_that_are_inches_do_not_quote(tmp_path):
    rows = "".join(f'{n}\t5" nail\tx\n' if n % 2 else f"{n}\tscrew\tx\n" for n in range(40))
    form = form_of(tmp_path, "id\ttitle\tkind\n" + rows)
    assert form.delimiter == "\t"


@pytest.mark.parametrize(
    ("first", "has"),
    [
        ("user,item,time", True),
        ("1,2,3", False),
        ("a,b,2010-10-19T23:55:27Z", False),
        ("a,a,b", False),
        ("a@example.org,x,y", False),
    ],
)
def test_a_header_is_a_line_of_words(tmp_path, first, has):
    form = form_of(tmp_path, first + "\n" + "1,2,2010-10-19\n" * 30)
    assert form.header is has
    assert has or form.names == ("column_1", "column_2", "column_3")


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_one_letter_far_down_tells_the_encoding(tmp_path, name):
    text = "id,title\n" + "1,Lamp\n" * 40_000 + "2,Café au lait\n"
    assert form_of(tmp_path, text, "latin-1", name).encoding in ("cp1252", "latin-1")
    assert form_of(tmp_path, text, "utf-8", name).encoding == "utf-8"
    assert form_of(tmp_path, text, "utf-16", name).encoding == "utf-16"


def test_what_is_no_table_says_so(tmp_path):
    with pytest.raises(BadInputError, match="no delimiter in common"):
        form_of(tmp_path, "Once upon a time\nthere was\na text, and; no table\n" * 20)


@pytest.mark.parametrize("text", ["10,50 €", "“Lamp” £5", "5 µm ½"])
def test_signs_without_letters_are_western(tmp_path, text):
    file = tmp_path / "a.csv"
    file.write_bytes(b"a;b\n" + f"{text};x\n".encode("cp1252") * 50)
    assert encoding_of(file, "a.csv") in ("cp1252", "latin-1")
