"""Candidates for a list: a coarse look at all items, so that few have to be scored exactly.

A score is a product of a query with an item's vector, plus what stands beside the product. Coarse
products of all items come from codes of half a byte for each number, or for two in a large
catalogue (product quantization, Jegou et al., 2011, looked up within registers, Andre et al., 2017,
as faiss has it): an eighth or a sixteenth of what vectors take, read at the speed of memory. Then
candidates are scored exactly, and so it is known by how much codes are off; whatever could still
belong into the list, were it off by a few times that, is scored exactly as well. Where that is too
much, all items are scored in single precision. So codes decide how long a list takes, and hardly
ever what stands in it.

Where there is no faiss (its wheels and torch's bring two runtimes of one kind to a Mac) and in
catalogues too small to gain by it, all items are scored in single precision at once.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.recommend.codes import LARGE, Codes, Singles
from coterie.recommend.weighing import Doubles

SMALLEST: Final = 8_192
"""Items from which on codes are read faster than vectors."""
DOUBT: Final = 2.0
"""How far an item may be from where codes have it, by the farthest of those scored exactly. These
are ~120: were it normal, this is over 5 standard deviations, and tails are often longer."""
DOUBT_LARGE: Final = 1.3
"""The same in a large catalogue, over 3 standard deviations."""
LOOKED_AT: Final = 1_024
"""Items, at least, that codes bring."""
_SHARE: Final = 256
"""One in so many is brought, where that is more."""
_READ: Final = 64
"""One in so many is scored exactly, before all are read in single precision."""
MOST: Final = 16_384
"""Items that codes bring, at most: then vectors are read."""
_MARGIN: Final = 100
"""Items scored exactly beyond those of a list, before it is known how far codes are off."""
LEAST_RECALL: Final = 0.99
"""Share of the best items that codes have to find, as far as lists were checked: else they are not
used any more."""
_ENOUGH: Final = 500
"""Items of checked lists from which on the share is believed."""
_RESOLUTION: Final = 2e-6
"""Scores as near as this may be equal once they are rounded."""
Mask = npt.NDArray[np.bool_]
Exact = Callable[[Ints], Doubles]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some items of one shopper with their exact scores."""

    items: Ints
    """Shape (n,), each once."""
    scores: Doubles
    """Shape (n,)."""


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of the best items some lists had that were checked."""

    best: int
    """The best items that there are."""
    found: int
    """Those of them that were listed."""
    ended: bool
    """Whether that was too few, once too often: codes are not used from now on."""


class Retriever:
    """Finds the candidates of lists in one catalogue; several threads may ask."""

    def __init__(
        self, blocks: Sequence[Singles], fixed: Doubles, before: "Retriever | None" = None
    ) -> None:
        """Look through these vectors.

        Args:
            blocks: Vectors of terms, each (items, d): a product is the sum over all.
            fixed: What stands beside the product of each item whoever asks, (items,). Codes have it
                as one number more of an item: what is popular is brought by them then, and not
                looked for in what stands beside.
            before: Of a catalogue whose items these are, in the same rows, and some new ones
                behind them: its codes stay in use.
        """
        self._blocks, self._fixed = blocks, fixed
        self._num = len(blocks[0])
        self._doubt = DOUBT if self._num < LARGE else DOUBT_LARGE
        self._making = threading.Lock()
        self._codes = None if before is None else before.codes()
        self._best, self._found = 0.0, 0.0
        self._trusted: bool = before is None or before._trusted

    def codes(self) -> Codes | None:
        """Give the index of codes, made when it is asked for first; None: vectors are read."""
        if not self._trusted:
            return None
        if self._codes is None and self._num >= SMALLEST:
            with self._making:
                if self._codes is None:
                    fixed = self._fixed.astype(np.float32)[:, None]
                    self._codes = Codes.of([*self._blocks, fixed])
        return self._codes

    def note_check(self, best: int, found: int) -> Recall:
        """Count items of lists that were checked: those of the best that there are, and how many of
        them codes had found. Below ``LEAST_RECALL`` that ends their use."""
        self._best, self._found = self._best + best, self._found + found
        ended = False
        if self._best >= _ENOUGH and self._trusted:
            self._trusted = self._found >= LEAST_RECALL * self._best
            ended = not self._trusted
            # What is long ago counts less and less.
            self._best, self._found = self._best / 2, self._found / 2
        return Recall(best, found, ended)

    def find(
        self,
        queries: Sequence[Doubles],
        num: int,
        count: int,
        beside: Callable[[int], Doubles],
        listable: Callable[[int], Mask],
        exact: Callable[[int, Ints, Doubles], Doubles],
        by_codes: bool = True,
    ) -> list[Candidates]:
        """Find what the best items of some shoppers are among.

        Args:
            queries: For each block, (b, d).
            num: How many of the best.
            count: Items that may be listed at all, about.
            beside: Gives what stands beside one shopper's products, (items,), and is not ``fixed``.
            listable: Gives which items may be listed for a shopper, (items,).
            exact: Scores some items of a shopper, given what stands beside.
            by_codes: Whether codes may be used; all vectors are read if not.
        """
        width = self._width(num, count) if by_codes else 0
        seen, found = self._seen(queries, width), []
        for row in range(len(queries[0])):
            base, mask = beside(row), listable(row)

            def score(items: Ints, row: int = row, base: Doubles = base) -> Doubles:
                return exact(row, items, base)

            one = None
            if seen is not None:
                items, products, least = (part[row] for part in seen)
                brought = Brought(items, products, float(least), self._doubt)
                one = _among_seen(brought, mask, base, num, score)
            if one is None:
                one = self._among_all([of[row] for of in queries], mask, base, num, score)
            found.append(one)
        return found

    def _width(self, num: int, count: int) -> int:
        """Choose how many items codes bring; 0: all vectors are read instead."""
        least = max(LOOKED_AT, 4 * num, self._num // _SHARE)
        width = least * self._num // max(count, 1)
        return width if width <= min(MOST, self._num // 4) else 0

    def _seen(self, queries: Sequence[Doubles], width: int) -> tuple[Any, Any, Any] | None:
        """Look at codes: items, their coarse products, and the least of these, a row a shopper."""
        codes = self.codes() if width else None
        if codes is None:
            return None
        asked = [of.astype(np.float32) for of in queries]
        once = np.ones((len(asked[0]), 1), np.float32)
        products, items = codes.search(np.concatenate([*asked, once], axis=1), width)
        least = products[:, -1]
        new = np.arange(codes.num_items, self._num)
        if len(new):
            late = np.repeat(self._fixed[new].astype(np.float32)[None], len(items), axis=0)
            for of, block in zip(asked, self._blocks, strict=True):
                late += of @ block[new].T
            products = np.concatenate([products, late], axis=1)
            items = np.concatenate([items, np.broadcast_to(new, late.shape)], axis=1)
        return items, products, least

    def _among_all(
        self, query: list[Doubles], mask: Mask, base: Doubles, num: int, score: Exact
    ) -> Candidates:
        """Read the vectors of all items that may be listed, in single precision."""
        items = np.flatnonzero(mask)
        few = len(items) < self._num // 2
        products = np.zeros(len(items) if few else self._num, np.float32)
        for block, one in zip(self._blocks, query, strict=True):
            products += (block[items] if few else block) @ one.astype(np.float32)
        seen = (products if few else products[items]) + (base[items] + self._fixed[items])
        best = _largest(seen, num + _MARGIN)
        return Candidates(items[best], score(items[best]))


@dataclass(frozen=True, slots=True)
class Brought:
    """What codes say of one shopper's products."""

    items: Ints
    """Those with the largest, shape (n,)."""
    products: Singles
    """Of each, with what it has whoever asks, shape (n,)."""
    least: float
    """No such sum of another item is above it."""
    doubt: float
    """How far off is thought possible, by the farthest of some that are looked at."""


def _among_seen(
    brought: Brought, mask: Mask, base: Doubles, num: int, score: Exact
) -> Candidates | None:
    """Choose candidates among items that codes brought; None where these tell too little.

    Args:
        brought: Those.
        mask: What may be listed.
        base: What else stands beside all products.
        num: How many of the best are wanted.
        score: Scores items exactly.
    """
    kept = mask[brought.items]
    items, products = brought.items[kept], brought.products[kept]
    if len(items) < num:
        return None
    seen = products + base[items]
    first = _largest(seen, num + _MARGIN)
    exact = score(items[first])
    off = exact - seen[first]
    doubt = brought.doubt * float(np.abs(off).max()) + _RESOLUTION
    border = float(np.partition(exact, len(exact) - num)[len(exact) - num]) - doubt
    later = seen >= border
    later[first] = False
    # What codes did not bring may still gain by what stands beside.
    others = base >= border - brought.least
    others &= mask
    others[items] = False
    rest = np.concatenate([items[later], np.flatnonzero(others)])
    if len(rest) > max(4 * LOOKED_AT, len(mask) // _READ):
        return None
    every = np.concatenate([items[first], rest])
    return Candidates(every, np.concatenate([exact, score(rest)]))


def _largest(values: npt.NDArray[Any], num: int) -> Ints:
    if num >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, len(values) - num)[len(values) - num :]
