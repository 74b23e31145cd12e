"""From tables to shoppers: who saw which arm first, and what they did in the window after."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.experiments.definition import JOINED, Experiment, Metric
from coterie.impressions.attribution import CLICKS, attributed, milliseconds
from coterie.impressions.table import read_impressions
from coterie.schema import EVENTS, EventKind

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
BEFORE_S: Final = 28 * 86_400.0
"""Of the time before a shopper's first list that is looked at."""
_READ: Final = ("event_id", "user_id", "item_id", "event", "value", "ts")


@dataclass(frozen=True, slots=True)
class ArmLists:
    """Lists of an experiment, as columns of shape (lists,), oldest first."""

    arm: Ints
    """Number of the arm."""
    shown_ms: Ints
    made_ms: Floats
    """nan: not known."""
    shielded: Bools
    clicked: Bools
    """Within the window of the experiment."""


@dataclass(frozen=True, slots=True)
class ShopperOutcomes:
    """Shoppers of an experiment whose window is over, as columns of shape (n,), by its end."""

    user_id: npt.NDArray[np.str_]
    arm: Ints
    """Number of the arm that they saw first."""
    first_ms: Ints
    outcome: Floats
    """By the experiment's metric."""
    before: Floats
    """What they did of that in the time before."""
    events_before: Ints
    """All that they did then."""
    bought: Bools
    returned: Bools
    """Whether who bought sent something back."""
    surface: npt.NDArray[np.str_]
    """Of their first list."""

    def take(self, rows: Ints | Bools) -> "ShopperOutcomes":
        """Take the rows of an index or a mask."""
        return ShopperOutcomes(*(getattr(self, one.name)[rows] for one in fields(self)))


@dataclass(frozen=True, slots=True)
class ExperimentData:
    """All that is known of an experiment."""

    lists: ArmLists
    shoppers: ShopperOutcomes
    drawn: Ints
    """Shoppers of each arm, their window over or not, shape (arms,)."""
    switched: int
    """Shoppers who saw more than one arm; they count as of the first."""
    releases: dict[str, list[str]]
    """Releases that each arm's lists were of."""


def read_exported_events(source: str) -> pa.Table:
    """Read events as the consumer exports them, each once, with the list that they name.

    Args:
        source: Folder of tables with ``events/``, local or of a store; without it there are none.

    Raises:
        BadInputError: A file has other columns.
        UnavailableError: The store does not answer.
    """
    schema = pa.schema([EVENTS.arrow.field(name) for name in _READ]).append(
        pa.field("list_id", pa.string())
    )
    fs, root = open_store(source)
    folder = f"{root}/{EVENTS.name}"
    with reaching(source):
        names = sorted(fs.find(folder)) if fs.exists(folder) else []
        paths = [
            n for n in names if n.endswith(".parquet") and PurePosixPath(n).name[0] not in "._"
        ]
        parts = [_events(fs.cat_file(path), path, schema) for path in paths]
    whole = pa.concat_tables([schema.empty_table(), *parts])
    place = pa.array(range(whole.num_rows), pa.int64())
    first = whole.select(["event_id"]).append_column("place", place).group_by("event_id")
    kept = first.aggregate([("place", "min")])["place_min"]
    return whole if len(kept) == whole.num_rows else whole.take(kept)


def read_experiment(source: str, experiment: Experiment, now_ms: int) -> ExperimentData:
    """Read what an experiment's shoppers saw and did.

    Args:
        source: Folder of tables, as events are exported to.
        experiment: Which one.
        now_ms: Until when windows are over, milliseconds since 1970.

    Raises:
        BadInputError: There are no impressions, or files are none of ours.
        UnavailableError: The store does not answer.
    """
    return experiment_data(
        read_impressions(source), read_exported_events(source), experiment, now_ms
    )


def experiment_data(
    impressions: pa.Table, events: pa.Table, experiment: Experiment, now_ms: int
) -> ExperimentData:
    """Put impressions and events together, by list and by shopper; see ``read_experiment``."""
    arm = arms_of_rows(impressions, experiment, [arm.name for arm in experiment.arms])
    since = impressions["shown_ts_ms"].to_numpy() >= experiment.started_ms
    part = (arm >= 0) & since
    rows, arm = impressions.filter(pa.array(part)), arm[part]
    named = attributed(rows, events, experiment.window_s)
    lists, first_row = _lists(named, arm)
    users = rows["user_id"].take(pa.array(first_row)).combine_chunks().dictionary_encode()
    who = users.indices.to_numpy().astype(np.int64)
    num = len(users.dictionary)
    # Lists are in the order of time: the first of each shopper counts.
    _, first_list = np.unique(who, return_index=True)
    seen = np.unique(np.stack([who, lists.arm]), axis=1)[0]
    shown_in = rows["surface"].take(pa.array(first_row[first_list]))
    shoppers = _shoppers(
        experiment,
        events,
        users.dictionary,
        lists.arm[first_list],
        lists.shown_ms[first_list],
        np.asarray(shown_in.to_pylist(), np.str_),
    )
    over = shoppers.first_ms + experiment.window_s * 1000 <= now_ms
    by_end = np.argsort(shoppers.first_ms, kind="stable")
    return ExperimentData(
        lists,
        shoppers.take(by_end[over[by_end]]),
        np.bincount(shoppers.arm, minlength=len(experiment.arms)),
        int((np.bincount(seen, minlength=num) > 1).sum()),
        _releases(rows, arm, experiment),
    )


def arms_of_rows(impressions: pa.Table, experiment: Experiment, names: Sequence[str]) -> Ints:
    """Find the number, among these names, of each row's arm; -1 where it is of none."""
    both = pc.binary_join_element_wise(impressions["experiment"], impressions["arm"], "\x1f")
    coded = both.combine_chunks().dictionary_encode()
    number = []
    for text in coded.dictionary.to_pylist():
        of, _, arms = text.partition("\x1f")
        found = dict(zip(of.split(JOINED), arms.split(JOINED), strict=False))
        arm = found.get(experiment.name)
        number.append(names.index(arm) if arm in names else -1)
    if not number:
        return np.zeros(0, np.int64)
    found_at: Ints = np.asarray(number, np.int64)[coded.indices.to_numpy()]
    return found_at


def _lists(rows: pa.Table, arm: Ints) -> tuple[ArmLists, Ints]:
    """Put rows of items together into lists, and say which row each begins with."""
    coded = rows["list_id"].combine_chunks().dictionary_encode()
    of_row = coded.indices.to_numpy()
    _, first = np.unique(of_row, return_index=True)
    clicked = np.zeros(len(coded.dictionary), np.bool_)
    np.logical_or.at(clicked, of_row, rows["clicked"].to_numpy())
    shown = rows["shown_ts_ms"].to_numpy()[first]
    order = np.argsort(shown, kind="stable")
    first = first[order]
    lists = ArmLists(
        arm[first],
        shown[order],
        pc.fill_null(rows["made_ms"], float("nan")).to_numpy()[first],
        pc.fill_null(rows["shielded"], False).to_numpy()[first],
        clicked[order],
    )
    return lists, first


def _shoppers(
    experiment: Experiment,
    events: pa.Table,
    ids: pa.Array,
    arm: Ints,
    first_ms: Ints,
    surface: npt.NDArray[np.str_],
) -> ShopperOutcomes:
    """Add up what shoppers did in their windows, and before."""
    num = len(ids)
    who = np.asarray(pc.fill_null(pc.index_in(events["user_id"], value_set=ids), -1), np.int64)
    theirs = who >= 0
    events, who = events.filter(pa.array(theirs)), who[theirs]
    at = milliseconds(events["ts"])
    late = at - first_ms[who] if num else at
    within = (late >= 0) & (late <= experiment.window_s * 1000)
    before = (late < 0) & (late >= -BEFORE_S * 1000)
    kind = np.asarray(events["event"].to_pylist(), np.str_)
    value = np.asarray(pc.fill_null(events["value"], 0.0), np.float64)
    bought = kind == EventKind.PURCHASE
    clicks = np.isin(kind, [str(one) for one in CLICKS]) & np.asarray(
        pc.is_valid(events["list_id"])
    )

    def total(rows: Bools, weight: Floats | None = None) -> Floats:
        taken = None if weight is None else weight[rows]
        return np.bincount(who[rows], taken, num).astype(np.float64)

    counted = clicks if experiment.metric is Metric.CLICK_RATE else bought
    weight = value if experiment.metric is Metric.REVENUE else None
    outcome = total(within & counted, weight)
    if experiment.metric in RATES:
        outcome = np.minimum(outcome, 1.0)
    return ShopperOutcomes(
        np.asarray(ids.to_pylist(), np.str_),
        arm,
        first_ms,
        outcome,
        total(before & counted, weight),
        total(before).astype(np.int64),
        total(within & bought) > 0,
        total(within & (kind == EventKind.RETURN)) > 0,
        surface,
    )


RATES: Final = frozenset({Metric.PURCHASE_RATE, Metric.CLICK_RATE})
"""Metrics that are 1 or 0 of each shopper."""


def _releases(rows: pa.Table, arm: Ints, experiment: Experiment) -> dict[str, list[str]]:
    found = {}
    for number, one in enumerate(experiment.arms):
        named = pc.unique(rows["release"].filter(pa.array(arm == number)))
        found[one.name] = sorted(named.to_pylist())
    return found


def _events(content: Any, path: str, schema: pa.Schema) -> pa.Table:
    rows = pq.read_table(pa.BufferReader(content))
    lacks = [name for name in _READ if name not in rows.column_names]
    if lacks:
        raise BadInputError(f"{path} lacks the columns {', '.join(lacks)} of events")
    if "list_id" not in rows.column_names:
        rows = rows.append_column("list_id", pa.nulls(rows.num_rows, pa.string()))
    return rows.select(schema.names).cast(schema)
