import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.data.text import plain, trimmed


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("  a \t\n b ", "a b"),
        ("e\u0301te\u0301", "été"),
        ("Fish &amp; <b>chips</b>", "Fish & chips"),
        ("&amp;amp;lt;b&amp;gt;bold", "bold"),
        ("a < b & c > d", "a < b & c > d"),
        ("I <3 you", "I <3 you"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<scr<b>ipt>", None),
        ("<a href='x\ny'>link</a>", "link"),
        ("x\u202eexe.gpj", "x exe.gpj"),
        ("nul\x00l", "nul l"),
        ("\ufeffmark", "mark"),
        ("👩\u200d🍳", "👩\u200d🍳"),
        (" \u00a0 ", None),
        ("", None),
        (None, None),
    ],
)
def test_text_becomes_plain(found, expected):
    assert plain(pa.array([found], pa.string())).to_pylist() == [expected]


@given(st.lists(st.text(st.sampled_from("ab<>/&;#amplt 1x!-\x00\u202e\u0301"), max_size=24)))
def test_plain_text_stays_as_it_is(texts):
    once = plain(pa.array(texts, pa.string()))
    assert plain(once).equals(once)


@given(st.lists(st.text(max_size=20)))
def test_any_text_can_be_made_plain(texts):
    once = plain(pa.array(texts, pa.string()))
    assert plain(once).equals(once)
    assert all(t is None or (t == t.strip() and "\x00" not in t) for t in once.to_pylist())


def test_deep_escapes_end_soon():
    deep = "&" + "amp;lt" * 3000 + ";b>"
    assert "<b>" not in (plain(pa.array([deep, "<b" * 5000 + ">" * 5000])).to_pylist()[0] or "")


def test_ids_keep_all_but_the_space_around_them():
    assert trimmed(pa.array([" a&amp; b\t", "", None])).to_pylist() == ["a&amp; b", None, None]
