import json
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.data.ids import MAX_ID, MISSING, MISSING_WORDS, normal_id, normal_ids
from coterie.errors import BadInputError

SPELLINGS = [
    (" u1\t", "u1"),
    ("Zoe\u0308", "Zo\u00eb"),
    ("a/b%2F?#", "a/b%2F?#"),
    ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
    ("x" * MAX_ID, "x" * MAX_ID),
    ("12.0", "12"),
    ("-7.00", "-7"),
    ("007", "007"),
    ("1.5", "1.5"),
    ("1.0.0", "1.0.0"),
    ("1e3", "1e3"),
    ("Nan", "Nan"),
]
REFUSED = [
    "",
    " \n",
    "x" * (MAX_ID + 1),
    "a\x00b",
    "a\x1fb",
    "a\u202eb",
    "a\u2028b",
    "\ufeffa",
    "1.2E+11",
    *sorted(MISSING_WORDS),
]


@pytest.mark.parametrize(("found", "expected"), SPELLINGS)
def test_an_id_has_one_form(found, expected):
    assert normal_id(found) == expected


@pytest.mark.parametrize("found", REFUSED)
def test_what_can_be_no_id_is_refused_with_the_reason(found):
    with pytest.raises(BadInputError, match="cannot be one: "):
        normal_id(found)


def test_half_a_character_is_no_id():
    with pytest.raises(BadInputError, match="control"):
        normal_id(json.loads('"\\ud800"'))


ODD = st.sampled_from(
    [" ", "\t", "\u0308", "\u00a0", ".0", "E+", "\x7f", "\x85", "\u200d", "NULL", "nan", "/", "%"]
)
TEXTS = st.lists(st.one_of(st.text(max_size=4), ODD, st.just("x" * 250)), max_size=5).map("".join)


@given(st.lists(st.one_of(TEXTS, st.none()), max_size=8))
def test_a_column_and_one_id_follow_the_same_rule(texts):
    texts = [None if t is None else t.encode("utf-8", "ignore").decode() for t in texts]
    ids, reasons = normal_ids(pa.array(["before", *texts], pa.string()).slice(1))
    for text, *found in zip(texts, ids.to_pylist(), reasons.to_pylist(), strict=True):
        assert found == alone(text)


def alone(text):
    """The id and the reason that one text has."""
    try:
        return [None if text is None else normal_id(text), None]
    except BadInputError as error:
        reason = str(error).rpartition("cannot be one: ")[2]
        # Nothing at all is no fault of a column that may be empty.
        return [None, None if reason == MISSING else reason]


@given(TEXTS)
def test_an_id_that_is_in_its_form_stays(text):
    try:
        once = normal_id(text)
    except BadInputError:
        return
    assert normal_id(once) == once
    assert unicodedata.is_normalized("NFC", once)
