"""What changed in one category alone: over all items it would be too little to be seen."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.release.discreet import coded
from coterie.rollout.figures import SHOWN_EXAMPLES, ComparedFigure

LEAST: Final = 10
"""Items of a category that says anything by itself."""
PART: Final = 0.02
"""So much of what is counted has to be of a category that is looked at alone."""
PLACES: Final = 0.02
"""The same of places of lists, which are few."""
_NOTHING: Final = 0.001
"""A smaller part of what people had is next to none."""
LEFT: Final = 0.5
"""A category that so many of its items left is another one now."""

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SharedColumns:
    """Columns of the items that two releases have: live's, then the canary's, a row an item."""

    category: tuple[pa.ChunkedArray, pa.ChunkedArray]
    available: tuple[Mask, Mask]
    price: tuple[Floats, Floats]
    """NaN where there is none."""

    def compare(self) -> list[ComparedFigure]:
        """Compare them category by category, as the live release has them."""
        codes, names = coded(self.category[0])
        if not len(names):
            told = ("categories_swapped", "category_available", "category_price")
            return [ComparedFigure(name, None) for name in told]
        return [
            self._swapped(),
            self._kept_in_stock(codes, names),
            self._price(codes, names),
        ]

    def _swapped(self) -> ComparedFigure:
        """Count items in a category of live's that most of its own items left: names changed
        places. A category that is called otherwise now, or that took another in, is none."""
        (codes, names), (_, after) = coded(self.category[0]), coded(self.category[1])
        now = pc.index_in(self.category[1], value_set=pa.array(names, pa.string()))
        now = np.asarray(pc.fill_null(now, -1).to_numpy(), np.int64)
        known, moved = codes >= 0, (codes >= 0) & (now != codes)
        of, left = (np.bincount(codes[one], minlength=len(names)) for one in (known, moved))
        other = left > LEFT * np.maximum(of, 1)
        swapped = moved & (now >= 0) & np.append(other, False)[now]
        told = [names[n] for n in np.unique(codes[swapped])][:SHOWN_EXAMPLES]
        return ComparedFigure(
            "categories_swapped",
            float(swapped.mean()) if len(swapped) else 0.0,
            float(len(names)),
            float(len(after)),
            tuple(told),
        )

    def _kept_in_stock(self, codes: Rows, names: list[str]) -> ComparedFigure:
        """Find the category of which least is still in stock, of what was."""
        before, after = self.available
        counts = [
            np.bincount(codes[one & (codes >= 0)], minlength=len(names))
            for one in (before, before & after)
        ]
        return _least_ratio("category_available", names, counts[0], counts[1], PART)

    def _price(self, codes: Rows, names: list[str]) -> ComparedFigure:
        """Find the category whose median price changed most, up or down."""
        before, after = self.price
        priced = np.flatnonzero((before > 0) & (after > 0) & (codes >= 0))
        factors = after[priced] / before[priced]
        medians = {
            n: float(np.median(factors[codes[priced] == n]))
            for n in np.flatnonzero(np.bincount(codes[priced], minlength=1) >= LEAST).tolist()
        }
        if not medians:
            return ComparedFigure("category_price", None)
        most = max(medians, key=lambda n: max(medians[n], 1 / medians[n]))
        found = medians[most]
        return ComparedFigure("category_price", max(found, 1 / found), 1.0, found, (names[most],))


def had_by_category(category: pa.ChunkedArray, live: Floats, canary: Floats) -> ComparedFigure:
    """Find the category whose part of all that people had grew most, as where one season counts.

    Args:
        category: Of the items that both releases have.
        live: How many people had each of them.
        canary: The same, by the canary.
    """
    codes, names = coded(category)
    known = codes >= 0
    items = np.bincount(codes[known], minlength=len(names))
    before, after = (
        np.bincount(codes[known], one[known], len(names)) / max(float(one[known].sum()), 1e-9)
        for one in (live, canary)
    )
    large = items >= LEAST
    enough = np.flatnonzero(large & (after >= PART))
    # Of one category alone nothing grows.
    if large.sum() < 2 or not len(enough):
        return ComparedFigure("category_had", None)
    grown = after[enough] / np.maximum(before[enough], _NOTHING)
    most = enough[int(np.argmax(grown))]
    # One that fell is no season.
    times = max(float(grown.max()), 1.0)
    return ComparedFigure(
        "category_had", times, float(before[most]), float(after[most]), (names[most],)
    )


def places_by_category(
    category: pa.ChunkedArray, live: Rows, canary: Rows, name: str = "category_listed"
) -> ComparedFigure:
    """Find the category that lost most of its places in lists of the same shoppers.

    Args:
        category: Of live's items.
        live: The items of live's lists, rows of its catalogue.
        canary: Those of the canary's that live has, rows of live's catalogue as well.
        name: Of the figure.
    """
    codes, names = coded(category)
    counts = [
        np.bincount(codes[one][codes[one] >= 0], minlength=len(names)) for one in (live, canary)
    ]
    return _least_ratio(name, names, counts[0], counts[1], PLACES)


def _least_ratio(
    name: str, names: list[str], before: Rows, after: Rows, part: float
) -> ComparedFigure:
    """Say what is left in the category that lost most, of those that are large enough to say it."""
    enough = np.flatnonzero(before >= max(LEAST, part * before.sum()))
    # Of one category alone other figures tell.
    if len(enough) < 2:
        return ComparedFigure(name, None)
    left = after[enough] / before[enough]
    worst = enough[int(np.argmin(left))]
    numbers = float(before[worst]), float(after[worst])
    return ComparedFigure(name, float(left.min()), *numbers, (names[worst],))
