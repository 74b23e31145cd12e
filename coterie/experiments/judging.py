"""What experiments have found, by the tables that were exported: one way in for all kinds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.experiments.analysis import result
from coterie.experiments.definition import Experiment, Unit
from coterie.experiments.earned import earned
from coterie.experiments.outcomes import experiment_data
from coterie.experiments.preference import interleaved_result

Ints = npt.NDArray[np.int64]
Communities = Callable[[Experiment, npt.NDArray[np.str_]], Ints]
"""Says of each shopper of an experiment the number of the community that they were drawn with."""


def judge(
    experiment: Experiment,
    impressions: pa.Table,
    events: pa.Table,
    now_ms: int,
    communities: Communities | None,
) -> dict[str, Any]:
    """Judge an experiment as it stands.

    Args:
        experiment: Which one.
        impressions: As ``read_impressions`` gives them.
        events: As ``read_exported_events`` gives them.
        now_ms: Of what moment this is, milliseconds since 1970.
        communities: Asked where communities were drawn; without it errors are those of shoppers.

    Returns:
        Plain values; see ``analysis.result``, with ``earned`` beside.
    """
    if experiment.interleave:
        return {**interleaved_result(experiment, impressions, events, now_ms), "earned": None}
    data = experiment_data(impressions, events, experiment, now_ms)
    drawn = None
    if experiment.unit is Unit.COMMUNITY and communities is not None:
        drawn = communities(experiment, data.shoppers.user_id)
    found = result(experiment, data, now_ms, drawn)
    return {**found, "earned": earned(experiment, impressions, events, now_ms)}
