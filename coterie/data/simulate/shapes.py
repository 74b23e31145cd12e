"""The outlines of simulated goods: what a picture of each shelf shows."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.data.dataset import Floats

BODY, TRIM, LIGHT = "body", "trim", "light"
"""What a part is painted in: colour and pattern of the item, its dark, its light."""


@dataclass(frozen=True, slots=True)
class ShapePart:
    """One part of an outline; x grows to the right, y downwards, both -1 to 1 in a picture."""

    paint: str
    form: str
    """``disc`` (x y radius), ``ring`` (x y radius width), ``bar`` (x y x y radius) or ``hull``
    (corners of a convex outline, x y each)."""
    numbers: tuple[float, ...]

    def distance(self, x: Floats, y: Floats) -> Floats:
        """How far points are outside of it; below 0 within. Shape of ``x`` and ``y``."""
        told = self.numbers
        if self.form == "hull":
            return _outside_hull(np.array(told, np.float32).reshape(-1, 2), x, y)
        if self.form == "bar":
            across, down = told[2] - told[0], told[3] - told[1]
            along = ((x - told[0]) * across + (y - told[1]) * down) / (across**2 + down**2)
            along = np.clip(along, 0.0, 1.0)
            far = np.hypot(x - told[0] - along * across, y - told[1] - along * down) - told[4]
        else:
            far = np.hypot(x - told[0], y - told[1]) - told[2]
            far = np.abs(far) - told[3] if self.form == "ring" else far
        return far.astype(np.float32)


def _outside_hull(corners: Floats, x: Floats, y: Floats) -> Floats:
    """How far points are outside of a convex outline, along the side that is farthest."""
    side = np.roll(corners, -1, axis=0) - corners
    # Corners may go round either way.
    turn = np.sign(np.sum(corners[:, 0] * side[:, 1] - corners[:, 1] * side[:, 0]))
    out_of = turn * side / np.hypot(side[:, :1], side[:, 1:])
    far = np.full(x.shape, -np.inf, np.float32)
    for corner, (across, down) in zip(corners, out_of, strict=True):
        np.maximum(far, (x - corner[0]) * down - (y - corner[1]) * across, out=far)
    return far


def _parts(words: str) -> tuple[ShapePart, ...]:
    """Read parts: paint, form and numbers, semicolons between."""
    made = []
    for one in words.split(";"):
        paint, form, *numbers = one.split()
        made.append(ShapePart(paint, form, tuple(map(float, numbers))))
    return tuple(made)


_TORSO: Final = "body hull -.4 -.55 .4 -.55 .42 .66 -.42 .66"
_OUTLINES: Final = {
    "Home/Kitchen/Pans": (
        "trim bar .2 -.15 .82 -.58 .08; body disc -.16 .1 .56; light disc -.16 .1 .3"
    ),
    "Home/Kitchen/Knives": (
        "body hull -.88 .3 -.2 -.24 .3 -.3 .3 .22 -.6 .4; trim bar .36 -.04 .84 -.1 .12"
    ),
    "Home/Kitchen/Coffee": (
        "trim ring .42 .12 .24 .06; body hull -.58 -.32 .4 -.32 .28 .64 -.46 .64; "
        "trim bar -.28 -.76 -.28 -.5 .035; trim bar .06 -.8 .06 -.5 .035"
    ),
    "Home/Living/Lighting": (
        "trim bar 0 0 0 .72 .05; trim bar -.3 .76 .3 .76 .06; "
        "body hull -.28 -.78 .28 -.78 .66 .14 -.66 .14"
    ),
    "Home/Living/Textiles": (
        "trim bar -.6 .5 -.6 .76 .04; trim bar -.2 .5 -.2 .76 .04; "
        "trim bar .2 .5 .2 .76 .04; trim bar .6 .5 .6 .76 .04; "
        "body hull -.76 -.6 .76 -.6 .76 .56 -.76 .56"
    ),
    "Home/Garden/Plants": (
        "trim bar 0 -.3 0 .3 .05; body disc -.36 -.16 .32; body disc .36 -.2 .32; "
        "body disc 0 -.5 .34; light hull -.4 .2 .4 .2 .27 .78 -.27 .78"
    ),
    "Home/Garden/Tools": (
        "trim bar 0 -.8 0 0 .08; body hull -.36 -.08 .36 -.08 .28 .48 0 .84 -.28 .48"
    ),
    "Fashion/Women/Dresses": (
        "body hull -.28 -.76 .28 -.76 .2 -.1 -.2 -.1; "
        "body hull -.2 -.16 .2 -.16 .7 .78 -.7 .78; trim bar -.2 -.13 .2 -.13 .045"
    ),
    "Fashion/Women/Knitwear": (
        f"body bar -.42 -.36 -.76 .42 .15; body bar .42 -.36 .76 .42 .15; {_TORSO}; "
        "light ring 0 -.52 .18 .07; light bar -.36 .62 .36 .62 .06"
    ),
    "Fashion/Men/Shirts": (
        f"body bar -.4 -.4 -.74 -.06 .17; body bar .4 -.4 .74 -.06 .17; {_TORSO}; "
        "light hull -.24 -.6 0 -.6 -.1 -.3; light hull .24 -.6 0 -.6 .1 -.3; "
        "trim bar 0 -.5 0 .62 .02"
    ),
    "Fashion/Men/Jackets": (
        f"body bar -.46 -.36 -.7 .54 .18; body bar .46 -.36 .7 .54 .18; {_TORSO}; "
        "trim hull -.2 -.66 .2 -.66 .28 -.48 -.28 -.48; trim bar 0 -.5 0 .64 .035; "
        "trim bar -.3 .26 -.14 .26 .035; trim bar .14 .26 .3 .26 .035"
    ),
    "Fashion/Shoes/Sneakers": (
        "body hull -.78 -.36 -.36 -.42 .1 -.04 .72 .12 .8 .36 -.78 .36; "
        "light hull -.84 .32 .86 .32 .82 .52 -.8 .52; trim bar -.2 -.24 -.02 -.34 .03; "
        "trim bar 0 -.1 .16 -.2 .03"
    ),
    "Fashion/Accessories/Bags": (
        "trim ring 0 -.3 .34 .06; body hull -.64 -.3 .64 -.3 .76 .7 -.76 .7; "
        "light hull -.26 .06 .26 .06 .26 .38 -.26 .38"
    ),
    "Sport/Running/Shoes": (
        "body hull -.74 -.56 -.5 -.5 .2 -.04 .84 .2 .7 .36 -.74 .36; "
        "trim hull -.9 .3 .86 .3 .76 .46 -.88 .62; light bar -.3 .2 -.1 -.2 .04; "
        "light bar -.1 .22 .1 -.1 .04; light bar .1 .24 .26 0 .04"
    ),
    "Sport/Yoga/Mats": (
        "body hull -.42 .24 .86 .24 .86 .5 -.42 .5; body disc -.42 .1 .4; "
        "light ring -.42 .1 .24 .04; trim disc -.42 .1 .08"
    ),
    "Sport/Cycling/Gear": (
        "trim ring 0 0 .76 .07; body disc 0 0 .6; light bar -.5 0 .5 0 .03; "
        "light bar 0 -.5 0 .5 .03; trim disc 0 0 .12"
    ),
    "Sport/Outdoor/Camping": (
        "trim bar 0 -.7 .06 -.84 .03; body hull 0 -.72 .86 .64 -.86 .64; "
        "trim hull 0 -.16 .28 .64 -.28 .64"
    ),
    "Sport/Climbing/Hardware": (
        "body bar -.36 -.5 -.36 .5 .16; body bar -.36 -.52 .36 -.44 .16; "
        "body bar -.36 .54 .36 .46 .16; trim bar .4 -.4 .4 .4 .09; light disc .4 -.4 .06"
    ),
    "Electronics/Audio/Headphones": (
        "trim bar -.64 .1 -.54 -.36 .07; trim bar -.54 -.36 -.2 -.64 .07; "
        "trim bar -.2 -.64 .2 -.64 .07; trim bar .2 -.64 .54 -.36 .07; "
        "trim bar .54 -.36 .64 .1 .07; body hull -.84 0 -.44 0 -.44 .7 -.84 .7; "
        "body hull .44 0 .84 0 .84 .7 .44 .7"
    ),
    "Electronics/Audio/Speakers": (
        "body hull -.5 -.82 .5 -.82 .5 .82 -.5 .82; trim disc 0 .3 .34; light disc 0 .3 .14; "
        "trim disc 0 -.42 .18"
    ),
    "Electronics/Computing/Keyboards": (
        "body hull -.88 -.42 .88 -.42 .88 .42 -.88 .42; light bar -.7 -.22 .7 -.22 .06; "
        "light bar -.7 0 .7 0 .06; light bar -.4 .23 .4 .23 .06"
    ),
    "Electronics/Photo/Cameras": (
        "trim hull -.28 -.56 .28 -.56 .34 -.3 -.34 -.3; "
        "body hull -.82 -.36 .82 -.36 .82 .6 -.82 .6; trim disc 0 .12 .36; "
        "light disc 0 .12 .22"
    ),
    "Electronics/Smart/Home": (
        "body hull 0 -.8 .84 -.08 -.84 -.08; body hull -.6 -.1 .6 -.1 .6 .7 -.6 .7; "
        "light ring 0 .28 .28 .05; trim disc 0 .28 .12"
    ),
    "Beauty/Skin/Care": (
        "body hull -.58 -.1 .58 -.1 .54 .64 -.54 .64; trim hull -.6 -.44 .6 -.44 .6 -.12 -.6 -.12"
    ),
    "Beauty/Hair/Care": (
        "trim bar 0 -.72 .3 -.72 .07; trim hull -.1 -.74 .1 -.74 .1 -.3 -.1 -.3; "
        "body hull -.38 -.36 .38 -.36 .42 .82 -.42 .82; "
        "light hull -.24 .1 .24 .1 .24 .46 -.24 .46"
    ),
    "Beauty/Fragrance/Candles": (
        "trim bar 0 -.34 0 -.1 .03; light disc 0 -.5 .15; trim disc 0 -.46 .07; "
        "body hull -.48 -.16 .48 -.16 .48 .74 -.48 .74"
    ),
    "Beauty/Make-up/Face": (
        "trim hull -.32 .2 .32 .2 .32 .84 -.32 .84; "
        "light hull -.26 .02 .26 .02 .26 .2 -.26 .2; "
        "body hull -.24 -.5 .24 -.86 .24 .04 -.24 .04"
    ),
    "Food/Pantry/Coffee & Tea": (
        "trim hull -.5 -.78 .5 -.78 .5 -.56 -.5 -.56; "
        "body hull -.48 -.58 .48 -.58 .62 .78 -.62 .78; light disc 0 .16 .24"
    ),
    "Food/Pantry/Oils & Spices": (
        "trim hull -.12 -.86 .12 -.86 .12 -.66 -.12 -.66; "
        "body hull -.12 -.68 .12 -.68 .32 -.2 -.32 -.2; "
        "body hull -.32 -.22 .32 -.22 .34 .82 -.34 .82; "
        "light hull -.32 .14 .32 .14 .33 .44 -.33 .44"
    ),
    "Food/Sweets/Chocolate": (
        "body hull -.58 -.78 .58 -.78 .58 .78 -.58 .78; trim bar -.58 -.26 .58 -.26 .025; "
        "trim bar -.58 .26 .58 .26 .025; trim bar 0 -.78 0 .78 .025"
    ),
    "Books/Cooking/World": (
        "body hull -.56 -.76 .62 -.76 .62 .76 -.56 .76; "
        "trim hull -.66 -.76 -.46 -.76 -.46 .76 -.66 .76; "
        "light hull -.24 -.52 .4 -.52 .4 -.24 -.24 -.24"
    ),
    "Books/Travel/Guides": (
        "body hull -.86 -.5 -.02 -.3 -.02 .66 -.86 .46; "
        "body hull .86 -.5 .02 -.3 .02 .66 .86 .46; light bar -.66 -.2 -.24 -.1 .04; "
        "light bar .24 -.1 .66 -.2 .04; trim bar 0 -.3 0 .64 .03"
    ),
    "Books/Children/Picture": (
        "body hull -.7 -.66 .7 -.66 .7 .66 -.7 .66; "
        "trim hull -.78 -.66 -.64 -.66 -.64 .66 -.78 .66; light disc .04 0 .3; "
        "trim disc -.06 -.06 .05; trim disc .14 -.06 .05"
    ),
    "Toys/Games/Board Games": (
        "body hull -.64 -.64 .64 -.64 .64 .64 -.64 .64; light disc -.34 -.34 .12; "
        "light disc .34 -.34 .12; light disc 0 0 .12; light disc -.34 .34 .12; "
        "light disc .34 .34 .12"
    ),
    "Toys/Building/Blocks": (
        "body hull -.78 .08 -.06 .08 -.06 .76 -.78 .76; "
        "body hull .06 .08 .78 .08 .78 .76 .06 .76; "
        "body hull -.36 -.62 .36 -.62 .36 .02 -.36 .02; trim bar -.16 -.7 .16 -.7 .06"
    ),
    "Pets/Dogs/Walking": "body ring 0 -.12 .52 .17; trim disc 0 .62 .17; light disc 0 .62 .07",
}
OUTLINES: Final = {path: _parts(words) for path, words in _OUTLINES.items()}
"""Parts by the path of a shelf, those behind first."""
