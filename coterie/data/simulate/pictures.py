"""Pictures of simulated items, painted by arithmetic and written as PNG."""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.looks import Looks
from coterie.data.simulate.shapes import BODY, LIGHT, OUTLINES, TRIM
from coterie.data.simulate.words import SHELVES

SIDE: Final = 96
"""Pixels of a picture, wide and high."""
Pixels = npt.NDArray[np.uint8]


def paint(looks: Looks) -> Iterator[tuple[Ints, Pixels]]:
    """Paint all pictures, a shelf at a time.

    Yields:
        Rows of items, and their pictures in red, green and blue, shape (rows, SIDE, SIDE, 3).
    """
    for shelf in np.unique(looks.shelf):
        rows = np.flatnonzero(looks.shelf == shelf)
        yield rows, _paint_shelf(looks, rows, int(shelf))


def png(pixels: Pixels) -> bytes:
    """Write a picture, shape (height, width, 3), as the bytes of a PNG file."""
    height, width, _ = pixels.shape
    # Each line says first how it is packed: 0, as it is.
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = pixels.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _paint_shelf(looks: Looks, rows: Ints, shelf: int) -> Pixels:
    """Paint the items of one shelf, which share an outline."""
    x, y = _turned(looks, rows)
    # One pixel's width in the outline's measure: edges fade over it.
    sharp = (SIDE / 2 * looks.size[rows])[:, None, None]
    # A shadow on the ground, so that light goods stand out.
    ground = 1 - 0.22 * np.clip(1.2 - np.hypot(x / 0.9, (y - 0.86) / 0.16), 0, 1)
    covered = {paint: np.zeros(x.shape, np.float32) for paint in (BODY, TRIM, LIGHT)}
    for part in OUTLINES[SHELVES[shelf].path]:
        within = np.clip(0.5 - part.distance(x, y) * sharp, 0, 1)
        for behind in (ground, *covered.values()):
            behind *= 1 - within
        covered[part.paint] += within
    light = 0.25 * looks.body[rows] + 0.72
    second = covered[BODY] * _pattern(looks, rows, x, y)
    shares = (ground, covered[BODY] - second, second, covered[TRIM], covered[LIGHT])
    colours = (looks.ground[rows], looks.body[rows], looks.second[rows], looks.trim[rows], light)
    mixed = np.einsum("pnyx,pnc->nyxc", np.stack(shares), np.stack(colours), optimize=True)
    pixels: Pixels = np.round(np.clip(mixed, 0, 1) * 255).astype(np.uint8)
    return pixels


def _turned(looks: Looks, rows: Ints) -> tuple[Floats, Floats]:
    """Each pixel's place in the outline of each item: x and y, shape (rows, SIDE, SIDE)."""
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / (SIDE / 2) - 1
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = np.cos(looks.tilt[rows])[:, None, None], np.sin(looks.tilt[rows])[:, None, None]
    size, wide = looks.size[rows][:, None, None], np.sqrt(looks.wide[rows])[:, None, None]
    right, below = (x * cos + y * sin) / (size * wide), (y * cos - x * sin) / size * wide
    return right.astype(np.float32), below.astype(np.float32)


def _pattern(looks: Looks, rows: Ints, x: Floats, y: Floats) -> Floats:
    """Share of the second colour in each item's body, everywhere, shape (rows, SIDE, SIDE)."""
    pattern, grain = looks.pattern[rows], looks.grain[rows][:, None, None]
    share = np.zeros(x.shape, np.float32)
    for code, wave in enumerate(_WAVES, 1):
        these = np.flatnonzero(pattern == code)
        # Edges fade over a pixel or two.
        share[these] = np.clip(
            0.5 + 2.5 * wave(x[these] * grain[these], y[these] * grain[these]), 0, 1
        )
    return share


_WAVES: Final[tuple[Callable[[Floats, Floats], npt.NDArray[Any]], ...]] = (
    lambda u, v: np.sin(v),  # noqa: ARG005 - all take both
    lambda u, v: np.sin(0.8 * (u + v)) - 0.3,
    lambda u, v: np.sin(0.7 * u) * np.sin(0.7 * v),
    lambda u, v: np.cos(u) + np.cos(v) - 0.7,
    lambda u, v: np.sin(v + 1.2 * np.sin(u)) - 0.2,
)
"""Of patterns 1 and on, above 0 in the second colour; 0 is plain."""
