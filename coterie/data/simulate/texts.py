"""What simulated items are called and how they are described and reviewed, in two languages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints
from coterie.data.simulate.assortment import Assortment
from coterie.data.simulate.words import COMPLAINTS, DELIVERY, MAKERS, PRAISE, SHELVES, SHRUGS
from coterie.data.simulate.words_zh import CHINESE

_MADE_FOR = ("made for ", "our pick for ", "just right for ", "chosen with care for ")
_REMARKS = (
    ("An easy one to like at this price.", "A good deal more than its price suggests."),
    ("It keeps coming back in our reviews.", "A favourite since its first week."),
    ("Worth saving for.", "The one to keep for years."),
)
_PLAIN: Final = ("Classic", "Everyday", "Simple", "Modern")
"""Said in the place of a style."""
_MADE_FOR_ZH = ("适合", "特别适合", "正适合", "最适合")
_REMARKS_ZH = (
    ("这个价格很容易喜欢上。", "比价格看上去更值。"),
    ("买家评价里常常提到。", "上架第一周起就受欢迎。"),
    ("值得攒钱买。", "可以用很多年。"),
)
_PLAIN_ZH: Final = ("经典", "日常", "简约", "现代")
_STYLES: Final = [shelf.styles for shelf in SHELVES]
_STYLES_ZH: Final = [CHINESE[shelf.path].styles for shelf in SHELVES]


@dataclass(frozen=True, slots=True)
class Wording:
    """How items are spoken of, as columns of shape (num_items,)."""

    chinese: npt.NDArray[np.bool_]
    """Titled in Chinese; the others in English. Each is described in both."""
    vague: npt.NDArray[np.bool_]
    """No word says its style."""
    plain: Ints
    """Index in ``_PLAIN``, of what a vague item's title says instead."""


def draw_wording(
    assortment: Assortment, chinese: float, vague: float, rng: np.random.Generator
) -> Wording:
    """Draw which items are titled in Chinese, and which say nothing of their style.

    A vague title that another one has already says its style after all.

    Args:
        chinese: Share of items.
        vague: Share of items, drawn apart.
    """
    n = len(assortment.shelf)
    in_chinese, unsaid = rng.random(n) < chinese, rng.random(n) < vague
    plain = rng.integers(0, len(_PLAIN), n)
    words = (assortment.shelf, assortment.noun, assortment.detail, assortment.maker, plain)
    rows = np.flatnonzero(unsaid)
    _, first = np.unique(np.stack(words, axis=1)[rows], axis=0, return_index=True)
    told_apart = np.zeros(n, np.bool_)
    told_apart[rows[first]] = True
    return Wording(in_chinese, told_apart, plain)


def write_makers(assortment: Assortment) -> pa.Array:
    """Write the brand of each item."""
    departments = [shelf.path.split("/")[0] for shelf in SHELVES]
    return _word([MAKERS[name] for name in departments], assortment.shelf, assortment.maker)


def write_titles(assortment: Assortment, wording: Wording) -> pa.Array:
    """Write the title of each item: maker, style, noun, detail."""
    english, chinese = _names(assortment, wording)
    name = pc.if_else(pa.array(wording.chinese), chinese, english)
    return pc.binary_join_element_wise(write_makers(assortment), name, " ")


def write_descriptions(assortment: Assortment, wording: Wording) -> pa.Array:
    """Write two sentences on each item in its language, and name and use in the other one."""
    shelf, style, noun = assortment.shelf, assortment.style, assortment.noun
    spin = np.arange(len(shelf))
    # What a vague item is for tells nothing of its style either.
    use = (np.where(wording.vague, assortment.detail, style) + noun) % 3
    opening = (spin + assortment.detail) % len(_MADE_FOR)
    usual = np.array([s.price for s in SHELVES])[shelf]
    remark = 2 * np.digitize(assortment.price / usual, [0.8, 1.4]) + spin % 2
    uses = _word([s.uses for s in SHELVES], shelf, use)
    english = _joined(_style(_STYLES, _PLAIN, assortment, wording), ", and ")
    english = _joined(english, _one(_MADE_FOR, opening), uses, ".")
    uses = _word([CHINESE[s.path].uses for s in SHELVES], shelf, use)
    chinese = _joined(_style(_STYLES_ZH, _PLAIN_ZH, assortment, wording), "款")
    chinese = _joined(chinese, _one(_MADE_FOR_ZH, opening), uses, "。")
    english_name, chinese_name = _names(assortment, wording)
    in_english = (english, " ", _remark(_REMARKS, remark), " ", chinese_name, "。", chinese)
    in_chinese = (chinese, _remark(_REMARKS_ZH, remark), " ", english_name, ". ", english)
    return pc.if_else(pa.array(wording.chinese), _joined(*in_chinese), _joined(*in_english))


def write_reviews(stars: npt.NDArray[np.floating], rng: np.random.Generator) -> pa.Array:
    """Write a short review for each rating of 5."""
    banks = (COMPLAINTS, SHRUGS, PRAISE)
    bank = np.digitize(stars, [2.5, 3.5])
    opinion = _word(banks, bank, (rng.random(len(stars)) * _sizes(banks)[bank]).astype(np.int64))
    delivery = pa.array(DELIVERY).take(pa.array(rng.integers(0, len(DELIVERY), len(stars))))
    both = pc.binary_join_element_wise(opinion, delivery, " ")
    return pc.if_else(pa.array(rng.random(len(stars)) < 0.4), both, opinion)


def write_categories(assortment: Assortment) -> pa.Array:
    """Write the category path of each item."""
    return pa.array([shelf.path for shelf in SHELVES]).take(pa.array(assortment.shelf))


def _names(assortment: Assortment, wording: Wording) -> tuple[pa.Array, pa.Array]:
    """Write style, noun and detail of each item, in English and in Chinese."""
    style = _style(_STYLES, _PLAIN, assortment, wording)
    noun = _word([s.nouns for s in SHELVES], assortment.shelf, assortment.noun)
    detail = _word([s.details for s in SHELVES], assortment.shelf, assortment.detail)
    # "Wok with Lid" and "Rug in Sage", but "Wok, 24 cm".
    joined = pc.match_substring_regex(detail, "^(with|in|for) ")
    english = _joined(style, " ", noun, pc.if_else(joined, " ", ", "), detail)
    style = _style(_STYLES_ZH, _PLAIN_ZH, assortment, wording)
    noun = _word([CHINESE[s.path].nouns for s in SHELVES], assortment.shelf, assortment.noun)
    detail = _word([CHINESE[s.path].details for s in SHELVES], assortment.shelf, assortment.detail)
    return english, _joined(style, noun, " ", detail)


def _style(
    styles: Sequence[Sequence[str]],
    plain: Sequence[str],
    assortment: Assortment,
    wording: Wording,
) -> pa.Array:
    said = _word(styles, assortment.shelf, assortment.style)
    return pc.if_else(pa.array(wording.vague), pa.array(plain).take(pa.array(wording.plain)), said)


def _one(words: Sequence[str], which: Ints) -> pa.Array:
    return pa.array(words).take(pa.array(which))


def _remark(remarks: Sequence[Sequence[str]], which: Ints) -> pa.Array:
    return _one([line for lines in remarks for line in lines], which)


def _joined(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _sizes(lists: Sequence[Sequence[str]]) -> Ints:
    return np.array([len(words) for words in lists], np.int64)


def _word(lists: Sequence[Sequence[str]], which: Ints, index: Ints) -> pa.Array:
    """Take word ``index[i]`` of list ``which[i]``, shape (len(which),)."""
    sizes = _sizes(lists)
    starts = np.cumsum(sizes) - sizes
    flat = pa.array([word for words in lists for word in words], pa.string())
    return flat.take(pa.array(starts[which] + index))
