"""How much of each listed item's score its reasons are: worked out for a whole list at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.reasons.rounding import coarsely, in_steps, in_units_by_column, step_of

Sums = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_FIRST, _THEN, _LAST, _UNTOLD = range(4)
"""In which turn reasons are told."""


@dataclass(frozen=True, slots=True)
class Portions:
    """The reasons of s listed items, of each in the order in which they are told."""

    rows: list[list[int]]
    """Which of the r possible ones each is; r is what is added up of all that are too small."""
    net: list[list[float]]
    gross: list[list[float]]
    share: list[list[float]]
    """Of the score; those of an item add up to 1."""

    @classmethod
    def of(
        cls,
        net: Sums,
        gross: Sums,
        named: Bools,
        untold: tuple[Sums, Sums],
        least: Sums,
        digits: int,
    ) -> "Portions":
        """Choose among r possible reasons of each item those that are large enough.

        Args:
            net: What each adds to each score, shape (r, s).
            gross: The same without signs; 0 for one that is none.
            named: Whether each is of an item or a category, shape (r,): these are told first.
            untold: Net and gross, shape (s,), of what is told only with what is too small.
            least: Gross from which on a reason is told by itself, shape (s,).
            digits: Of shares.
        """
        there = gross > 0
        told = there & (gross >= least)
        small = there & ~told
        whole_net, whole_gross = untold[0].copy(), untold[1].copy()
        for row in np.flatnonzero(small.any(axis=1)):
            whole_net += np.where(small[row], net[row], 0.0)
            whole_gross += np.where(small[row], gross[row], 0.0)
        net, gross = np.vstack([net, whole_net]), np.vstack([gross, whole_gross])
        turn = np.where(told, np.where(named, _FIRST, _THEN)[:, None], _UNTOLD)
        turn = np.vstack([turn, np.where(whole_gross > 0, _LAST, _UNTOLD)])
        order = np.lexsort((-gross, turn), axis=0)
        place = order * order.shape[1] + np.arange(order.shape[1])
        in_turn = turn.take(place) < _UNTOLD
        net, gross = net.take(place), gross.take(place)
        share = in_units_by_column(np.where(in_turn, gross, 0.0), digits)
        counts = in_turn.sum(axis=0).tolist()
        columns = (
            [row[:num] for row, num in zip(of.T.tolist(), counts, strict=True)]
            for of in (order, net, gross, share)
        )
        return cls(*columns)

    def coarse(self, whole: list[float]) -> "Portions":
        """Round what reasons add to two digits of each score, and leave out what is nothing then.

        Args:
            whole: All that is added to or taken from each score.
        """
        net = [
            in_steps(added, coarsely(sum(added)), step_of(size))
            for added, size in zip(self.net, whole, strict=True)
        ]
        kept = [
            [place for place, one in enumerate(added) if one or share[place]]
            for added, share in zip(net, self.share, strict=True)
        ]

        def left(of: list[list[Any]]) -> list[list[Any]]:
            return [[one[at] for at in places] for one, places in zip(of, kept, strict=True)]

        return Portions(left(self.rows), left(net), left(self.gross), left(self.share))
