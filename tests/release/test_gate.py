import pytest

from coterie.errors import BadInputError
from coterie.release.gate import Limits, judge

POPULAR = {"ndcg@20": 0.100}


@pytest.mark.parametrize(("ndcg", "wins"), [(0.100, False), (0.105, False), (0.106, True)])
def test_only_a_challenger_over_popularity_and_the_margin_wins(ndcg, wins):
    limits = Limits(min_gain_over_popularity=0.05)
    verdict = judge({"ndcg@20": ndcg}, POPULAR, limits=limits)
    assert verdict.wins is wins
    assert "popularity 0.1000 + 5 %" in verdict.reasons[0]


@pytest.mark.parametrize(("ndcg", "wins"), [(0.195, False), (0.197, True), (0.3, True)])
def test_a_challenger_may_trail_the_champion_a_little_but_no_more(ndcg, wins):
    assert judge({"ndcg@20": ndcg}, POPULAR, {"ndcg@20": 0.2}).wins is wins


def test_a_bad_champion_is_no_excuse_for_losing_to_popularity():
    verdict = judge({"ndcg@20": 0.09}, POPULAR, {"ndcg@20": 0.01})
    assert not verdict.wins
    assert "not over popularity" in verdict.reasons[0]
    assert "is over champion" in verdict.reasons[1]


@pytest.mark.parametrize("ndcg", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_never_wins(ndcg):
    assert not judge({"ndcg@20": ndcg}, POPULAR).wins


def test_a_challenger_never_wins_against_a_popularity_that_is_no_number():
    assert not judge({"ndcg@20": 0.5}, {"ndcg@20": float("nan")}).wins


def test_a_missing_metric_is_named_with_those_that_are_there():
    with pytest.raises(BadInputError, match=r"hold no ndcg@20, only \['recall@20'\]"):
        judge({"recall@20": 0.2}, POPULAR)
