"""One list for several people: what each rule makes of wishes that differ."""

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.together.groups import GroupRule, choose_together, satisfaction, wishes


def test_a_wish_is_a_rank_whatever_the_scale_of_scores():
    wish = wishes(np.array([[3.0, 1, 2], [0.003, 0.001, 0.002], [-1, -3, -2]], np.float32))
    assert np.allclose(wish, [[1, 0.5, 1 / np.log2(3)]] * 3)


def test_the_least_happy_are_happier_with_a_fair_list():
    """Three who like the same, and one who likes other things."""
    rng, least = np.random.default_rng(0), {rule: [] for rule in GroupRule}
    for _ in range(40):
        taste = rng.normal(size=60)
        alike = taste + 0.2 * rng.normal(size=(3, 60))
        wish = wishes(np.vstack([alike, rng.normal(size=60)]))
        for rule in GroupRule:
            least[rule].append(satisfaction(wish, choose_together(wish, 10, rule)).min())
    fair, average = np.mean(least[GroupRule.FAIR]), np.mean(least[GroupRule.AVERAGE])
    assert fair > average + 0.03


def test_least_misery_takes_what_nobody_minds():
    wish = wishes(np.array([[9.0, 5, 1], [1, 5, 9]]))
    assert choose_together(wish, 1, GroupRule.LEAST_MISERY).tolist() == [1]


@pytest.mark.parametrize("rule", GroupRule)
def test_a_shorter_list_is_the_beginning_of_a_longer_one(rule):
    wish = wishes(np.random.default_rng(0).random((5, 40)))
    long = choose_together(wish, 20, rule)
    assert len(set(long.tolist())) == 20
    assert choose_together(wish, 7, rule).tolist() == long[:7].tolist()
    assert len(choose_together(wish, 100, rule)) == 40


@pytest.mark.parametrize("rule", GroupRule)
def test_alone_everybody_gets_their_own_order(rule):
    scores = np.random.default_rng(1).random((1, 30))
    assert choose_together(wishes(scores), 30, rule).tolist() == np.argsort(-scores[0]).tolist()


@pytest.mark.parametrize(("members", "k"), [(0, 5), (2, 0)])
def test_nobody_and_nothing_are_refused(members, k):
    with pytest.raises(BadInputError, match="expected both to be over 0"):
        choose_together(np.ones((members, 3)), k)
