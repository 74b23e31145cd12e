"""Whether two releases' item vectors say the same of which items are alike.

Vectors of two encoders cannot be compared, nor those of one that was trained anew; which items are
near to each other can. So cosines between some items are correlated over all pairs of them
(representational similarity; Kriegeskorte et al., 2008): 1 where both releases hold the same
vectors, near 0 where one of them holds noise, other items' vectors, or those of texts in a language
that its encoder does not read.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.release.bundle import Release
from coterie.rollout.figures import ComparedFigure

SAMPLED: Final = 512
"""Items of each release; both draw the same where they have the same."""
FEWEST: Final = 20
"""Items in both samples from which on a kind tells something."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ContentSample:
    """The vectors of some items, by kind and by id, each of length 1."""

    vectors: Mapping[str, Mapping[str, Floats]]

    @classmethod
    def of(cls, release: Release) -> "ContentSample":
        """Draw items by their ids, whatever order they stand in."""
        if not release.vectors:
            return cls({})
        ids = [str(one) for one in release.items.ids.to_pylist()]
        order = sorted(range(len(ids)), key=lambda row: (zlib.crc32(ids[row].encode()), row))
        rows = order[:SAMPLED]
        return cls({kind: _told(ids, rows, one) for kind, one in release.vectors.items()})

    def compare(self, canary: "ContentSample") -> ComparedFigure:
        """Say how much the kind agrees that agrees least; None: no kind tells."""
        found = {
            kind: agreed
            for kind, ours in self.vectors.items()
            if (agreed := _agreement(ours, canary.vectors.get(kind, {}))) is not None
        }
        if not found:
            return ComparedFigure("content_agrees", None)
        least = min(found, key=found.__getitem__)
        return ComparedFigure("content_agrees", found[least], examples=(least,))


def _told(ids: list[str], rows: list[int], vectors: npt.NDArray[np.float16]) -> dict[str, Floats]:
    some = vectors[rows].astype(np.float32)
    length = np.linalg.norm(some, axis=1)
    return {ids[row]: some[n] / length[n] for n, row in enumerate(rows) if length[n] > 0}


def _agreement(ours: Mapping[str, Floats], theirs: Mapping[str, Floats]) -> float | None:
    """Correlate cosines of all pairs of items; None where live's say nothing."""
    shared = sorted(ours.keys() & theirs.keys())
    if len(shared) < FEWEST:
        return None
    upper = np.triu_indices(len(shared), 1)
    pairs = [
        (vectors @ vectors.T)[upper].astype(np.float64)
        for vectors in (np.stack([side[one] for one in shared]) for side in (ours, theirs))
    ]
    if pairs[0].std() < 1e-4:
        return None
    if pairs[1].std() < 1e-4:
        return 0.0
    return max(float(np.corrcoef(pairs[0], pairs[1])[0, 1]), 0.0)
