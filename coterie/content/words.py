"""The words of items: texts cut into words (in Chinese into characters), and weighed by tf-idf."""

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

Matrix = Any  # scipy.sparse.csr_matrix of floats
Codes = npt.NDArray[np.int64]
_NO_WORD: Final = r"[^\p{L}\p{N}]+"
_CHARACTER: Final = r"([\p{Han}\p{Hiragana}\p{Katakana}])"
_ONE_CHARACTER: Final = rf"^{_CHARACTER}$"
_NO_ASCII_WORD: Final = r"[^a-z0-9]+"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of n texts, in their order, t altogether."""

    row: Codes
    """Text of each word, shape (t,)."""
    code: Codes
    """Row of ``words``, shape (t,)."""
    words: pa.Array
    """Each different word once."""

    def are_characters(self) -> npt.NDArray[np.bool_]:
        """Tell which of ``words`` are one character of a script without borders of words."""
        if are_ascii(self.words):
            return np.zeros(len(self.words), np.bool_)
        single = pc.match_substring_regex(self.words, _ONE_CHARACTER)
        return np.asarray(single.to_numpy(zero_copy_only=False), np.bool_)


def are_ascii(texts: pa.ChunkedArray | pa.Array) -> bool:
    """Tell whether all texts, if any, are plain ASCII.

    Arrow compiles a pattern anew at each call: that for all the letters there are takes four
    milliseconds, half as long as all else of a small catalogue's index.
    """
    return pc.all(pc.string_is_ascii(texts)).as_py() is not False


def cut_words(texts: pa.ChunkedArray | pa.Array) -> Tokens:
    """Cut texts into words, in small letters; Chinese and Japanese into characters.

    >>> found = cut_words(pa.array(["Red LAMP, 12v", None, "红灯"]))
    >>> found.words.to_pylist(), found.row.tolist()
    (['red', 'lamp', '12v', '红', '灯'], [0, 0, 0, 2, 2])
    """
    lower = pc.utf8_lower(pc.fill_null(pc.cast(texts, pa.string()), ""))
    if are_ascii(lower):
        plain = pc.replace_substring_regex(lower, _NO_ASCII_WORD, " ")
    else:
        apart = pc.replace_substring_regex(lower, _CHARACTER, r" \1 ")
        plain = pc.replace_substring_regex(apart, _NO_WORD, " ")
    words = pc.split_pattern(pc.utf8_trim_whitespace(plain), " ")
    row = pc.list_parent_indices(words)
    word = pc.list_flatten(words)
    told = pc.not_equal(word, "")
    code = pc.dictionary_encode(word.filter(told))
    code = code.combine_chunks() if isinstance(code, pa.ChunkedArray) else code
    at = row.filter(told).to_numpy().astype(np.int64)
    codes = code.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Tokens(at, codes, code.dictionary)


# Arrow compiles a pattern anew at each call, which takes longer than a search may.
_CHARACTERS: Final = re.compile(
    "[\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096"
    "\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\u32d0-\u32fe\u3300-\u3357\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufa6d\ufa70-\ufad9\uff66-\uff6f\uff71-\uff9d\U00016fe2-\U00016ff1"
    "\U0001aff0-\U0001b167\U0001f200\U00020000-\U000323af]"
)


def cut_text(text: str) -> list[tuple[str, bool]]:
    """Cut one text as ``cut_words`` does, quickly: words, and whether each is a lone character.

    >>> cut_text("Red 红灯")
    [('red', False), ('红', True), ('灯', True)]
    """
    lower = pc.utf8_lower(pa.scalar(text)).as_py()
    apart = _CHARACTERS.sub(r" \g<0> ", lower)
    plain = "".join(one if one.isalnum() else " " for one in apart)
    return [(word, bool(_CHARACTERS.fullmatch(word))) for word in plain.split()]


def tf_idf(columns: list[pa.ChunkedArray]) -> Matrix:
    """Weigh words and pairs of neighbouring words that two items or more have, (items, words)."""
    rows, codes = [], []
    start = 0
    for column in columns:
        tokens = cut_words(column)
        row, code = tokens.row, tokens.code
        both = code[:-1] * (code.max(initial=0) + 1) + code[1:]
        same = row[:-1] == row[1:]
        for found, at in ((code, row), (both[same], row[:-1][same])):
            values, place = np.unique(found, return_inverse=True)
            rows.append(at)
            codes.append(place + start)
            start += len(values)
    ones = np.ones(sum(map(len, rows)), np.float32)
    shape = (len(columns[0]), start)
    counts = sparse.csr_matrix((ones, (np.concatenate(rows), np.concatenate(codes))), shape)
    counts.data = np.asarray(1.0 + np.log(counts.data), np.float32)
    items = np.bincount(counts.indices, minlength=start)
    shared = np.asarray(items > 1)
    weight = np.where(shared, np.log(shape[0] / np.maximum(items, 1)) + 1.0, 0.0)
    weighed = (counts @ sparse.diags_array(weight))[:, shared].tocsr()
    length = np.sqrt(np.asarray(weighed.power(2).sum(axis=1)).ravel())
    unit = sparse.diags_array(1.0 / np.maximum(length, 1e-9)) @ weighed
    return unit.tocsr().astype(np.float32)
