"""What simulated items are called and how they are described and reviewed."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints
from coterie.data.simulate.assortment import Assortment
from coterie.data.simulate.words import COMPLAINTS, DELIVERY, MAKERS, PRAISE, SHELVES, SHRUGS

_MADE_FOR = ("Made for ", "Our pick for ", "Just right for ", "Chosen with care for ")
_REMARKS = (
    ("An easy one to like at this price.", "A good deal more than its price suggests."),
    ("It keeps coming back in our reviews.", "A favourite since its first week."),
    ("Worth saving for.", "The one to keep for years."),
)


def write_makers(assortment: Assortment) -> pa.Array:
    """Write the brand of each item."""
    departments = [shelf.path.split("/")[0] for shelf in SHELVES]
    return _word([MAKERS[name] for name in departments], assortment.shelf, assortment.maker)


def write_titles(assortment: Assortment) -> pa.Array:
    """Write the title of each item: maker, style, noun, detail."""
    style = _word([s.styles for s in SHELVES], assortment.shelf, assortment.style)
    noun = _word([s.nouns for s in SHELVES], assortment.shelf, assortment.noun)
    detail = _word([s.details for s in SHELVES], assortment.shelf, assortment.detail)
    # "Wok with Lid" and "Rug in Sage", but "Wok, 24 cm".
    joined = pc.match_substring_regex(detail, "^(with|in|for) ")
    gap = pc.if_else(joined, " ", ", ")
    name = pc.binary_join_element_wise(write_makers(assortment), style, noun, " ")
    return pc.binary_join_element_wise(name, gap, detail, "")


def write_descriptions(assortment: Assortment) -> pa.Array:
    """Write two sentences on each item."""
    n = len(assortment.shelf)
    spin = np.arange(n)
    uses = [s.uses for s in SHELVES]
    use = _word(uses, assortment.shelf, (assortment.style + assortment.noun) % 3)
    opening = pa.array(_MADE_FOR).take(pa.array((spin + assortment.detail) % len(_MADE_FOR)))
    usual = np.array([s.price for s in SHELVES])[assortment.shelf]
    dear = np.digitize(assortment.price / usual, [0.8, 1.4])
    flat = pa.array([line for lines in _REMARKS for line in lines])
    remark = flat.take(pa.array(2 * dear + spin % 2))
    sentence = pc.binary_join_element_wise(opening, use, ".", "")
    return pc.binary_join_element_wise(sentence, remark, " ")


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


def _sizes(lists: Sequence[Sequence[str]]) -> Ints:
    return np.array([len(words) for words in lists], np.int64)


def _word(lists: Sequence[Sequence[str]], which: Ints, index: Ints) -> pa.Array:
    """Take word ``index[i]`` of list ``which[i]``, shape (len(which),)."""
    sizes = _sizes(lists)
    starts = np.cumsum(sizes) - sizes
    flat = pa.array([word for words in lists for word in words], pa.string())
    return flat.take(pa.array(starts[which] + index))
