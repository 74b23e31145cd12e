"""Pictures as vectors: what they show, by a network, and their colours, counted."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Final

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from coterie.content import lite
from coterie.content.encoder import EncodedBatch, Floats, digest_of, unit_rows
from coterie.errors import BadInputError

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What is opened: formats of web shops. Others have loaders that few people look after."""
MAX_PIXELS: Final = 40_000_000
"""Of one picture, as its header says; a small file can unpack to gigabytes."""
LEAST_SIDE: Final = 64
"""Pixels: below that the last layers see one point."""
_LEVELS: Final = 4
COLOURS: Final = _LEVELS**3
_AT_ONCE: Final = 16


def open_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture, in red, green and blue, what is transparent on white.

    Raises:
        BadInputError: It is no picture, of another format, cut off, or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(data), formats=FORMATS)
            wide, high = picture.size
            if wide * high > max_pixels:
                raise BadInputError(f"has {wide} x {high} pixels: at most {max_pixels} are read")
            # Of a JPEG only what the network looks at is decoded: up to 64 times fewer pixels.
            picture.draft("RGB", (2 * lite.SIDE, 2 * lite.SIDE))
            return _on_white(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInputError(f"has too many pixels: at most {max_pixels} are read") from error
    except UnidentifiedImageError as error:
        raise BadInputError(f"is no picture of {', '.join(FORMATS)}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadInputError(f"is a picture that cannot be read: {error}") from error


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        below = Image.new("RGBA", over.size, "white")
        below.alpha_composite(over)
        picture = below
    return picture.convert("RGB")


def colours_of(picture: Image.Image) -> Floats:
    """Count colours in 64 boxes, as roots of shares: a vector of length 1, shape (64,)."""
    levels = np.asarray(picture.resize((64, 64)), np.int64).reshape(-1, 3) * _LEVELS // 256
    boxes = levels @ np.array([_LEVELS**2, _LEVELS, 1])
    return np.sqrt(np.bincount(boxes, minlength=COLOURS) / len(boxes)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """How pictures become vectors."""

    colour: float = 0.7
    """Weight of colours beside 1 for what is shown: of 999 photos of clothes, .7 brought the
    colour of the nearest from .30 to .37, and its type from .68 to .66."""
    side: int = lite.SIDE
    """Pixels, wide and high, that pictures are brought to; the time goes with its square."""
    max_pixels: int = MAX_PIXELS
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A weight below 0, no pixels, or a side that the network cannot look at.
        """
        if not LEAST_SIDE <= self.side <= 2 * lite.SIDE:
            raise BadInputError(
                f"side is {self.side} pixels: expected {LEAST_SIDE} to {2 * lite.SIDE}"
            )
        if self.colour < 0.0 or self.max_pixels < 1:
            raise BadInputError(
                f"colour is {self.colour} and max_pixels {self.max_pixels}: at least 0 and 1"
            )


class PictureEncoder:
    """The default for pictures: EfficientNet-lite0 and a histogram of colours."""

    kind: Final = "image"
    name: Final = "efficientnet-lite0+colours"
    width: Final = lite.FEATURES + COLOURS

    def __init__(self, settings: PictureSettings | None = None) -> None:
        """Load the weights.

        Raises:
            BadInputError: The extra ``content`` is not installed.
        """
        self._settings = settings or PictureSettings()
        self._network = lite.load_network().to(self._settings.device)
        # In this order of numbers in memory it takes two thirds of the time on a CPU.
        self._network = self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @cached_property
    def digest(self) -> str:
        """Of weights, of the weight of colours, and of the side if it is not the usual one."""
        side = {} if self._settings.side == lite.SIDE else {"side": self._settings.side}
        return digest_of(
            name=self.name,
            weights=lite.WEIGHTS.sha256,
            colour=self._settings.colour,
            version=1,
            **side,
        )

    def encode(self, batch: Sequence[bytes]) -> EncodedBatch:
        """Encode the bytes of picture files."""
        faults: dict[int, str] = {}
        vectors = np.zeros((len(batch), self.width), np.float32)
        for start in range(0, len(batch), _AT_ONCE):
            found: list[tuple[int, Image.Image]] = []
            for place, data in enumerate(batch[start : start + _AT_ONCE], start):
                try:
                    found.append((place, open_picture(data, self._settings.max_pixels)))
                except BadInputError as error:
                    faults[place] = str(error)
            if found:
                vectors[[place for place, _ in found]] = self._of([one for _, one in found])
        return EncodedBatch(vectors, faults)

    def _of(self, pictures: Sequence[Image.Image]) -> Floats:
        side = (self._settings.side, self._settings.side)
        small = np.stack(
            [np.asarray(one.resize(side, Image.Resampling.BICUBIC)) for one in pictures]
        )
        tensor = torch.from_numpy(small).permute(0, 3, 1, 2).to(self._settings.device)
        with torch.inference_mode():
            shown = self._network((tensor.float() - 127.0) / 128.0).cpu().numpy()
        colours = np.stack([colours_of(one) for one in pictures])
        return unit_rows(np.hstack([unit_rows(shown), self._settings.colour * colours]))
