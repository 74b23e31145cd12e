"""Sums over people to which each adds little: how many had an item, and which were had together.

A person's row x marks the items that they had. Scaled to a length of at most c it becomes r, and
with or without that person::

    sum r      changes by |r|     <= c
    sum r r'   changes by |r r'|  <= c ** 2        (Frobenius)

Entries of r are whole multiples of 2 ** -12, rounded down, so that sums are exact in any order.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

Doubles = npt.NDArray[np.float64]
ENTRY_BITS: Final = 12


def counts(had: Any, length: float) -> Doubles:
    """Add up people's rows, none longer than ``length``; shape (items,).

    Args:
        had: ``scipy.sparse`` matrix of ones, (people, items).
        length: c.
    """
    whole = np.asarray(_clipped(had, length).sum(axis=0)).ravel()
    return np.asarray(whole * 2.0**-ENTRY_BITS)


def had_together(had: Any, length: float) -> Doubles:
    """Add up r r' of people's rows, none longer than ``length``; shape (items, items).

    Args:
        had: ``scipy.sparse`` matrix of ones, (people, items).
        length: c.
    """
    rows = _clipped(had, length)
    return np.asarray((rows.T @ rows).toarray() * 2.0 ** (-2 * ENTRY_BITS))


def _clipped(had: Any, length: float) -> Any:
    """Scale rows that are longer, in whole multiples of 2 ** -12, shape (people, items)."""
    num = np.diff(had.indptr)
    scale = np.minimum(1.0, length / np.sqrt(np.maximum(num, 1)))
    units = np.floor(scale * 2**ENTRY_BITS).astype(np.int64)
    # The square root may have been rounded: never over the length.
    most = math.floor(length**2 * 4**ENTRY_BITS)
    units = np.where(units**2 * num > most, units - 1, units)
    return sparse.csr_matrix((np.repeat(units, num), had.indices, had.indptr), had.shape)
