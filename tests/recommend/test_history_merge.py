"""An older history meets what came meanwhile: for many shoppers as for one."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.recommend.history_merge import HADS, RECENTS, differs, merge_histories, whole
from coterie.schema import EventKind
from serving.events.event import KIND_CODES, Event
from serving.features.online_store import _columns_of
from serving.features.recent import RecentList, merge

KINDS = [EventKind.VIEW, EventKind.CART, EventKind.PURCHASE, EventKind.RETURN, EventKind.DISLIKE]
BOUGHT = KIND_CODES[EventKind.PURCHASE]
MOST, MOST_HAD = 3, 2


def happened(most):
    one = st.tuples(st.sampled_from("abcde"), st.sampled_from(KINDS), st.integers(1, 6))
    return st.lists(one, max_size=most).map(
        lambda found: [Event(f"e{n}", "ana", i, k, ts) for n, (i, k, ts) in enumerate(found)]
    )


def table(lists):
    columns = [_columns_of(one) for one in lists]
    names = (*RECENTS, *HADS)
    return whole(pa.table({name: pa.array([c[name] for c in columns]) for name in names}))


def lists_of(rows):
    return [RecentList(*map(tuple, row.values())) for row in whole(rows).to_pylist()]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(happened(9), happened(3)), max_size=4))
def test_many_shoppers_meet_as_one_does(shoppers):
    before = [merge(RecentList(), old, MOST, MOST_HAD) for old, _ in shoppers]
    live = [merge(RecentList(), new, MOST, MOST_HAD) for _, new in shoppers]
    expected = [
        merge(one, new, MOST, MOST_HAD) for one, (_, new) in zip(before, shoppers, strict=True)
    ]
    assert lists_of(merge_histories(table(before), table(live), MOST, MOST_HAD)) == expected
    # Whoever comes first, and however often.
    again = merge_histories(table(live), table(before), MOST, MOST_HAD)
    assert lists_of(merge_histories(table(before), again, MOST, MOST_HAD)) == expected


def test_a_row_that_nothing_was_added_to_keeps_its_order():
    """Of equal times the lists that are measured keep the later event, not the lower id."""
    snapshot = RecentList(("b", "a"), (0, 0), (5, 5), (0, 0))
    rows = table([snapshot, snapshot])
    online = table([RecentList(("a",), (0,), (5,), (0,)), RecentList(("c",), (0,), (5,), (0,))])
    first, second = lists_of(merge_histories(rows, online))
    assert first == snapshot
    assert second.item_ids == ("a", "b", "c")


def test_lists_that_are_missing_are_empty():
    known = RecentList(("a",), (BOUGHT,), (7,), (7,), ("b",), (BOUGHT,), (3,))
    nothing = pa.table({RECENTS[0]: pa.array([None], pa.list_(pa.string()))})
    assert lists_of(merge_histories(nothing, table([known]), most=1)) == [known]
    assert lists_of(merge_histories(table([known]), nothing, most=1)) == [known]


def test_what_differs_is_found():
    rows = table([RecentList(), RecentList(("a",), (0,), (1,), (0,)), RecentList(("a", "b"))])
    other = table([RecentList(), RecentList(("a",), (0,), (2,), (0,)), RecentList(("a", "c"))])
    assert np.array_equal(differs(rows, other), [False, True, True])
    assert not differs(rows, rows).any()
