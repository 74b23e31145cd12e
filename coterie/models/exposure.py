"""How much a target counts, by how often lists showed its item: what is shown is what is had."""

from typing import Final

import numpy as np
import pyarrow.compute as pc

from coterie.data.dataset import Floats, TrainingSet
from coterie.models.engagement import engagement

EXPOSURE: Final = "exposure"
"""Column of the items: how often each was looked at in lists, and otherwise done something with."""
OF_EXPOSURE: Final = ("exposure_power", "exposure_clip")
"""Settings of models that read it."""


def target_weights(data: TrainingSet, power: float, clip: float) -> Floats:
    """Weigh targets by the inverse propensity of their items, clipped; mean 1 over what was had.

    Args:
        data: With the column ``EXPOSURE``, or without: then all count alike.
        power: Of the inverse: 1 undoes exposure, 0 leaves everything as it is.
        clip: Most that a weight differs from 1, as a factor.

    Returns:
        Shape (num_items,).
    """
    plain = np.ones(data.num_items, np.float32)
    if power == 0 or data.items is None or EXPOSURE not in data.items.column_names:
        return plain
    column = pc.fill_null(data.items[EXPOSURE], 0.0)
    seen = np.asarray(column, dtype=np.float64)
    if not (seen > 0).any():
        return plain
    usual = seen[seen > 0].mean()
    with np.errstate(divide="ignore"):
        weight = np.clip((usual / seen) ** power, 1 / clip, clip)
    had = np.asarray(engagement(data).sum(axis=0)).ravel()
    return np.asarray(weight * (had.sum() / (weight @ had)), np.float32)
