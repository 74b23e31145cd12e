import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coterie.data.dataset import Interactions
from coterie.recommend.shoppers import memory_of
from coterie.schema import (
    AGAINST_KINDS,
    EVENT_KINDS,
    LIKED_RATING,
    MAX_RECENT,
    TARGET_KINDS,
    EventKind,
)
from serving.events.event import KIND_CODES, Event
from serving.features.recent import RecentList, merge

EVENTS = st.lists(
    st.builds(
        Event,
        event_id=st.uuids().map(str),
        user_id=st.just("ana"),
        item_id=st.sampled_from([f"i{n}" for n in range(12)]),
        event=st.sampled_from(EVENT_KINDS),
        ts_ms=st.integers(1, 20),
        value=st.sampled_from([None, 1.0, 2.999999999, 3.0, 5.0]),
    ),
    max_size=40,
)


def event(event_id="e1", user_id="ana", item_id="item-0020", ts_ms=5, kind=EventKind.VIEW):
    return Event(event_id, user_id, item_id, kind, ts_ms, 4.5, "ü", "bea")


@given(EVENTS)
def test_a_merged_list_has_each_item_once_with_its_strongest_kind_and_newest_time(events):
    merged = merge(RecentList(), events)
    assert sorted(merged.item_ids) == sorted({e.item_id for e in events})
    assert list(merged.ts_ms) == sorted(merged.ts_ms, reverse=True)
    for item, kind, ts in zip(merged.item_ids, merged.kinds, merged.ts_ms, strict=True):
        of_item = [e for e in events if e.item_id == item]
        for_it = [KIND_CODES[e.event] for e in of_item if not speaks_against(e)]
        all_returned = all(e.event is EventKind.RETURN for e in of_item)
        against = EventKind.RETURN if all_returned else EventKind.DISLIKE
        assert kind == max(for_it, default=KIND_CODES[against])
        assert ts == max(e.ts_ms for e in of_item)


def speaks_against(event):
    rated = event.event in (EventKind.RATING, EventKind.REVIEW)
    bad = rated and event.value is not None and np.float32(event.value) < LIKED_RATING
    return event.event in AGAINST_KINDS or bad


@given(EVENTS, st.integers(1, 5), st.integers(1, 5))
def test_what_falls_out_of_a_list_is_remembered_if_it_was_had(events, most, most_had):
    merged = merge(RecentList(), events, most, most_had)
    had = {e.item_id for e in events if e.event in TARGET_KINDS or speaks_against(e)}
    fallen = had - set(merged.item_ids)
    assert set(merged.had_ids) <= fallen
    assert len(merged.had_ids) == min(len(fallen), most_had)
    times = [abs(ms) for ms in merged.had_wanted_ms]
    assert times == sorted(times, reverse=True)


@given(EVENTS, st.integers(1, 5), st.integers(1, 5))
def test_a_served_list_holds_what_offline_histories_hold(events, most, most_had):
    """The two ways to a shopper's memory: as events come, and from tables."""
    # Equal times fall otherwise: by item there, by row here.
    events = list({e.ts_ms: e for e in events}.values())
    merged = RecentList()
    for event in events:
        merged = merge(merged, [event], most=100, most_had=100)
    merged = merge(merged, [], most, most_had)
    memory = memory_of(as_interactions(events), 1, most, most_had)
    recent = memory.recent
    assert list(merged.item_ids) == [f"i{n}" for n in recent.item_idx]
    assert list(merged.kinds) == recent.kind.tolist()
    assert list(merged.wanted_ms) == recent.wanted_ms.tolist()
    assert list(merged.had_ids) == [f"i{n}" for n in memory.had.item]
    assert list(merged.had_kinds) == memory.had.kind.tolist()
    assert list(merged.had_wanted_ms) == memory.had.wanted_ms.tolist()


def as_interactions(events):
    values = [np.nan if e.value is None else e.value for e in events]
    return Interactions(
        np.zeros(len(events), np.int64),
        np.array([int(e.item_id[1:]) for e in events], np.int64),
        np.array([KIND_CODES[e.event] for e in events], np.int8),
        np.array(values, np.float32),
        np.array([e.ts_ms for e in events], np.int64),
        np.full(len(events), -1, np.int64),
    )


def test_a_list_of_before_times_of_wanting_were_written_down_tells_them_by_its_kinds():
    bought, viewed = KIND_CODES[EventKind.PURCHASE], KIND_CODES[EventKind.VIEW]
    old = RecentList(("a", "b"), (bought, viewed), (20, 10))
    assert old.wanted_ms == (20, 0)
    returned = Event("e", "ana", "a", EventKind.RETURN, 30)
    assert merge(old, [returned]).wanted_ms == (-30, 0)


def test_a_long_history_of_views_does_not_bring_back_what_was_bought_before_it():
    bought = event("e0", item_id="bought", ts_ms=1, kind=EventKind.PURCHASE)
    refused = event("e1", item_id="refused", ts_ms=2, kind=EventKind.DISLIKE)
    views = [event(f"v{n}", item_id=f"i{n}", ts_ms=10 + n) for n in range(MAX_RECENT)]
    merged = merge(merge(RecentList(), [bought, refused]), views)
    assert (merged.had_ids, merged.had_wanted_ms) == (("refused", "bought"), (-2, 1))
    again = merge(merged, [event("e2", item_id="bought", ts_ms=1000)])
    assert (again.item_ids[0], again.kinds[0]) == ("bought", KIND_CODES[EventKind.PURCHASE])
    assert (again.wanted_ms[0], again.had_ids) == (1, ("refused",))


@given(EVENTS, st.randoms(), st.integers(0, 40))
def test_order_batches_and_repeats_make_no_difference_to_a_merge(events, random, cut):
    shuffled = [*events, *events[:cut]]
    random.shuffle(shuffled)
    in_parts = merge(merge(RecentList(), shuffled[:cut]), shuffled[cut:])
    assert in_parts == merge(RecentList(), events)


@given(EVENTS, st.integers(1, 5))
def test_a_merged_list_keeps_the_newest(events, most):
    whole, kept = merge(RecentList(), events), merge(RecentList(), events, most)
    assert kept.item_ids == whole.item_ids[:most]


def test_of_equal_times_the_word_against_an_item_holds_whichever_came_first():
    bought, returned = (
        Event(str(kind), "ana", "a", kind, 7) for kind in (EventKind.PURCHASE, EventKind.RETURN)
    )
    for events in ([bought, returned], [returned, bought]):
        assert merge(RecentList(), events).wanted_ms == (-7,)


def test_a_list_never_outgrows_the_features():
    many = [event(f"e{n}", item_id=f"i{n}", ts_ms=n) for n in range(MAX_RECENT + 50)]
    assert merge(RecentList(), many).item_ids[0] == f"i{MAX_RECENT + 49}"
    assert len(merge(RecentList(), many)) == MAX_RECENT
