"""What shoppers bring to the content model: their entries, weighed; friends'; and what followed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import scipy.sparse as sp

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.data.polarity import liked, turned_down
from coterie.models.engagement import engagement


@dataclass(frozen=True, slots=True)
class ContentInputs:
    """What shoppers bring, each by shopper and item."""

    entries: Any
    """Shape (users, items), weighed by place."""
    had: Any
    friends: Any
    """What friends had, each weighed by the number of friends to the power of -.5."""

    def take(self, users: Ints) -> "ContentInputs":
        """Take the rows of some users."""
        return ContentInputs(self.entries[users], self.had[users], self.friends[users])


def read_inputs(
    data: TrainingSet, position_decay: float, count_turned_down: float
) -> ContentInputs:
    """Read what shoppers did.

    Args:
        data: Events and ties.
        position_decay: Power by which an entry loses weight with its place from the newest.
        count_turned_down: What an item that was turned down counts.
    """
    had = engagement(data)
    entries = _by_place(data, position_decay)
    if count_turned_down:
        entries = entries + count_turned_down * what_was_turned_down(data)
    ones = np.ones(len(data.ties), np.float32)
    shape = (data.num_users, data.num_users)
    ties = sp.csr_matrix((ones, (data.ties.src_idx, data.ties.dst_idx)), shape)
    few = np.maximum(np.diff(ties.indptr), 1).astype(np.float32) ** -0.5
    return ContentInputs(entries.tocsr(), had, (sp.diags_array(few) @ ties @ had).tocsr())


def what_was_turned_down(data: TrainingSet) -> Any:
    """Mark by 1 what each shopper turned down in the end, (users, items)."""
    events = data.interactions.take(turned_down(data.interactions))
    found = sp.csr_matrix(
        (np.ones(len(events), np.float32), (events.user_idx, events.item_idx)),
        (data.num_users, data.num_items),
    )
    found.data[:] = 1.0
    return found


def _ordered(data: TrainingSet) -> tuple[Interactions, Ints]:
    """Sort what was liked by shopper, oldest first, and count each shopper's newer events, (n,).

    Events of one moment have no order: each is at the same place, and none follows another.
    """
    events = data.interactions.take(liked(data.interactions))
    events = events.take(np.lexsort((events.item_idx, events.ts_ms, events.user_idx)))
    keys = np.column_stack([events.user_idx, events.ts_ms, events.item_idx])
    events = events.take(np.any(np.diff(keys, axis=0, prepend=-1) != 0, axis=1))
    moment = np.column_stack([events.user_idx, events.ts_ms])
    number = np.cumsum(np.any(np.diff(moment, axis=0, prepend=-1) != 0, axis=1))
    user_ends = np.searchsorted(events.user_idx, events.user_idx, side="right")
    return events, user_ends - np.searchsorted(number, number, side="right")


def _by_place(data: TrainingSet, decay: float) -> Any:
    """Weigh each item by the place of its newest event, (users, items)."""
    events, place = _ordered(data)
    weight = (1.0 + place.astype(np.float32)) ** -decay
    pair = events.user_idx * data.num_items + events.item_idx
    order = np.lexsort((-weight, pair))
    first = order[np.diff(pair[order], prepend=-1) > 0]
    parts = (weight[first], (events.user_idx[first], events.item_idx[first]))
    return sp.csr_matrix(parts, (data.num_users, data.num_items))


def brands(data: TrainingSet) -> Any:
    """Mark the brand of each item, by the root of how many have it, (items, brands)."""
    shape = (data.num_items, 0)
    if data.items is None or "brand" not in data.items.column_names:
        return sp.csr_matrix(np.zeros(shape, np.float32))
    code = pc.dictionary_encode(data.item_column("brand")).combine_chunks()
    row = code.indices.to_numpy(zero_copy_only=False) if code.null_count == 0 else None
    names = np.array(code.dictionary.to_pylist(), object)
    if row is None:
        row = pc.fill_null(code.indices, -1).to_numpy(zero_copy_only=False)
    known = np.flatnonzero(row >= 0)
    known = known[names[row[known]] != ""]
    many = np.bincount(row[known], minlength=len(names))
    known = known[many[row[known]] > 1]
    values = many[row[known]].astype(np.float32) ** -0.5
    return sp.csr_matrix((values, (known, row[known])), (data.num_items, len(names)))


def transitions(data: TrainingSet, reach: int = 9) -> Any:
    """Count which item followed which in a shopper's events, near ones more, (items, items)."""
    events, place = _ordered(data)
    found: Any = sp.csr_matrix((data.num_items, data.num_items))
    for distance in range(1, min(reach, len(events) - 1) + 1):
        same = events.user_idx[distance:] == events.user_idx[:-distance]
        same &= place[distance:] != place[:-distance]
        before, after = events.item_idx[:-distance][same], events.item_idx[distance:][same]
        ones = np.full(len(before), 1.0 / distance, np.float32)
        found = found + sp.csr_matrix((ones, (before, after)), found.shape)
        found = found + sp.csr_matrix((0.5 * ones, (after, before)), found.shape)
    out = np.maximum(np.asarray(found.sum(axis=1)).ravel(), 1e-9) ** -0.5
    into = np.maximum(np.asarray(found.sum(axis=0)).ravel(), 1.0) ** -0.2
    return (sp.diags_array(out) @ found @ sp.diags_array(into)).tocsr().astype(np.float32)
