"""Whether what two releases learned of items says the same of which items are alike.

Vectors of a release that was trained anew stand elsewhere in space; which items are near to each
other hardly changes. So the cosines of each item to some others are correlated, row by row: near 1
where both learned the same of it, near 0 where one of them has another item's vectors in its place.
A mean over all items would hide a tenth of them; each is looked at by itself.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from coterie.recommend import linear
from coterie.release.bundle import Release
from coterie.rollout.figures import SHOWN_EXAMPLES, ComparedFigure

SAMPLED: Final = 512
"""Items of each release, those that most people had among many: of a rare one little is learned."""
FEWEST: Final = 50
"""Items in both samples from which on they tell something."""
ELSEWHERE: Final = 0.25
"""A correlation under this is one with another item's vectors, or with noise."""
OFTEN: Final = 0.5
"""Part of the items, by how many people had them, of which enough is learned."""
NAMES: Final = (f"{linear.PREFIX}out", "item_out")
"""Vectors that are looked at: the closed form's where there are any, else learned ones."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LearnedSample:
    """The vectors of some items, by id, each of length 1."""

    vectors: Mapping[str, Floats]

    @classmethod
    def of(cls, release: Release) -> "LearnedSample":
        """Take items as :func:`often_had` draws them."""
        drawn = often_had(release, SAMPLED)
        rows = list(drawn.values())
        name = next(one for one in NAMES if one in release.parameters)
        some = release.parameters[name][torch.tensor(rows, dtype=torch.int64)].double().numpy()
        length = np.linalg.norm(some, axis=1)
        return cls({one: some[n] / length[n] for n, one in enumerate(drawn) if length[n] > 0})

    def compare(self, canary: "LearnedSample", name: str = "learned_elsewhere") -> ComparedFigure:
        """Count the items that are like others than they were; None: too few are in both."""
        shared = sorted(self.vectors.keys() & canary.vectors.keys())
        if len(shared) < FEWEST:
            return ComparedFigure(name, None)
        agreed = agreement(*(np.stack([one.vectors[i] for i in shared]) for one in (self, canary)))
        elsewhere = agreed < ELSEWHERE
        some = [shared[row] for row in np.flatnonzero(elsewhere)[:SHOWN_EXAMPLES].tolist()]
        return ComparedFigure(name, float(elsewhere.mean()), examples=tuple(some))


def often_had(release: Release, num: int) -> dict[str, int]:
    """Draw items by their ids, whatever order they stand in, of those that most people had.

    Args:
        release: Of which.
        num: At most so many.

    Returns:
        The row of each, by its id.
    """
    had = release.popularity
    often = had >= np.quantile(had, 1.0 - OFTEN) if len(had) else had > 0
    ids = [str(one) for one in release.items.ids.to_pylist()]
    known = np.flatnonzero(often).tolist()
    rows = sorted(known, key=lambda row: (zlib.crc32(ids[row].encode()), row))[:num]
    return {ids[row]: row for row in rows}


def agreement(ours: Floats, theirs: Floats) -> Floats:
    """Correlate the cosines of each item to all others, row by row, shape (items,).

    Args:
        ours: Vectors of length 1, shape (items, width).
        theirs: Of the same items, of any width.
    """
    rows = []
    for vectors in (ours, theirs):
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, np.nan)
        centred = cosines - np.nanmean(cosines, axis=1, keepdims=True)
        rows.append(np.nan_to_num(centred))
    lengths = [np.sqrt((one**2).sum(axis=1)) for one in rows]
    found: Floats = (rows[0] * rows[1]).sum(axis=1) / np.maximum(lengths[0] * lengths[1], 1e-12)
    return found


def twins_of(release: Release) -> npt.NDArray[np.bool_]:
    """Find the items that have the very vectors of another item; zeros are no vectors."""
    vectors = release.parameters["item_out"].contiguous()
    bits = vectors.view(torch.int16 if vectors.element_size() == 2 else torch.int32)
    # Sorting whole rows took a second for wide ones. Sums of two different rows are alike by a
    # chance of one in 2 ** 64 or so.
    mix = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, bits[0].numel())
    sums = bits.numpy().reshape(len(vectors), -1).astype(np.int64) @ mix
    _, of, counts = np.unique(sums, return_inverse=True, return_counts=True)
    learned = vectors.any(dim=1).numpy()
    return np.asarray((counts[of] > 1) & learned, np.bool_)
