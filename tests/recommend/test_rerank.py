"""Rules at work on one list: where items stand, and that every score still adds up."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.recommend.columns import ItemColumns
from coterie.recommend.rerank import CompiledRules, Pool, RuleEffect
from coterie.recommend.rules import Cap, Diversity, Freshness, Label, Lift, Pin, Selection

NUM = 60
NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def columns():
    """Brand A has every other item; a third of them have no brand at all."""
    table = pa.table(
        {
            "price": pa.array([1.0] * NUM, pa.float64()),
            "category": [f"Top/{row % 4}" for row in range(NUM)],
            "brand": [None if row % 3 == 2 else "AB"[row % 2] for row in range(NUM)],
            "created_at": pa.array(
                [None if row % 5 else (NOW_MS - row * DAY_MS) * 1000 for row in range(NUM)],
                pa.timestamp("us", "UTC"),
            ),
        }
    )
    return ItemColumns.of(table, np.ones(NUM, np.bool_))


COLUMNS = columns()


def rows(ids):
    return [int(one) if int(one) < NUM else -1 for one in ids]


def pool(scores=None, without=()):
    """Item 0 is best; items of one category are alike."""
    score = np.linspace(3.0, -3.0, NUM) if scores is None else np.asarray(scores, float)
    order = np.argsort(-score, kind="stable")
    order = order[~np.isin(order, without)]
    return Pool(order, score[order], np.eye(4)[order % 4])


def made(*rules, num=20, given_pool=None):
    compiled = CompiledRules.of(rules, COLUMNS, rows)
    return compiled.rerank(given_pool or pool(), num, NOW_MS)


def items(result):
    return result.item_idx.tolist()


def test_without_a_rule_that_matters_nothing_moves():
    result = made(Lift(Selection(brands=("none",)), 2.0))
    assert items(result) == list(range(20))
    assert not any(moved.any() for moved in result.moves.values())


def test_a_pin_stands_at_its_position_wherever_it_ranks():
    result = made(Pin(("50", "51"), 3, Label.SPONSORED))
    assert items(result)[:6] == [0, 1, 50, 51, 2, 3]
    assert np.flatnonzero(result.moves[RuleEffect.SPONSORED]).tolist() == [2, 3]
    assert (result.moves[RuleEffect.SPONSORED] >= 0).all()


def test_what_stands_higher_by_itself_is_not_called_sponsored():
    result = made(Pin(("0",), 3, Label.SPONSORED))
    assert items(result)[0] == 0
    assert RuleEffect.SPONSORED not in result.moves


def test_what_may_not_be_listed_is_not_pinned_and_nothing_is_lost():
    result = made(Pin(("50", "999"), 1), given_pool=pool(without=[50]))
    assert items(result)[:3] == [0, 1, 2]


def test_boost_and_bury_say_so_in_units_of_the_best_scores():
    unit = pool().score[:100].std()
    result = made(
        Lift(Selection(items=("30",)), 2.0, Label.SPONSORED), Lift(Selection(items=("0",)), -2.0)
    )
    at = items(result).index(30)
    assert at < 20
    assert result.moves[RuleEffect.SPONSORED][at] == pytest.approx(2 * unit)
    assert 0 not in items(result)[:10]
    buried = made(Lift(Selection(items=("1",)), -0.1))
    at = items(buried).index(1)
    assert buried.moves[RuleEffect.BURIED][at] == pytest.approx(-0.1 * unit)


def test_at_most_so_many_of_a_brand_stand_within_so_many_positions():
    result = made(Cap(1, "brand", 5), num=20)
    brand = ["" if row % 3 == 2 else "AB"[row % 2] for row in items(result)]
    for start in range(0, 20, 5):
        block = [one for one in brand[start : start + 5] if one]
        assert len(set(block)) == len(block)
    assert (result.moves[RuleEffect.CAPPED] <= 0).all()


def test_a_cap_holds_where_every_item_has_a_brand():
    result = made(Cap(1, "category", 4), num=20)
    for start in range(0, 20, 4):
        assert len({row % 4 for row in items(result)[start : start + 4]}) == 4


def test_where_nothing_else_is_left_a_cap_gives_way_instead_of_a_short_list():
    only_a = pool(without=[row for row in range(NUM) if row % 2 or row % 3 == 2])
    result = made(Cap(1, "brand", 10), num=10, given_pool=only_a)
    assert len(result.item_idx) == 10


def test_diversity_takes_from_what_is_like_items_above_and_the_first_stays():
    alike = np.concatenate([np.full(15, 3.0), np.linspace(2.9, -3, NUM - 15)])
    order = np.argsort(-alike, kind="stable")
    vectors = np.eye(4)[np.where(order < 15, 0, order % 4)]
    result = made(Diversity(3.0), num=4, given_pool=Pool(order, alike[order], vectors))
    assert items(result)[0] == 0
    assert len({0 if row < 15 else row % 4 for row in items(result)}) == 4
    assert result.moves[RuleEffect.DIVERSE][0] == 0
    assert (result.moves[RuleEffect.DIVERSE] <= 0).all()


def test_what_is_new_gains_half_as_much_after_its_days():
    result = made(Freshness(1.0, 10.0), num=NUM)
    unit = pool().score[:100].std()
    gained = dict(zip(items(result), result.moves[RuleEffect.FRESH], strict=True))
    assert gained[0] == pytest.approx(unit)
    assert gained[10] == pytest.approx(unit / 2)
    assert gained[20] == pytest.approx(unit / 4)
    assert gained[1] == 0.0


RULES = st.one_of(
    st.builds(
        Lift,
        st.builds(Selection, categories=st.sampled_from([("top/1",), ("Top",), ("x",)])),
        st.floats(-3, 3),
        st.sampled_from(Label),
    ),
    st.builds(Cap, st.integers(1, 4), st.sampled_from(["brand", "category"]), st.integers(1, 20)),
    st.builds(Freshness, st.floats(0, 2), st.floats(1, 50)),
    st.builds(Diversity, st.floats(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(RULES, max_size=5),
    st.lists(st.integers(0, NUM + 5), unique=True, max_size=4),
    st.integers(1, 10),
    st.lists(st.floats(-5, 5), min_size=NUM, max_size=NUM),
    st.integers(1, NUM),
)
def test_whatever_the_rules_scores_add_up_and_never_rise_and_pages_fit(
    rules, pinned, position, scores, num
):
    if pinned:
        rules = [*rules, Pin(tuple(map(str, pinned)), position, Label.SPONSORED)]
    given_pool = pool(scores)
    result = made(*rules, num=num, given_pool=given_pool)
    assert len(set(items(result))) == len(items(result)) == num
    assert (np.diff(result.score) <= 0).all()
    own = dict(zip(given_pool.item_idx.tolist(), given_pool.score, strict=True))
    moved = sum(result.moves.values(), np.zeros(num))
    assert [own[row] for row in items(result)] + moved == pytest.approx(result.score, abs=1e-9)
    longer = made(*rules, num=NUM, given_pool=given_pool)
    assert items(longer)[:num] == items(result)
