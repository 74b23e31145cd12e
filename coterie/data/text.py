"""Text from outside, made plain: one line, one normal form, no markup, nothing invisible."""

import html
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

_MARKUP = r"<!--.*?-->|</?[A-Za-z][^<>]*>"
_ROUNDS = 8
"""Markup inside escaped markup: deeper than this is no shop's text but an attack."""

# Controls, line and paragraph separators, bidirectional overrides (which make a title read other
# than it is), byte order marks; joiners stay: emoji and several scripts need them.
_BREAKS = r"[\s\p{Cc}\p{Z}\x{202A}-\x{202E}\x{2066}-\x{2069}\x{FEFF}]+"
CONTROLS = r"[\p{Cc}\x{202A}-\x{202E}\x{2066}-\x{2069}\x{FEFF}\x{2028}\x{2029}]"


def plain(texts: pa.Array) -> pa.Array:
    """Strip texts of tags, entities, controls and runs of whitespace, in NFC; if empty: null.

    Doing it twice changes nothing more.

    >>> plain(pa.array(["  Fish &amp;\\n<b>chips</b>", " ", None])).to_pylist()
    ['Fish & chips', None, None]
    """
    tidy = _without_markup(_tidy(texts.cast(pa.string())))
    return pc.if_else(pc.equal(tidy, ""), pa.scalar(None, pa.string()), tidy)


def trimmed(texts: pa.Array) -> pa.Array:
    """Trim texts of whitespace around them, in NFC; nothing left: null."""
    tidy = pc.utf8_trim_whitespace(_composed(texts.cast(pa.string())))
    return pc.if_else(pc.equal(tidy, ""), pa.scalar(None, pa.string()), tidy)


def _tidy(texts: pa.Array) -> pa.Array:
    spaced = pc.replace_substring_regex(_composed(texts), _BREAKS, " ")
    return pc.utf8_trim_whitespace(spaced)


def _composed(texts: pa.Array) -> pa.Array:
    """Compose texts to NFC.

    Arrow's own kernel leaves e + accent in two; the rows that ASCII cannot hold are few.
    """
    odd = pc.fill_null(pc.invert(pc.string_is_ascii(texts)), False)
    rows = texts.filter(odd).to_pylist()
    composed = pa.array([unicodedata.normalize("NFC", text) for text in rows], pa.string())
    return pc.replace_with_mask(texts, odd, composed) if rows else texts


def _without_markup(texts: pa.Array) -> pa.Array:
    """Strip markup of the rows that hold ``<`` or ``&``, until nothing changes any more."""
    marked = pc.fill_null(pc.match_substring_regex(texts, "[<&]"), False)
    rows = texts.filter(marked)
    if len(rows) == 0:
        return texts
    for _ in range(_ROUNDS):
        # Tidied in every round: what is dropped later could join the two halves of a tag.
        bare = _tidy(pc.replace_substring_regex(_unescaped(rows), _MARKUP, " "))
        if bare.equals(rows):
            return pc.replace_with_mask(texts, marked, bare)
        rows = bare
    return pc.replace_with_mask(
        texts, marked, _tidy(pc.replace_substring_regex(rows, "[<>&]", " "))
    )


def _unescaped(texts: pa.Array) -> pa.Array:
    escaped = pc.match_substring(texts, "&")
    rows = pc.replace_substring_regex(texts.filter(escaped), "&(?:amp;)+", "&")
    plain_rows = pa.array([html.unescape(text) for text in rows.to_pylist()], pa.string())
    return pc.replace_with_mask(texts, escaped, plain_rows)
