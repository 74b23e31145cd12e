"""Made-up shops as tables of the contract, under ids that no real person has."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints
from coterie.schema import EVENT_KINDS, EVENTS, ITEMS, PARTS, TIE_KINDS, TIES, USERS
from coterie.synthesis.made_up import MadeUpShop

PREFIX: Final = "made-up"
"""What ids of made-up people begin with."""


def contract_tables(
    made: MadeUpShop, items: pa.Table, real_ids: pa.Array | None = None
) -> dict[str, pa.Table]:
    """Write a made-up shop as tables, by name.

    Args:
        made: The shop.
        items: The real catalogue, whose rows the shop's items are.
        real_ids: Ids of real people, none of which is given to anybody.
    """
    users = made_up_ids(made.num_people, real_ids)
    events, ties = made.events, made.ties
    item_ids = items["item_id"].combine_chunks()
    kinds = pa.array([str(kind) for kind in EVENT_KINDS])
    num = len(events)
    columns = {
        "event_id": _numbered("event", num),
        "user_id": users.take(pa.array(events.user_idx)),
        "item_id": item_ids.take(pa.array(events.item_idx)),
        "event": kinds.take(pa.array(events.kind.astype(np.int64))),
        "value": pa.array(events.value.astype(np.float64), from_pandas=True),
        "text": pa.nulls(num, pa.string()),
        "ts": _times(events.ts_ms),
        "referrer_user_id": _taken(users, events.referrer_idx),
        "invited_user_id": pa.nulls(num, pa.string()),
        "split": _taken(pa.array([str(part) for part in PARTS]), made.part),
    }
    tie_kinds = pa.array([str(kind) for kind in TIE_KINDS])
    since = pa.array(ties.since_ms, mask=ties.since_ms <= 0)
    tied = {
        "src_user_id": users.take(pa.array(ties.src_idx)),
        "dst_user_id": users.take(pa.array(ties.dst_idx)),
        "kind": tie_kinds.take(pa.array(ties.kind.astype(np.int64))),
        "weight": pa.array(ties.weight.astype(np.float64)),
        "since": pc.multiply(since, 1000).cast(TIES.arrow.field("since").type),
    }
    people = {
        "user_id": users,
        "may_be_named": pa.array(made.named),
        "may_be_used": pa.array(np.ones(made.num_people, np.bool_)),
    }
    return {
        EVENTS.name: pa.table(columns, schema=EVENTS.arrow),
        TIES.name: pa.table(tied, schema=TIES.arrow),
        ITEMS.name: items.select(ITEMS.arrow.names),
        USERS.name: pa.table(people, schema=USERS.arrow),
    }


def made_up_ids(num: int, real_ids: pa.Array | None = None) -> pa.Array:
    """Make ids, shape (num,), that sort as their rows do and are none of the real ones."""
    prefix = PREFIX
    while real_ids is not None and pc.any(pc.starts_with(real_ids, f"{prefix}-")).as_py():
        prefix += "x"
    return _numbered(prefix, num)


def _numbered(what: str, num: int) -> pa.Array:
    width = max(6, len(str(max(num - 1, 0))))
    numbers = pc.utf8_lpad(pa.array(np.arange(num)).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(f"{what}-", numbers, "")


def _taken(names: pa.Array, rows: Ints) -> pa.Array:
    return names.take(pa.array(rows, mask=rows < 0))


def _times(ts_ms: Ints) -> pa.Array:
    return pa.array(ts_ms * 1000).cast(EVENTS.arrow.field("ts").type)
