"""Do the tables speak of the same people and items? Ids of another kind join nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.errors import BadInputError

FEW: Final = 20
"""Number of people or events of which nobody can say that they ought to be found elsewhere."""
HARDLY_ANY: Final = 0.1
"""Share below which two tables hardly speak of the same people."""
MOST: Final = 0.9
"""Above this share of events the items are of another kind."""


@dataclass(frozen=True, slots=True)
class SharedIds:
    """How many people and items the tables have in common."""

    people_of_events: int
    people_of_ties: int
    people_of_ties_with_events: int
    people_of_users: int
    people_of_users_with_events_or_ties: int
    items: int
    """Items with a good row of their own."""
    items_without_events: int
    items_not_described: int
    """Items that events name and table ``items`` lacks."""
    events_of_items_not_described: int


def count_distinct(file: Path, columns: Sequence[str]) -> pa.Table:
    """Count how often each text stands in some columns of a Parquet file, part by part.

    Returns:
        Columns ``id`` and ``count``, each id once.
    """
    content = pq.ParquetFile(file, read_dictionary=list(columns))
    found = pa.table({"id": pa.array([], pa.string()), "count": pa.array([], pa.int64())})
    parts, held = [found], 0
    for group in range(content.num_row_groups):
        rows = content.read_row_group(group, columns=list(columns))
        for chunk in (chunk for name in columns for chunk in rows[name].chunks):
            indices = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
            counts = np.bincount(indices, minlength=len(chunk.dictionary))
            ids = chunk.dictionary.cast(pa.string())
            parts.append(pa.table([ids, pa.array(counts)], ["id", "count"]))
            held += len(ids)
        if held > 2 * found.num_rows + (1 << 20):
            found = _added_up(parts)
            parts, held = [found], found.num_rows
    return _added_up(parts)


def judge_shared(
    events: pa.Table, event_items: pa.Table, ties: pa.Table, users: pa.Array, items: pa.Array
) -> tuple[SharedIds, list[str]]:
    """Compare the ids of all tables.

    Args:
        events: People of events as ``count_distinct`` counts them.
        event_items: Items of events, likewise.
        ties: People of ties, likewise.
        users: Ids of the people in ``users``.
        items: Ids of the described items.

    Returns:
        The counts, and what a person should hear of them.

    Raises:
        BadInputError: Two tables that ought to speak of the same have nothing in common.
    """
    tied = pc.is_in(ties["id"], value_set=events["id"])
    met = pc.is_in(users, value_set=pa.chunked_array([*events["id"].chunks, *ties["id"].chunks]))
    described = pc.is_in(event_items["id"], value_set=items)
    undescribed = event_items.filter(pc.invert(described))
    with_events = pc.is_in(items, value_set=event_items["id"])
    shared = SharedIds(
        people_of_events=events.num_rows,
        people_of_ties=ties.num_rows,
        people_of_ties_with_events=_count(tied),
        people_of_users=len(users),
        people_of_users_with_events_or_ties=_count(met),
        items=len(items),
        items_without_events=len(items) - _count(with_events),
        items_not_described=undescribed.num_rows,
        events_of_items_not_described=pc.sum(undescribed["count"]).as_py() or 0,
    )
    warnings = [
        *_of_people("ties", shared.people_of_ties, shared.people_of_ties_with_events, ties, events),
        *_of_users(shared, users, events),
        *_of_items(shared, undescribed, items, pc.sum(event_items["count"]).as_py() or 0),
    ]
    return shared, warnings


def _of_people(
    name: str, people: int, shared: int, theirs: pa.Table, events: pa.Table
) -> list[str]:
    if not people:
        return []
    said = f"only {shared:,} of {people:,} people in {name} have events"
    if shared == 0 and min(people, events.num_rows) >= FEW:
        raise BadInputError(
            f"events and {name} have nobody in common: events name e.g. {_example(events['id'])}, "
            f"{name} {_example(theirs['id'])}: export both with the same ids"
        )
    if shared < HARDLY_ANY * min(people, events.num_rows):
        return [f"{said}: are both exported with the same ids?"]
    return []


def _of_users(shared: SharedIds, users: pa.Array, events: pa.Table) -> list[str]:
    met, people = shared.people_of_users_with_events_or_ties, shared.people_of_users
    if not people or met >= HARDLY_ANY * min(people, shared.people_of_events):
        return []
    examples = f"events name e.g. {_example(events['id'])}, users {_example(users)}"
    if met == 0 and min(people, shared.people_of_events) >= FEW:
        raise BadInputError(
            f"users names nobody who is in events or ties, so no consent would count: {examples}: "
            "export all with the same ids"
        )
    return [f"only {met:,} of {people:,} people in users are in events or ties: {examples}"]


def _of_items(
    shared: SharedIds, undescribed: pa.Table, items: pa.Array, num_events: int
) -> list[str]:
    count = shared.events_of_items_not_described
    if not count:
        return []
    example = _example(undescribed["id"])
    if count > MOST * num_events and num_events >= FEW:
        raise BadInputError(
            f"{count:,} of {num_events:,} events name items that have no good row in items: events "
            f"name e.g. {example}, items {_example(items)}: export both with the same ids"
        )
    return [
        f"{count:,} of {num_events:,} events name {shared.items_not_described:,} items that have "
        f"no good row in items, e.g. {example}: they are learned from, and shown to nobody until "
        "items describes them"
    ]


def _example(ids: pa.Array | pa.ChunkedArray) -> str:
    return repr(pc.min(ids).as_py()) if len(ids) else "nothing"


def _count(mask: pa.Array | pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0


def _added_up(parts: Sequence[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(parts, promote_options="default")
    whole = whole.filter(pc.greater(whole["count"], 0))
    found = whole.group_by("id").aggregate([("count", "sum")])
    return found.rename_columns(["id", "count"])
