"""What the picture of each simulated item shows: outline, colours, pattern."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.assortment import Assortment
from coterie.data.simulate.words import MAKERS, SHELVES

Column = npt.NDArray[np.floating[Any]]
NUM_PATTERNS: Final = 6
"""Plain, stripes, slants, checks, dots, waves: one a style."""
COLOURS: Final = {
    "Amber": (214, 150, 40),
    "Anthracite": (62, 66, 72),
    "Berry": (150, 44, 90),
    "Black": (48, 48, 52),
    "Charcoal": (74, 76, 80),
    "Clear": (214, 222, 228),
    "Coral": (240, 120, 100),
    "Cream": (238, 226, 200),
    "Forest": (44, 96, 66),
    "Graphite": (88, 90, 96),
    "Green": (70, 140, 84),
    "Grey": (150, 152, 156),
    "Gum": (196, 150, 104),
    "Ink Blue": (42, 62, 112),
    "Ivory": (240, 234, 216),
    "Khaki": (160, 146, 104),
    "Midnight": (34, 42, 82),
    "Moss": (112, 124, 66),
    "Navy": (40, 54, 100),
    "Navy Check": (52, 68, 116),
    "Oat": (220, 204, 172),
    "Olive": (116, 116, 62),
    "Plum": (116, 62, 108),
    "Red": (198, 52, 52),
    "Rose": (226, 140, 152),
    "Rust": (178, 84, 46),
    "Sage": (152, 172, 142),
    "Sand": (214, 190, 150),
    "Signal Orange": (244, 120, 30),
    "Silver": (190, 194, 200),
    "Sky": (136, 184, 224),
    "Slate": (98, 112, 126),
    "Stone": (178, 172, 160),
    "Tan": (190, 142, 94),
    "Teal": (40, 134, 138),
    "Terracotta": (200, 106, 78),
    "Volt": (206, 226, 60),
    "Walnut": (108, 74, 52),
    "White": (240, 240, 238),
}
"""Red, green and blue, 0 to 255, of what a detail calls ``in Sage``."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How items are pictured, as columns of shape (num_items,); colours (num_items, 3), 0 to 1."""

    shelf: Ints
    pattern: Ints
    body: Floats
    second: Floats
    """Of the pattern."""
    trim: Floats
    ground: Floats
    """Behind the item."""
    grain: Floats
    """How fine the pattern is: waves from edge to edge, times 2 pi."""
    wide: Floats
    """Width by height, near 1."""
    size: Floats
    tilt: Floats
    """Radians."""
    odd: Ints
    """1 where the picture is of another style and maker than the item's."""


def make_looks(assortment: Assortment, vague: float, rng: np.random.Generator) -> Looks:
    """Show each item's shelf, noun, style, maker, and a little of what no word says.

    The outline is the shelf's, its width the noun's. Style gives pattern and colour, unless a
    detail names the colour; the maker, the colour behind. Lightness and grain show two of the
    dimensions in which items differ without a word for it.

    Args:
        vague: Share of items whose picture is of a style and a maker drawn at random.
        rng: Also moves every colour, and turns and sizes every item, a little.
    """
    n = len(assortment.shelf)
    odd = rng.random(n) < vague
    style = np.where(odd, rng.integers(0, NUM_PATTERNS, n), assortment.style)
    maker = np.where(odd, rng.integers(0, 5, n), assortment.maker)
    unsaid = np.tanh(2 * assortment.unsaid[:, :2])
    hue = assortment.shelf * 0.17 + style / NUM_PATTERNS + rng.normal(0, 0.02, n)
    body = _colour(hue, 0.55 + rng.normal(0, 0.04, n), 0.78 + rng.normal(0, 0.03, n))
    named, told = _named(assortment)
    body = np.where(named[:, None], told, body)
    body = np.clip(body * (1 + 0.16 * unsaid[:, :1]), 0, 1)
    house = _house_hue(assortment.shelf, maker) + rng.normal(0, 0.01, n)
    # A pattern shows on dark and on light goods alike.
    dark = (body @ np.array([0.3, 0.6, 0.1]) < 0.5)[:, None]
    return Looks(
        shelf=assortment.shelf,
        pattern=style,
        body=body.astype(np.float32),
        second=np.where(dark, 0.55 * body + 0.45, 0.62 * body).astype(np.float32),
        trim=_colour(house, np.full(n, 0.45), np.full(n, 0.34)),
        ground=_colour(house, np.full(n, 0.16), 0.95 + rng.normal(0, 0.01, n)),
        grain=(11 * np.exp(0.35 * unsaid[:, 1])).astype(np.float32),
        wide=(0.8 + 0.1 * assortment.noun).astype(np.float32),
        size=rng.uniform(0.74, 0.84, n).astype(np.float32),
        tilt=rng.normal(0, 0.06, n).astype(np.float32),
        odd=odd.astype(np.int64),
    )


def _house_hue(shelf: Ints, maker: Ints) -> Floats:
    """Give each maker of each department a hue of its own, 0 to 1."""
    departments = list(MAKERS)
    department = np.array([departments.index(one.path.split("/")[0]) for one in SHELVES])
    hue: Floats = (maker / 5 + department[shelf] * 0.075).astype(np.float32)
    return hue


def _named(assortment: Assortment) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Say which items' details name a colour, shape (n,), and that colour, shape (n, 3)."""
    table = np.full((len(SHELVES), 5, 3), np.nan, np.float32)
    for row, shelf in enumerate(SHELVES):
        for column, detail in enumerate(shelf.details):
            colour = COLOURS.get(detail.removeprefix("in "))
            if colour is not None:
                table[row, column] = np.array(colour) / 255
    told = table[assortment.shelf, assortment.detail]
    return ~np.isnan(told[:, 0]), told


def _colour(hue: Column, saturation: Column, value: Column) -> Floats:
    """Convert hue, saturation and value, 0 to 1 each, to red, green and blue, shape (n, 3)."""
    sector = (hue[:, None] * 6 + np.array([5.0, 3.0, 1.0])) % 6
    less = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    mixed: Floats = (value[:, None] * (1 - saturation[:, None] * less)).astype(np.float32)
    return np.clip(mixed, 0, 1)
