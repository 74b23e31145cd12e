"""Vectors of a release's items, by kind: written as one file, and read without trusting it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from coterie.errors import BadInputError

MAX_WIDTH: Final = 8192
"""Numbers of a vector: to search by wider ones takes their square in memory, 8 GB at 30,000, so
that one such release would end whoever looks into it."""

Vectors = Mapping[str, npt.NDArray[np.float16]]
"""By kind: shape (items, width), all finite; row i is of item i of the catalogue, and zeros where
nothing is known of it."""


def pack_vectors(vectors: Vectors, num_items: int, where: str) -> bytes:
    """Write vectors as the bytes of a safetensors file, a tensor a kind.

    Raises:
        BadInputError: They are of another type, hold numbers that are none, or there is not one
            row an item.
    """
    for kind, one in vectors.items():
        form = "F16" if one.dtype == np.float16 else str(one.dtype)
        _check_form(kind, form, one.shape, num_items, where)
        _check_numbers(kind, one, where)
    return save({kind: np.ascontiguousarray(one) for kind, one in vectors.items()})


def unpack_vectors(
    data: bytes, kinds: Collection[str], num_items: int, where: str
) -> dict[str, npt.NDArray[np.float16]]:
    """Read back what :func:`pack_vectors` wrote.

    Args:
        data: Content of the file.
        kinds: Those whose encoders the manifest names: there have to be vectors of just these.
        num_items: Rows of the catalogue.
        where: The file, for the error's text.

    Raises:
        BadInputError: It is no such file, or not as the manifest says.
    """
    try:
        held = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError) as error:
        raise BadInputError(f"{where} is no safetensors file: {error}") from error
    if set(held) != set(kinds):
        raise BadInputError(
            f"{where} has vectors of {sorted(held)}, and the manifest names encoders of "
            f"{sorted(kinds)}: fetch the release again from its store"
        )
    found: dict[str, npt.NDArray[np.float16]] = {}
    for kind, tensor in held.items():
        # The form first: numbers of another type would be read as what they are not.
        _check_form(kind, str(tensor["dtype"]), tensor["shape"], num_items, where)
        found[kind] = np.frombuffer(tensor["data"], np.float16).reshape(tensor["shape"])
        _check_numbers(kind, found[kind], where)
    return found


def _check_form(kind: str, dtype: str, shape: Sequence[int], num_items: int, where: str) -> None:
    if dtype != "F16" or len(shape) != 2 or shape[0] != num_items or not shape[1]:
        raise BadInputError(
            f"{where}: vectors of {kind} are {dtype} of shape {tuple(shape)}: expected F16 of "
            f"shape ({num_items}, width), one row an item: were both made from the same data?"
        )
    if shape[1] > MAX_WIDTH:
        raise BadInputError(
            f"{where}: vectors of {kind} have {shape[1]} numbers: expected at most {MAX_WIDTH}; "
            "encode with a model of fewer"
        )


def _check_numbers(kind: str, vectors: npt.NDArray[np.float16], where: str) -> None:
    if not np.isfinite(vectors).all():
        raise BadInputError(
            f"{where}: vectors of {kind} hold numbers that are not finite: encode the catalogue "
            "again"
        )
