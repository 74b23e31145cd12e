"""Groups of like vectors: whom an item of a large catalogue is compared with, instead of with all.

Spherical k-means (Dhillon and Modha, 2001) on a sample makes the groups. Each is compared as a
whole with the groups nearest to it, so that comparing stays a product of two dense blocks.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints

BLOCK: Final = 1_024
"""Items compared with others at a time: memory is up to block x reach x 12 bytes."""
PER_GROUP: Final = 250
"""Items of a group, about: small ones are near to what they are near to as a whole."""
_PIECES: Final = 8
"""No piece of a group has more than the reach over this: of what is all alike some are compared."""
_SAMPLE: Final = 50
"""Items a group from which its centre is learned, at most."""
_ROUNDS: Final = 5


def compared_with(vectors: Floats, reach: int) -> Iterator[tuple[Ints, Ints]]:
    """Say which items are to be compared with which; each item comes up once.

    Args:
        vectors: Of length 1, (items, width).
        reach: Items that an item is compared with, at most; where there are no more, with all.

    Yields:
        Rows of some items, and those of the items, ascending, that all of these are compared with.
    """
    num_items = len(vectors)
    if num_items <= reach:
        every = np.arange(num_items)
        for start in range(0, num_items, BLOCK):
            yield every[start : start + BLOCK], every
        return
    centres = _centres(vectors)
    pieces, centre = _pieces(_nearest_centre(vectors, centres), max(reach // _PIECES, 1))
    sizes, middle = np.array([len(piece) for piece in pieces]), centres[centre]
    for own, piece in enumerate(pieces):
        near = middle @ middle[own]
        near[own] = np.inf
        order = np.argsort(-near, kind="stable")
        chosen = order[np.cumsum(sizes[order]) <= reach]
        among = np.sort(np.concatenate([pieces[one] for one in chosen]))
        for start in range(0, len(piece), BLOCK):
            yield piece[start : start + BLOCK], among


def _centres(vectors: Floats) -> Floats:
    """Learn the middle of each group from a sample, (groups, width), of length 1."""
    rng = np.random.default_rng(0)
    num_groups = max(len(vectors) // PER_GROUP, 1)
    drawn = rng.choice(len(vectors), min(len(vectors), _SAMPLE * num_groups), replace=False)
    centres = vectors[drawn[:num_groups]]
    sample = vectors[drawn]
    for _ in range(_ROUNDS):
        group = _nearest_centre(sample, centres)
        order = np.argsort(group, kind="stable")
        there, first = np.unique(group[order], return_index=True)
        sums = np.add.reduceat(sample[order], first, axis=0)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        # A group that nobody is nearest to keeps its centre.
        centres = centres.copy()
        centres[there] = sums / np.maximum(length, 1e-9)
    return centres


def _nearest_centre(vectors: Floats, centres: Floats) -> Ints:
    found = [
        np.argmax(vectors[start : start + BLOCK] @ centres.T, axis=1)
        for start in range(0, len(vectors), BLOCK)
    ]
    return np.concatenate(found)


def _pieces(group: Ints, most: int) -> tuple[list[Ints], npt.NDArray[np.int64]]:
    """Cut groups into pieces of at most so many items; also the group of each piece."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    place = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.flatnonzero(place % most == 0)
    return np.split(order, starts[1:]), group[order[starts]]
