"""Ids from outside in one form, whoever takes them: files, HTTP, the command line, Python."""

import re
import unicodedata
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError

MAX_ID: Final = 256
"""Characters of an id."""
MISSING_WORDS: Final = frozenset(
    {"NULL", "null", "None", "NaN", "nan", "NA", "N/A", "#N/A", "<NA>", "\\N", "undefined"}
)
"""Words that exports write where there is no id: all their rows would become one person or item."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Controls, line separators, bidirectional overrides, byte order marks, halves of characters."""
_WHOLE: Final = re.compile(r"(-?\d+)\.0+")
_SHORTENED: Final = re.compile(r"-?\d(\.\d+)?[eE]\+\d+")

MISSING: Final = "missing"
TOO_LONG: Final = f"longer than {MAX_ID} characters"
CONTROL: Final = "holds control characters"
STANDS_FOR_NOTHING: Final = "a word that stands for a missing value"
SHORTENED: Final = "a number in a spreadsheet's short form, which has lost digits"


def normal_id(text: str) -> str:
    """Bring one id into the form that tables, features and releases hold.

    The form is Unicode NFC without whitespace around it; a whole number that was written as a
    fraction (``12.0``) is its digits.

    Args:
        text: As it came.

    Raises:
        BadInputError: It is empty, too long, holds control characters, or stands for no id.

    >>> normal_id(" Zoe\\u0308 "), normal_id("12.0"), normal_id("a/b%2F")
    ('Zoë', '12', 'a/b%2F')
    """
    found, reason = _judge(text)
    if reason is not None:
        raise BadInputError(f"the id {text[:MAX_ID]!r} cannot be one: {reason}")
    return found


def normal_ids(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Bring a column of ids into their form.

    Args:
        texts: Text of shape (n,); null where there is none.

    Returns:
        The ids, null where there is none or it is bad, and the reasons why, null where it is good.
        Nothing but whitespace is no id, and not bad.
    """
    texts = texts.cast(pa.string())
    unusual = pc.fill_null(_unusual(texts), False)
    rows = texts.filter(unusual)
    if len(rows) == 0:
        return texts, pa.nulls(len(texts), pa.string())
    # What files hold again and again is judged once.
    distinct = rows.dictionary_encode()
    judged = [_judge(text) for text in distinct.dictionary.to_pylist()]
    ids = pa.array([i if r is None else None for i, r in judged], pa.string())
    reasons = pa.array([None if r == MISSING else r for _, r in judged], pa.string())
    none = pa.nulls(len(texts), pa.string())
    return (
        pc.replace_with_mask(texts, unusual, ids.take(distinct.indices)),
        pc.replace_with_mask(none, unusual, reasons.take(distinct.indices)),
    )


def _unusual(texts: pa.Array) -> pa.Array:
    """Find where ``_judge`` might change or refuse something: in most files hardly anywhere."""
    lengths = pc.binary_length(texts)
    odd = pc.or_(pc.equal(lengths, 0), pc.greater(lengths, MAX_ID))
    odd = pc.or_(odd, pc.is_in(texts, value_set=pa.array(sorted(MISSING_WORDS))))
    if _plain_bytes(texts):
        return odd
    odd = pc.or_(odd, pc.invert(pc.string_is_ascii(texts)))
    return pc.or_(odd, pc.match_substring_regex(texts, r"[\x00-\x1F\x7F]|^ | $|\.0+$|[eE]\+"))


def _plain_bytes(texts: pa.Array) -> bool:
    """Tell whether a whole column is of visible ASCII without points and pluses.

    It takes one look at its bytes, where a pattern would look at each text.
    """
    bounds = np.frombuffer(texts.buffers()[1], np.int32)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    if len(texts) == 0 or bounds[0] == bounds[-1]:
        return True
    found = np.frombuffer(texts.buffers()[2], np.uint8)[bounds[0] : bounds[-1]]
    return not _ODD_BYTES[found].any()


_ODD_BYTES: Final = np.array(
    [not 0x20 < byte < 0x7F or chr(byte) in ".+" for byte in range(256)], dtype=bool
)


def _judge(text: str) -> tuple[str, str | None]:
    """Judge one text by the one rule: the id that it is, or why it is none."""
    found = unicodedata.normalize("NFC", text).strip()
    if not found:
        return found, MISSING
    if _CONTROL.search(found):
        return found, CONTROL
    if len(found) > MAX_ID:
        return found, TOO_LONG
    if found in MISSING_WORDS:
        return found, STANDS_FOR_NOTHING
    if _SHORTENED.fullmatch(found):
        return found, SHORTENED
    whole = _WHOLE.fullmatch(found)
    return whole[1] if whole else found, None
