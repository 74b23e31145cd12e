"""What speaks against an item, and what is left of many events with one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.dataset import Interactions
from coterie.data.polarity import (
    Entries,
    had,
    is_against,
    is_target,
    liked,
    meant,
    speaks_against,
    turned_down,
)
from coterie.schema import EVENT_KINDS, EventKind

VALUES = [None, 0.0, 0.5, 2.999, 3.0, 4.5, 1000.0]


def events_of(rows):
    """Events as (user, item, kind, value or None, ms), ordered by time."""
    rows = sorted(rows, key=lambda row: row[4])
    user, item, kind, value, ts = zip(*rows, strict=True) if rows else ((),) * 5
    return Interactions(
        np.array(user, np.int64),
        np.array(item, np.int64),
        np.array([EVENT_KINDS.index(k) for k in kind], np.int8),
        np.array([np.nan if v is None else v for v in value], np.float32),
        np.array(ts, np.int64),
        np.full(len(rows), -1, np.int64),
    )


def told(*rows):
    """What is left of one person's events (kind, value) with one item, one after another."""
    events = events_of([(0, 0, kind, value, 1 + n) for n, (kind, value) in enumerate(rows)])
    entry = Entries.of(events).collapse()[0]
    against = bool(speaks_against(entry.kind, entry.wanted_ms)[0])
    return EVENT_KINDS[entry.kind[0]], against, int(entry.wanted_ms[0])


K = EventKind


@pytest.mark.parametrize(
    ("kind", "value", "for_it", "against"),
    [
        (K.RATING, 5.0, True, False),
        (K.RATING, 3.0, True, False),
        (K.RATING, 2.9, False, True),
        (K.RATING, 0.0, False, True),
        (K.RATING, None, True, False),
        (K.REVIEW, 1.0, False, True),
        (K.REVIEW, 4.0, True, False),
        (K.REVIEW, None, True, False),
        (K.PURCHASE, 1.0, True, False),  # a price
        (K.CART, 0.0, True, False),
        (K.VIEW, 1.0, False, False),
        (K.RETURN, None, False, True),
        (K.RETURN, 5.0, False, True),
        (K.DISLIKE, None, False, True),
    ],
)
def test_what_an_event_says_of_its_item(kind, value, for_it, against):
    events = events_of([(0, 0, kind, value, 1)])
    code = meant(events.kind, events.value)
    assert (is_target(code)[0], is_against(code)[0]) == (for_it, against)
    assert liked(events)[0] == for_it
    assert turned_down(events)[0] == against
    assert had(events)[0] == (for_it or against)


@pytest.mark.parametrize(
    ("rows", "kind", "against", "wanted_ms"),
    [
        ([(K.PURCHASE, 9.0), (K.RETURN, None)], K.PURCHASE, True, -2),
        ([(K.PURCHASE, 9.0), (K.RATING, 1.0)], K.PURCHASE, True, -2),
        ([(K.RATING, 1.0), (K.PURCHASE, 9.0)], K.PURCHASE, False, 2),
        ([(K.RETURN, None), (K.RATING, 4.0)], K.RATING, False, 2),
        ([(K.DISLIKE, None), (K.VIEW, None)], K.VIEW, True, -1),
        ([(K.VIEW, None), (K.DISLIKE, None), (K.CLICK, None)], K.CLICK, True, -2),
        ([(K.RATING, 1.0)], K.DISLIKE, True, -1),
        ([(K.RETURN, None), (K.DISLIKE, None)], K.DISLIKE, True, -2),
        ([(K.CART, None), (K.VIEW, None)], K.CART, False, 1),
        ([(K.VIEW, None)], K.VIEW, False, 0),
    ],
)
def test_the_last_word_holds(rows, kind, against, wanted_ms):
    assert told(*rows) == (kind, against, wanted_ms)


def test_at_one_moment_the_word_against_holds():
    events = events_of([(0, 0, K.PURCHASE, 9.0, 5), (0, 0, K.RETURN, None, 5)])
    assert Entries.of(events).collapse()[0].wanted_ms.tolist() == [-5]
    assert not liked(events).any()
    assert turned_down(events).all()


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 3),
        st.sampled_from(EVENT_KINDS),
        st.sampled_from(VALUES),
        st.integers(1, 12),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(EVENTS)
def test_masks_of_events_and_entries_tell_the_same(rows):
    events = events_of(rows)
    entries = Entries.of(events).collapse()[0]
    pair = events.user_idx * 10 + events.item_idx
    key = entries.person * 10 + entries.item
    against = speaks_against(entries.kind, entries.wanted_ms)
    assert sorted(set(pair)) == sorted(key)
    assert set(pair[turned_down(events)]) == set(key[against])
    assert set(pair[liked(events)]) == set(key[is_target(entries.kind) & ~against])


@settings(deadline=None, max_examples=200)
@given(EVENTS, st.randoms(), st.integers(0, 40))
def test_order_repeats_and_parts_make_no_difference_to_what_is_left(rows, random, cut):
    events = events_of(rows)
    places = [*range(len(rows)), *range(min(cut, len(rows)))]
    random.shuffle(places)
    shuffled = Entries.of(events.take(np.array(places, np.int64)))
    halves = [
        shuffled.take(np.arange(len(places)) < cut),
        shuffled.take(np.arange(len(places)) >= cut),
    ]
    first, second = (half.collapse()[0] for half in halves)
    both = Entries(
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("person", "item", "kind", "ts_ms", "wanted_ms")
        )
    )
    assert rows_of(both.collapse()[0]) == rows_of(Entries.of(events).collapse()[0])


def rows_of(entries):
    columns = (entries.person, entries.item, entries.kind, entries.ts_ms, entries.wanted_ms)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))
