"""The small shop with vectors of texts and pictures, and an encoder that knows a few words."""

from pathlib import Path

import numpy as np
from small_shop import CATEGORIES, NUM_ITEMS, write_small_release

from coterie.content.encoder import EncodedBatch, digest_of
from coterie.errors import UnavailableError
from coterie.release.bundle import Release
from coterie.release.encoders import ReleasedEncoder

MEANT = {"厨房": 0, "mountains": 1, "physics": 2, "spade": 3}
"""What the words mean, which no item has: a place among CATEGORIES."""


class WordEncoder:
    """Knows which category a word means."""

    kind, name, width = "text", "words-1", len(CATEGORIES)
    digest = digest_of(name=name)

    def __init__(self):
        self.down, self.asked = False, 0

    def encode(self, batch):
        self.asked += 1
        if self.down:
            raise UnavailableError(f"no answer for {batch}")
        vectors = np.zeros((len(batch), self.width), np.float32)
        for row, text in enumerate(batch):
            for word, place in MEANT.items():
                vectors[row, place] += word in text
        return EncodedBatch(vectors)


class OneEncoder:
    """Opens the same encoder for every release that has vectors of texts."""

    def __init__(self, encoder):
        self._encoder = encoder

    def open(self, release):
        return self._encoder if "text" in release.vectors else None


def write_release_with_vectors(folder: Path, version: str = "v1", **more) -> Release:
    """Texts mean their category; pictures show the row's last digit."""
    text = np.eye(len(CATEGORIES))[np.arange(NUM_ITEMS) % len(CATEGORIES)]
    image = np.eye(10)[np.arange(NUM_ITEMS) % 10]
    image[7] = 0.0  # an item without a picture
    made = ReleasedEncoder(WordEncoder.name, WordEncoder.digest)
    content = {"text": (text, made), "image": (image, made)}
    return write_small_release(folder, version, content=content, **more)
