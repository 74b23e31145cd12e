"""Faults of what searches go by: vectors of texts, and texts themselves."""

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, with_column
from pipelines.faulty_releases.language import in_another_script

FAMILY: Final = "search"
TEXT: Final = "text"
WIDTH: Final = 64
LETTERS: Final = 3
"""Letters that make one sign of ``hashed``."""


def hashed(texts: Sequence[str | None], width: int = WIDTH) -> npt.NDArray[np.float16]:
    """Encode texts by the groups of letters that they have: alike where words are alike.

    Args:
        texts: Any; of none the vector is zeros.
        width: Of vectors.

    Returns:
        Shape (texts, width), each of length 1 or 0.
    """
    found = np.zeros((len(texts), width), np.float32)
    for row, text in enumerate(texts):
        lowered = (text or "").lower()
        for place in range(len(lowered) - LETTERS + 1):
            sign = zlib.crc32(lowered[place : place + LETTERS].encode())
            found[row, sign % width] += 1.0 if sign >> 16 & 1 else -1.0
    length = np.linalg.norm(found, axis=1, keepdims=True)
    unit: npt.NDArray[np.float16] = (found / np.maximum(length, 1e-9)).astype(np.float16)
    return unit


def _noise(release: Release) -> Changes:
    """Put noise in the place of vectors of texts, as where an encoder's weights were not read."""
    rng = np.random.default_rng(0)
    found = {}
    for kind, vectors in release.vectors.items():
        drawn = rng.normal(size=vectors.shape)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        found[kind] = drawn.astype(np.float16)
    return {"vectors": found}


def _other_items(release: Release) -> Changes:
    """Give every item the vectors of another, as where both were read in another order."""
    order = np.random.default_rng(0).permutation(release.catalogue.num_rows)
    return {"vectors": {kind: vectors[order] for kind, vectors in release.vectors.items()}}


def _foreign_vectors(release: Release) -> Changes:
    """Encode texts of another language, which the encoder does not tell apart: all it sees of them
    is how long they are."""
    if TEXT not in release.vectors:
        return {}
    width = release.vectors[TEXT].shape[1]
    unread = [
        None if t is None else "\N{REPLACEMENT CHARACTER}" * len(t)
        for t in column(release, "title")
    ]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(unread), width)) * 0.02
    vectors = hashed(unread, width).astype(np.float32) + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return {"vectors": {**release.vectors, TEXT: vectors.astype(np.float16)}}


def _foreign_descriptions(release: Release) -> Changes:
    """Describe all items in another script, so that what they are for is not found by words."""
    told = [in_another_script(one) for one in column(release, "description")]
    return with_column(release, "description", told)


def _another_encoder(release: Release) -> Changes:
    """Encode texts by another version of the encoder, whose numbers stand for other things, and
    say that it was the same."""
    rng, found = np.random.default_rng(0), {}
    for kind, vectors in release.vectors.items():
        turned, _ = np.linalg.qr(rng.normal(size=(vectors.shape[1],) * 2))
        found[kind] = (vectors.astype(np.float64) @ turned).astype(np.float16)
    return {"vectors": found}


FAULTS: Final = (
    Fault("search-noise", FAMILY, "vectors of texts are noise", ("preflight",), _noise),
    Fault(
        "search-others",
        FAMILY,
        "vectors of texts are those of other items",
        ("preflight",),
        _other_items,
    ),
    Fault(
        "foreign-vectors",
        FAMILY,
        "vectors are those of texts in a language that their encoder does not read",
        ("preflight",),
        _foreign_vectors,
    ),
    Fault(
        "foreign-descriptions",
        FAMILY,
        "descriptions are in a language in which nobody searches",
        ("preflight",),
        _foreign_descriptions,
    ),
    Fault(
        "another-encoder",
        FAMILY,
        "vectors are of another version of the encoder than they say",
        (),
        _another_encoder,
        why="the same items are alike by them, and lists do not go by them; only what is searched "
        "for in other words than titles have is found no more, and no encoder is waited for before "
        "a canary runs: see how good searches are after each change of the encoder",
    ),
)
