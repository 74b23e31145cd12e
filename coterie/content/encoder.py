"""What every encoder is to the rest: a name, a digest, and vectors of a batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """What an encoder made of a batch."""

    vectors: Floats
    """Shape (n, width), each of length 1, or zeros where the input could not be read."""
    faults: Mapping[int, str] = field(default_factory=dict)
    """Why, by place in the batch, of those that could not."""


class ContentEncoder(Protocol):
    """Turns texts, pictures or sounds into vectors: near where what is meant is near."""

    @property
    def kind(self) -> str:
        """One of ``vectors.KINDS``: what it reads."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides its vectors: weights, settings, the version of its code."""

    @property
    def width(self) -> int:
        """Numbers of one vector."""

    def encode(self, batch: Sequence[Any]) -> EncodedBatch:
        """Encode texts (``str``), or the bytes of picture or sound files.

        Raises:
            UnavailableError: What it needs does not answer; one bad input is a fault instead.
        """


def digest_of(**decides: object) -> str:
    """Digest what decides an encoder's vectors, as JSON.

    >>> digest_of(a=1, b=2) == digest_of(b=2, a=1)
    True
    """
    return sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def unit_rows(vectors: npt.NDArray[np.floating[Any]]) -> Floats:
    """Bring each row to length 1; rows of zeros stay so.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)
