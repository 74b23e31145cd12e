import pytest

from coterie.errors import BadInputError
from coterie.release.gate import Limits, judge, judge_gain

POPULAR = {"ndcg@20": 0.100}


@pytest.mark.parametrize(("ndcg", "wins"), [(0.100, False), (0.105, False), (0.106, True)])
def test_only_a_challenger_over_popularity_and_the_margin_wins(ndcg, wins):
    limits = Limits(min_gain_over_popularity=0.05)
    verdict = judge({"ndcg@20": ndcg}, POPULAR, limits=limits)
    assert verdict.wins is wins
    assert "popularity 0.1000 + 5 %" in verdict.reason


def test_a_release_names_no_limit_that_it_was_not_held_to():
    assert Limits(min_gain_over_popularity=0.05).numbers() == {"min_gain_over_popularity": 0.05}


@pytest.mark.parametrize("ndcg", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_never_wins(ndcg):
    assert not judge({"ndcg@20": ndcg}, POPULAR).wins


def test_a_challenger_never_wins_against_a_popularity_that_is_no_number():
    assert not judge({"ndcg@20": 0.5}, {"ndcg@20": float("nan")}).wins


def test_a_missing_metric_is_named_with_those_that_are_there():
    with pytest.raises(BadInputError, match=r"hold no ndcg@20, only \['recall@20'\]"):
        judge({"recall@20": 0.2}, POPULAR)


def test_a_gain_has_to_be_sure():
    assert judge_gain(0.01, 0.05, 0.0).wins
    assert not judge_gain(-0.01, 0.05, 0.0).wins
    assert judge_gain(-0.01, 0.05, -0.02).wins
    assert not judge_gain(float("nan"), 1.0, 0.0).wins
    told = Limits(min_gain_over_popularity=0.05, min_gain_over_shown=-0.02).numbers()
    assert told == {"min_gain_over_popularity": 0.05, "min_gain_over_shown": -0.02}
