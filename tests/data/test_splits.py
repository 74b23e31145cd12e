from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coterie.data.dataset import Dataset, Interactions, Ties
from coterie.data.hidden import hidden_pairs
from coterie.data.repurchase import read_repurchase
from coterie.data.splits import UNDATED_MS, bundled, by_chance, by_time, by_weeks, choose, hold_out
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.schema import (
    AGAINST_KINDS,
    EVENT_KINDS,
    ITEMS,
    LIKED_RATING,
    PARTS,
    TARGET_KINDS,
    USERS,
    EventKind,
)

DAY = 86_400_000
RATED = {EventKind.RATING, EventKind.REVIEW}
RATING = EVENT_KINDS.index(EventKind.RATING)
REVIEW = EVENT_KINDS.index(EventKind.REVIEW)
PURCHASE = EVENT_KINDS.index(EventKind.PURCHASE)
VIEW = EVENT_KINDS.index(EventKind.VIEW)


def dataset_of(events, ties=(), part=None, num_users=6, num_items=8):
    """Events as (user, item, kind, value, day), in any order; ties as (src, dst, day or 0)."""
    rows = np.array(sorted(events, key=lambda row: row[4]), dtype=float).reshape(-1, 5)
    ints = rows.astype(np.int64)
    interactions = Interactions(
        ints[:, 0],
        ints[:, 1],
        ints[:, 2].astype(np.int8),
        rows[:, 3].astype(np.float32),
        ints[:, 4] * DAY,
        np.full(len(rows), -1),
    )
    links = np.array(list(ties), dtype=np.int64).reshape(-1, 3)
    return Dataset(
        users=Vocab.of([f"u{i}" for i in range(num_users)]),
        items=Vocab.of([f"i{i}" for i in range(num_items)]),
        events=interactions,
        part=np.full(len(rows), -1, np.int8) if part is None else np.array(part, np.int8),
        withheld=interactions.take(np.zeros(0, np.int64)),
        ties=Ties(
            links[:, 0],
            links[:, 1],
            np.zeros(len(links), np.int8),
            np.ones(len(links), np.float32),
            links[:, 2] * DAY,
        ),
        catalogue=ITEMS.arrow.empty_table(),
        people=USERS.arrow.empty_table(),
        fingerprint="",
    )


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 7),
        st.integers(0, len(EVENT_KINDS) - 1),
        st.sampled_from([1.0, 2.5, 3.0, 5.0]),
        st.integers(1, 25),
    ),
    min_size=25,
    max_size=120,
)
TIES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 25)), max_size=20)


def split_by_time(events, ties=()):
    try:
        return by_time(dataset_of(events, ties))
    except BadInputError as error:
        assert "empty" in str(error)  # noqa: PT017
        assume(False)
        raise


def pairs(events):
    return set(zip(events.user_idx.tolist(), events.item_idx.tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(EVENTS, TIES)
def test_no_part_reaches_into_a_later_one(events, ties):
    split = split_by_time(events, ties)
    assert split.train.ts_ms.max() < split.between.ts_ms.min()
    assert split.train.ts_ms.max() < split.val.ts_ms.min()
    assert split.between.ts_ms.max() < split.test.ts_ms.min()
    assert len(split.train) + len(split.between) + (
        dataset_of(events).events.ts_ms > split.between.ts_ms.max()
    ).sum() == len(events)


@settings(deadline=None, max_examples=60)
@given(EVENTS, TIES)
def test_no_tie_of_the_future_is_known(events, ties):
    split = split_by_time(events, ties)
    end = split.val.ts_ms.min()
    known = dataset_of(events, ties).ties.since_ms <= split.train.ts_ms.max()
    assert (split.ties.since_ms < end).all()
    assert len(split.ties) >= known.sum()


@settings(deadline=None, max_examples=60)
@given(EVENTS)
def test_targets_are_new_liked_and_of_shoppers_and_items_that_were_known(events):
    split = split_by_time(events)
    seen = {"val": split.for_validation().interactions, "test": split.for_test().interactions}
    for name, known in seen.items():
        held = getattr(split, name)
        had = [EVENT_KINDS[k] in TARGET_KINDS | AGAINST_KINDS for k in known.kind]
        assert not pairs(held) & pairs(known.take(np.array(had, bool)))
        assert len(pairs(held)) == len(held)
        assert set(held.user_idx) <= set(known.user_idx)
        assert set(held.item_idx) <= set(known.item_idx)
        assert all(EVENT_KINDS[k] in TARGET_KINDS for k in held.kind)
        assert (held.value[np.isin(held.kind, [RATING, REVIEW])] >= LIKED_RATING).all()


@settings(deadline=None, max_examples=60)
@given(EVENTS)
def test_what_can_be_foreseen_is_held_out(events):
    """The rule once more, told row by row."""
    split = split_by_time(events)
    data = dataset_of(events).events
    first, second = split.between.ts_ms.min(), split.between.ts_ms.max() + DAY
    met, liked, disliked = set(), {}, {}
    users = set(split.train.user_idx) | set(split.between.user_idx)
    items = set(split.train.item_idx) | set(split.between.item_idx)
    for i in range(len(data)):
        pair = (int(data.user_idx[i]), int(data.item_idx[i]))
        kind = EVENT_KINDS[data.kind[i]]
        bad = kind in AGAINST_KINDS or (kind in RATED and data.value[i] < LIKED_RATING)
        if data.ts_ms[i] < second:
            met |= {pair} if bad or kind in TARGET_KINDS else set()
        elif bad:
            disliked[pair] = data.ts_ms[i]
        elif kind in TARGET_KINDS and pair[0] in users and pair[1] in items:
            liked[pair] = data.ts_ms[i]
    expected = {p for p, ts in liked.items() if ts > disliked.get(p, 0)} - met
    assert first < second
    assert pairs(split.test) == expected


def a_year(**changes):
    events = [(u, (u + d) % 12, PURCHASE, 1.0, 1 + d) for d in range(10) for u in range(6)]
    return dataset_of(events, num_items=12, **changes)


def test_the_shares_are_those_asked_for():
    events = [(d % 6, d % 8, VIEW, 1.0, d + 1) for d in range(100)]
    events += [(0, 7, PURCHASE, 1.0, 85), (0, 6, PURCHASE, 1.0, 95)]
    split = by_time(dataset_of(events))
    assert abs(len(split.train) - 81) <= 1
    assert abs(len(split.between) - 11) <= 1


def test_what_came_up_in_validation_is_known_to_the_model_that_is_tested():
    events = [(d % 5, d % 6, VIEW, 1.0, d + 1) for d in range(100)]
    # Shopper 5 and item 7 are first seen in the validation period, and met again in test.
    events += [(5, 7, VIEW, 1.0, 85), (0, 5, PURCHASE, 1.0, 86)]
    events += [(5, 4, PURCHASE, 1.0, 95), (1, 7, PURCHASE, 1.0, 96)]
    split = by_time(dataset_of(events))
    assert pairs(split.test) == {(5, 4), (1, 7)}
    assert pairs(split.val) == {(0, 5)}


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (0.9, 0.1, 0.0), (1.2, -0.1, -0.1)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(BadInputError, match="expected three above 0 that add up to 1"):
        by_time(a_year(), shares)


def test_events_of_one_moment_cannot_be_split():
    with pytest.raises(BadInputError, match="a part of the split by time is empty"):
        by_time(dataset_of([(u, i, PURCHASE, 1.0, 5) for u in range(6) for i in range(8)]))


def test_a_bundle_has_no_times_to_split_by():
    with pytest.raises(BadInputError, match="no events outside the bundled split"):
        by_time(a_year(part=[0] * 60))


def bundle(parts=(0.5, 0.25, 0.25)):
    pairs_of = [(u, i) for u in range(20) for i in range(30)]
    rng = np.random.default_rng(3)
    part = rng.choice(3, len(pairs_of), p=parts)
    events = [(u, i, PURCHASE, 1.0, 1 + part[n]) for n, (u, i) in enumerate(pairs_of)]
    order = np.argsort(part, kind="stable")
    return dataset_of(events, part=part[order], num_users=20, num_items=30)


def test_a_bundled_split_is_taken_as_it_is_and_chosen_where_there_is_one():
    data = bundle()
    split = choose(data)
    assert split.name == "bundled"
    for code, part in enumerate(PARTS):
        assert pairs(getattr(split, part)) == pairs(data.events.take(data.part == code))


def test_events_outside_any_bundle_are_split_by_time():
    assert choose(a_year()).name == "by_time"
    with pytest.raises(BadInputError, match="no bundled split"):
        bundled(a_year())


def test_validation_that_the_bundle_lacks_is_held_out_of_training():
    data = bundle((0.8, 0.0, 0.2))
    split = bundled(data)
    train = data.events.take(data.part == 0)
    assert pairs(split.train) | pairs(split.val) == pairs(train)
    assert not pairs(split.train) & pairs(split.val)
    assert not pairs(split.test) & (pairs(split.train) | pairs(split.val))
    assert pairs(split.for_test().interactions) == pairs(train)
    assert 0.07 < len(split.val) / len(train) < 0.13


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=30), st.floats(0.05, 0.6), st.integers(0, 9)
)
def test_each_shopper_gives_their_share_and_keeps_something(counts, share, seed):
    events = [(u, i, PURCHASE, 1.0, 1) for u, n in enumerate(counts) for i in range(n)]
    events += [(u, i, VIEW, 1.0, 2) for u, i, *_ in events[::2]]
    assume(sum(counts) > 40)
    data = dataset_of(events, part=[0] * len(events), num_users=len(counts), num_items=31)
    whole = bundled(
        replace(
            data,
            events=Interactions.concat(data.events, data.events.take(np.array([0]))),
            part=np.r_[data.part, 2].astype(np.int8),
        ),
        share,
        seed,
    )
    taken = np.bincount([u for u, _ in pairs(whole.val)], minlength=len(counts))
    wanted = np.array(counts) * share
    assert (taken <= np.ceil(wanted)).all()
    assert (taken >= np.minimum(np.floor(wanted), np.maximum(np.array(counts) - 1, 0))).all()
    assert (taken[np.array(counts) > 0] < np.array(counts)[np.array(counts) > 0]).all()
    assert not pairs(whole.train) & pairs(whole.val)


def test_light_shoppers_are_held_out_by_their_share_too():
    events = [(u, i, PURCHASE, 1.0, 1) for u in range(3000) for i in range(3)]
    split = bundled(
        dataset_of([*events, (0, 3, PURCHASE, 1.0, 2)], part=[0] * 9000 + [2], num_users=3000)
    )
    assert 0.09 < len(split.val) / 9000 < 0.11


def test_the_same_seed_holds_out_the_same_items():
    split = bundled(bundle((0.8, 0.0, 0.2)))
    again, other = (bundled(bundle((0.8, 0.0, 0.2)), seed=seed) for seed in (0, 1))
    assert pairs(split.val) == pairs(again.val)
    assert pairs(split.val) != pairs(other.val)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_to_hold_out_is_between_0_and_1(share):
    with pytest.raises(BadInputError, match="share to hold out"):
        hold_out(bundled(bundle()), share)


def undated(events, **size):
    data = dataset_of([(*event, 0) for event in events], **size)
    return replace(data, events=replace(data.events, ts_ms=np.full(len(data.events), UNDATED_MS)))


def many(num_users=300, num_items=8):
    return [(u, i, PURCHASE, 1.0) for u in range(num_users) for i in range(num_items)]


def test_without_times_the_split_is_by_chance():
    split = choose(undated(many(), num_users=300))
    assert split.name == "by_chance"
    parts = [pairs(part) for part in (split.train, split.val, split.test)]
    assert sum(len(part) for part in parts) == len(set().union(*parts)) == 2_400
    assert 0.08 < len(parts[2]) / 2_400 < 0.12
    assert 0.07 < len(parts[1]) / 2_400 < 0.11
    assert set(split.train.user_idx.tolist()) == set(range(300))


def test_a_few_events_with_times_do_not_make_the_others_an_age_ago():
    data = undated(many(), num_users=300)
    for num_dated, name in ((500, "by_chance"), (1_800, "by_time")):
        times = data.events.ts_ms.copy()
        times[-num_dated:] += 9_000 * DAY + np.arange(num_dated) % 240 * DAY
        order = np.argsort(times, kind="stable")
        events = replace(data.events, ts_ms=times).take(order)
        assert choose(replace(data, events=events)).name == name


def test_what_is_held_out_by_chance_was_liked_and_leaves_training_whole():
    events = [*many(), *((u, i, VIEW, 0.0) for u in range(300) for i in range(8))]
    events += [(u, i, RATING, 1.0) for u in range(300) for i in (8, 9)]
    split = by_chance(undated(events, num_users=300, num_items=10))
    held = pairs(split.val) | pairs(split.test)
    assert not held & pairs(split.train)
    assert {PURCHASE} == set(split.val.kind.tolist()) | set(split.test.kind.tolist())
    assert not pairs(split.test) & pairs(split.for_test().interactions)
    assert VIEW in split.between.kind
    # A dislike is nothing to foresee, and something to learn from.
    disliked = {(u, i) for u in range(300) for i in (8, 9)}
    assert disliked <= pairs(split.train)


def test_what_is_held_out_by_chance_is_known_from_training():
    events = many()
    rare = [(u, 8 + u, PURCHASE, 1.0) for u in range(100)]
    split = by_chance(undated([*events, *rare], num_users=300, num_items=108))
    assert set(split.val.item_idx) <= set(split.train.item_idx)
    assert set(split.test.item_idx) <= set(split.for_test().interactions.item_idx)


def test_undated_events_have_no_weeks_and_one_item_is_nothing_to_foresee():
    with pytest.raises(BadInputError, match="none of the last 4 weeks"):
        by_weeks(undated(many(), num_users=300), 4)
    with pytest.raises(BadInputError, match="more than one item"):
        choose(undated([(u, 0, PURCHASE, 1.0) for u in range(50)], num_users=50))


def test_a_catalogue_is_not_needed_to_split():
    assert isinstance(a_year().catalogue, pa.Table)
    assert by_time(a_year()).num_items == 12


CATALOGUE = pa.Table.from_pylist(
    [
        {"item_id": f"i{row}", "title": "x", "category": "Food" if row < 4 else "Phones"}
        for row in range(8)
    ],
    schema=ITEMS.arrow,
)


def again_split(events, *said):
    dataset = replace(dataset_of(events), catalogue=CATALOGUE)
    return by_time(dataset, (0.5, 0.25, 0.25), read_repurchase(*said))


def bought(*rows):
    """Purchases as (user, item, day)."""
    return [(user, item, PURCHASE, 1.0, day) for user, item, day in rows]


KNOWN = bought((5, 0, 1), (5, 1, 1), (5, 2, 2), (5, 3, 2), (5, 4, 3), (5, 5, 3))
KNOWN += bought((0, 0, 5), (0, 4, 5), (1, 1, 6), (2, 3, 8))
IN_VALIDATION = bought((0, 0, 36), (0, 4, 36), (1, 2, 37), (2, 3, 37), (5, 0, 40))
IN_TEST = bought((0, 0, 70), (0, 1, 71), (1, 2, 71), (5, 5, 72), (2, 3, 73))
REPEATED = KNOWN + IN_VALIDATION + IN_TEST
"""Items 0 to 3 are food; the parts begin on days 36 and 70."""


def held(part):
    days = (part.ts_ms // DAY).tolist()
    return set(zip(part.user_idx.tolist(), part.item_idx.tolist(), days, strict=True))


def test_a_repeat_purchase_is_foreseen_where_the_rule_lets_the_item_return():
    never, food = again_split(REPEATED, "never"), again_split(REPEATED, "Food=30")
    assert held(never.val) == {(1, 2, 37)}
    assert held(never.test) == {(0, 1, 71)}
    # (2, 3) is back on day 38, in the midst of validation: no list of its first moment has it.
    assert held(food.val) == {(0, 0, 36), (1, 2, 37), (5, 0, 40)}
    assert held(food.test) == {(0, 0, 70), (0, 1, 71), (1, 2, 71), (2, 3, 73)}
    assert [again.now_ms // DAY for again in food.again] == [36, 70]


def test_a_rule_changes_nothing_of_what_is_learned_from():
    never, food = again_split(REPEATED, "never"), again_split(REPEATED, "Food=30")
    assert never.again == (None, None)
    assert held(never.train) == held(food.train) == {(u, i, d) for u, i, _, _, d in KNOWN}
    assert held(never.between) == held(food.between)


def test_what_is_masked_and_what_is_asked_for_agree():
    """Every held-out pair may be shown, with a rule and without."""
    for said in ("never", "Food=30", "*=0"):
        split = again_split(REPEATED, said)
        for data, part in ((split.for_validation(), split.val), (split.for_test(), split.test)):
            hidden = hidden_pairs(data.interactions, data.num_items, data.again)
            assert not np.isin(part.user_idx * data.num_items + part.item_idx, hidden).any()


def test_in_a_bundled_split_nothing_is_listed_again():
    rows = [
        (user, item, PURCHASE, 1.0, 1 + part)
        for user in range(3)
        for item in range(3)
        for part in range(3)
    ]
    dataset = replace(
        dataset_of(rows, part=[row[4] - 1 for row in sorted(rows, key=lambda r: r[4])]),
        catalogue=CATALOGUE,
    )
    split = choose(dataset, read_repurchase("*=0"))
    assert split.again == (None, None)
    assert split.for_test().again is None
