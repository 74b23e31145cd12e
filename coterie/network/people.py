"""The network of a shop: each tie once, as arrays that all figures are computed from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Floats, Ints, Ties
from coterie.errors import BadInputError
from coterie.graph.interactions import check_rows
from coterie.graph.strength import merge_pairs

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Network:
    """Who follows whom: m directed ties, and p pairs of people who know each other."""

    num_people: int
    ties: Ties
    """Each (follower, followee) once, ordered so, without self-ties; weights are added up."""
    mutual: Bools
    """Whether the followee follows back, shape (m,)."""
    one: Ints
    """The lower row of each pair, shape (p,)."""
    other: Ints
    weight: Floats
    """The larger weight of both directions, shape (p,)."""

    @classmethod
    def of(cls, ties: Ties, num_people: int) -> "Network":
        """Lay out ties.

        Raises:
            BadInputError: There are none, one names somebody outside, or a weight is not over 0.
        """
        check_rows("follower", ties.src_idx, num_people)
        check_rows("followee", ties.dst_idx, num_people)
        merged = merge_pairs(ties, num_people)
        if not len(merged):
            raise BadInputError(
                "nobody is tied to anybody: a network needs ties of two people, in ties.parquet"
            )
        if not np.all(merged.weight > 0):
            raise BadInputError(
                f"a tie has weight {float(merged.weight.min())}: weights are numbers over 0"
            )
        src, dst = merged.src_idx, merged.dst_idx
        key, back = src * num_people + dst, dst * num_people + src
        place = np.minimum(np.searchsorted(key, back), len(key) - 1)
        mutual = key[place] == back
        # A pair that is tied both ways is kept by its lower row's tie.
        kept = (src < dst) | ~mutual
        weight = np.where(mutual, np.maximum(merged.weight, merged.weight[place]), merged.weight)
        return cls(
            num_people=num_people,
            ties=merged,
            mutual=mutual,
            one=np.minimum(src, dst)[kept],
            other=np.maximum(src, dst)[kept],
            weight=weight[kept].astype(np.float32),
        )

    @property
    def degree(self) -> Ints:
        """How many people each one knows, in either direction, shape (num_people,)."""
        n = self.num_people
        return np.bincount(self.one, minlength=n) + np.bincount(self.other, minlength=n)

    def following(self, weighted: bool = True) -> "sparse.csr_matrix[np.float64]":
        """Lay out the directed ties, follower by followee."""
        n, ties = self.num_people, self.ties
        values = ties.weight.astype(np.float64) if weighted else np.ones(len(ties))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(ties.src_idx, minlength=n))])
        return sparse.csr_matrix((values, ties.dst_idx, offsets), shape=(n, n))

    def known(self, weighted: bool = True) -> "sparse.csr_matrix[np.float64]":
        """Lay out the undirected pairs, both ways."""
        n = self.num_people
        values = self.weight.astype(np.float64) if weighted else np.ones(len(self.one))
        rows = np.concatenate([self.one, self.other])
        columns = np.concatenate([self.other, self.one])
        both = np.concatenate([values, values])
        return sparse.csr_matrix((both, (rows, columns)), shape=(n, n))


def add_up(rows: Ints, values: "Doubles | Bools", num: int) -> Doubles:
    """Add up values by row, shape (num,)."""
    found: Doubles = np.bincount(rows, values, num).astype(np.float64)
    return found
