"""What is found of each shopper and of each series of demand, as tables."""

from typing import Final

import numpy as np
import pyarrow as pa

from coterie.behaviour.activity import FEATURES, features_at, known_at
from coterie.behaviour.forecast import LEVELS, Forecast
from coterie.behaviour.propensity import Foreseen
from coterie.behaviour.shop_log import DAY_MS, ShopLog
from coterie.behaviour.study import Behaviour
from coterie.data.dataset import Dataset
from coterie.schema import FEATURE_TIMESTAMP, SEGMENT, SEGMENT_NAME, TIMESTAMP

PEOPLE_FILE: Final = "people.parquet"
ACTIVITY_FILE: Final = "activity.parquet"
FORECAST_FILE: Final = "forecast.parquet"


def people_table(dataset: Dataset, found: Behaviour) -> pa.Table:
    """Tell of each shopper, in the order of ids; null of whom nothing is known or asked."""
    label = found.segments.label
    names = np.array([*found.segments.names, ""], object)
    columns = {
        "user_id": dataset.users.ids,
        SEGMENT: pa.array(found.segments.numbers[label], mask=label < 0),
        SEGMENT_NAME: pa.array(names[label], pa.string(), mask=label < 0),
    }
    for name, one in found.foreseen.items():
        columns[name] = (
            pa.array(one.now, from_pandas=True)
            if isinstance(one, Foreseen)
            else pa.nulls(len(label), pa.float64())
        )
    return pa.table(columns)


def activity_table(dataset: Dataset, log: ShopLog, moments: tuple[int, ...]) -> pa.Table:
    """Tell what was known of each shopper at several moments, as a feature store keeps it.

    Rows are of whom something was known, by moment, then by id.
    """
    parts = []
    for moment in moments:
        there = np.flatnonzero(known_at(log, moment))
        rows = features_at(log, moment)[there]
        when = pa.repeat(pa.scalar(moment * 1000, pa.int64()).cast(TIMESTAMP), len(there))
        columns = {"user_id": dataset.users.ids.take(pa.array(there))}
        columns |= {
            name: pa.array(rows[:, at], from_pandas=True) for at, name in enumerate(FEATURES)
        }
        parts.append(pa.table(columns | {FEATURE_TIMESTAMP: when}))
    return pa.concat_tables(parts)


def forecast_table(dataset: Dataset, forecast: Forecast) -> pa.Table:
    """Tell what each series will be in each week, by level, name and week; null is no interval."""
    demand, weeks = forecast.demand, forecast.weeks.shape[1]
    series = len(forecast.weeks)
    item, category = demand.item, np.array(demand.categories, object)
    level = [LEVELS[0], *[LEVELS[1]] * len(category), *[LEVELS[2]] * len(item)]
    inside = np.concatenate([[None], category, category[demand.category]])
    ids = pa.concat_arrays(
        [pa.nulls(demand.upper, pa.string()), dataset.items.ids.take(pa.array(item, mask=item < 0))]
    )
    begins = demand.end_ms + np.arange(weeks) * 7 * DAY_MS
    when = pa.array(np.tile(begins * 1000, series), pa.int64()).cast(TIMESTAMP)
    rows = pa.array(np.repeat(np.arange(series), weeks))
    return pa.table(
        {
            "level": pa.array(level, pa.string()).take(rows),
            "category": pa.array(inside, pa.string()).take(rows),
            "item_id": ids.take(rows),
            "week_begins": when,
            "expected": forecast.weeks.ravel(),
            "low": pa.array(forecast.low.ravel(), from_pandas=True),
            "high": pa.array(forecast.high.ravel(), from_pandas=True),
        }
    )
