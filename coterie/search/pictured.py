"""What items mean by their looks: the text that a picture lets one expect, learned in the shop.

No model of pictures and words together is needed: the shop's own items have both, and a ridge
regression from the vectors of pictures to those of texts says what words go with what looks.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.content.encoder import unit_rows

Floats = npt.NDArray[np.float32]
LEAST_PAIRS: Final = 400
"""Items with a text and a picture, below which nothing is learned of them."""
RIDGE: Final = 10.0
"""Held against large weights; 1 to 30 find about the same."""
FOLDS: Final = 5
_LEARNED_FROM: Final = 10_000
_ROWS: Final = 8_192


def expected_texts(texts: Floats, looks: Floats) -> Floats | None:
    """Expect of each item's picture the vector of its text, none of its own having been looked at.

    An item that is learned from would be told what its text says anyway. So those are cut into
    folds, and each is expected from what the others are.

    Args:
        texts: Shape (items, width), of length 1; zeros: no text.
        looks: Vectors of pictures, spread evenly (``Whitening``) and of length 1, shape (items, any
            width); zeros: no picture.

    Returns:
        Of length 1, zeros without a picture, shape (items, width); None where too few items have
        both.
    """
    pairs = np.flatnonzero(np.any(looks, axis=1) & np.any(texts, axis=1))
    if len(pairs) < LEAST_PAIRS:
        return None
    pairs = pairs[:: -(-len(pairs) // _LEARNED_FROM)]
    seen, said = looks[pairs].astype(np.float64), texts[pairs]
    # Neighbours in a catalogue are often one product in two sizes: they are of one fold.
    fold = np.arange(len(pairs)) * FOLDS // len(pairs)
    squares = [seen[fold == f].T @ seen[fold == f] for f in range(FOLDS)]
    products = [seen[fold == f].T @ said[fold == f] for f in range(FOLDS)]
    whole = _weights(sum(squares), sum(products))
    found = np.zeros_like(texts, np.float32)
    for start in range(0, len(looks), _ROWS):
        block = slice(start, start + _ROWS)
        found[block] = unit_rows(looks[block] @ whole)
    for f in range(FOLDS):
        others = _weights(sum(squares) - squares[f], sum(products) - products[f])
        found[pairs[fold == f]] = unit_rows(seen[fold == f].astype(np.float32) @ others)
    return found


def _weights(squares: npt.ArrayLike, products: npt.ArrayLike) -> Floats:
    held = np.asarray(squares) + RIDGE * np.eye(len(np.asarray(squares)))
    return np.linalg.solve(held, np.asarray(products)).astype(np.float32)
