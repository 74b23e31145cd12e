"""Faults that take memory: a release is loaded beside the live one, in the same process."""

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from coterie.recommend import linear
from coterie.release.bundle import Release
from coterie.release.encoders import ReleasedEncoder
from coterie.release.vectors import MAX_WIDTH
from pipelines.faulty_releases.fault import Changes, Fault
from pipelines.faulty_releases.vectors import names_of

FAMILY: Final = "memory"
HEAVIER: Final = 10


def _double(release: Release) -> Changes:
    """Write vectors in double precision: the same lists, twice the memory."""
    parameters = dict(release.parameters)
    for name in names_of(release):
        parameters[name] = parameters[name].double()
    return {"parameters": parameters}


def _crowded(release: Release) -> Changes:
    """Keep every item as a neighbour of every other, most of them with a weight of 0."""
    near, size = f"{linear.PREFIX}near", release.catalogue.num_rows
    parameters = dict(release.parameters)
    old, item = parameters[near], parameters[f"{near}_item"]
    row = torch.repeat_interleave(torch.arange(size), parameters[f"{near}_offsets"].diff())
    whole = torch.zeros((size, size), dtype=old.dtype)
    whole.index_put_((row, item.long()), old, accumulate=True)
    parameters[near] = whole.ravel()
    parameters[f"{near}_item"] = torch.arange(size, dtype=item.dtype).repeat(size)
    parameters[f"{near}_offsets"] = torch.arange(0, size * size + 1, size)
    return {"parameters": parameters}


def _heavy(release: Release) -> Changes:
    """Bring vectors that nothing reads, of as many kinds as it takes."""
    size = HEAVIER * sum(tensor.nbytes for tensor in release.parameters.values())
    rows, rng = release.catalogue.num_rows, np.random.default_rng(0)
    wide: dict[str, npt.NDArray[np.float16]] = {}
    left = size // (2 * rows)
    while left > 0:
        width = min(left, MAX_WIDTH)
        wide[f"layer{len(wide)}"] = rng.normal(size=(rows, width)).astype(np.float16)
        left -= width
    made_by = ReleasedEncoder("layers", hashlib.sha256(b"layers").hexdigest())
    return {
        "vectors": {**release.vectors, **wide},
        "encoders": {**release.manifest.encoders, **dict.fromkeys(wide, made_by)},
    }


FAULTS: Final = (
    Fault(
        "double-precision",
        FAMILY,
        "vectors are in double precision",
        ("preflight",),
        _double,
    ),
    Fault(
        "crowded",
        FAMILY,
        "every item is kept as every other's neighbour",
        ("preflight",),
        _crowded,
    ),
    Fault(
        "heavy",
        FAMILY,
        f"vectors that nothing reads take {HEAVIER} times the memory of all else",
        ("preflight",),
        _heavy,
    ),
)
