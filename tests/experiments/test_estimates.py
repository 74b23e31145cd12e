"""What is claimed of two arms holds: at every look, within communities, and without what was known
before."""

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.experiments.checks import discoveries, ratio_e_value
from coterie.experiments.estimates import BEST_UNITS, adjusted, difference
from coterie.experiments.interleaving import team_draft


def arms(rng, num, lift=0.0, rate=0.1):
    treated = rng.random(num) < 0.5
    return treated, (rng.random(num) < rate + lift * treated).astype(np.float64)


def leaves_out(interval, value=0.0):
    return interval[0] > value or interval[1] < value


def test_the_interval_holds_at_all_looks_where_the_usual_one_does_not():
    rng, ours, usual = np.random.default_rng(1), 0, 0
    for _ in range(200):
        treated, outcome = arms(rng, 2000)
        looks = [difference(treated[:n], outcome[:n]) for n in range(200, 2001, 200)]
        ours += any(leaves_out(one.interval()) for one in looks)
        usual += any(leaves_out(one.fixed()) for one in looks)
    assert ours <= 10 < usual


def test_a_difference_is_found_and_the_truth_is_in_its_interval():
    rng = np.random.default_rng(2)
    found = [difference(*arms(rng, 4000, 0.1)) for _ in range(40)]
    assert sum(leaves_out(one.interval()) for one in found) >= 38
    assert sum(not leaves_out(one.interval(), 0.1) for one in found) >= 39
    assert np.mean([one.difference for one in found]) == pytest.approx(0.1, abs=0.01)


def test_interval_and_e_value_say_the_same():
    rng = np.random.default_rng(3)
    for lift in np.linspace(0.0, 0.08, 30):
        found = difference(*arms(rng, 3000, lift))
        assert leaves_out(found.interval(0.01)) is (found.e_value(0.01) >= 100)


def test_the_interval_is_about_as_tight_as_it_can_be_where_it_is_tuned_to():
    found = difference(*arms(np.random.default_rng(4), BEST_UNITS))
    tuned = found.radius()
    others = [found.radius(best_units=round(BEST_UNITS * by)) for by in (0.2, 0.5, 2.0, 5.0)]
    assert tuned <= min(others) * 1.01


def test_little_is_not_said_and_nobody_is_refused():
    treated, outcome = arms(np.random.default_rng(5), 60)
    assert difference(treated, outcome).interval() == (-np.inf, np.inf)
    assert difference(treated, outcome).e_value() == 1.0
    nothing = difference(np.arange(400) % 2 == 0, np.zeros(400))
    assert (nothing.interval(), nothing.e_value()) == ((-np.inf, np.inf), 1.0)
    with pytest.raises(BadInputError, match="both arms"):
        difference(np.ones(60, np.bool_), outcome)


def test_errors_of_communities_cover_what_those_of_shoppers_do_not():
    rng, covered = np.random.default_rng(6), {"shoppers": 0, "communities": 0}
    for _ in range(200):
        community = np.repeat(np.arange(40), 30)
        treated = (rng.random(40) < 0.5)[community]
        outcome = rng.normal(size=1200) + rng.normal(size=40)[community] + 1.0 * treated
        for name, drawn in (("shoppers", None), ("communities", community)):
            covered[name] += not leaves_out(difference(treated, outcome, drawn).fixed(), 1.0)
    assert covered["communities"] >= 184
    assert covered["shoppers"] < 100


def test_what_was_known_before_takes_variance_and_no_effect():
    rng = np.random.default_rng(7)
    before = rng.gamma(2.0, size=4000)
    treated = rng.random(4000) < 0.5
    outcome = 3.0 * before + rng.normal(size=4000) + 0.5 * treated
    left, gone = adjusted(outcome, before, treated.astype(np.int64))
    assert gone > 0.9
    found, plain = difference(treated, left), difference(treated, outcome)
    assert found.standard_error < 0.4 * plain.standard_error
    assert not leaves_out(found.interval(), 0.5)
    assert left.mean() == pytest.approx(outcome.mean())
    same, nothing = adjusted(outcome, np.zeros(4000), treated.astype(np.int64))
    assert same is outcome
    assert nothing == 0.0


def test_a_lot_that_is_not_as_meant_is_noticed():
    assert ratio_e_value([5000, 5050], [0.5, 0.5]) < 1
    assert ratio_e_value([5000, 5600], [0.5, 0.5]) > 1000
    assert ratio_e_value([8000, 2000], [0.8, 0.2]) < 1
    rng, alarms = np.random.default_rng(8), 0
    for _ in range(300):
        first = np.cumsum(rng.random(3000) < 0.5)[199::200]
        counts = [(int(a), 200 * (n + 1) - int(a)) for n, a in enumerate(first)]
        alarms += any(ratio_e_value(one, [0.5, 0.5]) >= 20 for one in counts)
    assert alarms <= 15
    with pytest.raises(BadInputError, match="expected one each"):
        ratio_e_value([1, 2, 3], [0.5, 0.5])


def test_of_many_segments_few_findings_are_false():
    e_values = {"a": 1000.0, "b": 41.0, "c": 3.0, "d": 0.5}
    assert discoveries(e_values, 0.05) == {"a", "b"}
    assert discoveries({"b": 41.0, "c": 3.0, "d": 0.5, "x": 0.2}, 0.05) == frozenset()


def test_two_rankings_share_a_list_and_nobody_gains_by_the_coin():
    first, second = list("abcdefgh"), list("badxycez")
    rng = np.random.default_rng(9)
    lists = [team_draft(first, second, 6, rng) for _ in range(400)]
    for one in lists:
        assert len(set(one.item_ids)) == 6
        assert abs(sum(one.first) - 3) <= 0
    # Both have a and b on top, so in expectation a click on either says nothing much.
    credit = {
        item: np.mean(
            [one.credit[one.item_ids.index(item)] for one in lists if item in one.item_ids]
        )
        for item in "abx"
    }
    assert credit["x"] == -1.0
    assert abs(credit["a"] + credit["b"]) < 0.3
    same = team_draft(first, first, 6, rng)
    assert same.item_ids == tuple(first[:6])
    assert same.credit == (0.0,) * 6
    with pytest.raises(BadInputError, match="twice"):
        team_draft(["a", "a"], ["b"], 2, rng)


class Coins:
    """Tosses of a draft, as they are written down."""

    def __init__(self, number):
        self.number = number

    def random(self):
        self.number, coin = divmod(self.number, 2)
        return 0.9 * coin


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("abcdef", "badxyc"),
        ("abcdef", "ab"),
        ("abc", "cab"),
        ("ab", "xyzuvw"),
        ("abc", "a"),
        ("a", "a"),
    ],
)
def test_over_all_coins_clicks_by_place_alone_are_credited_to_nobody(first, second):
    drafts = [team_draft(first, second, 5, Coins(number)) for number in range(64)]
    assert all(len(one.item_ids) == min(5, len({*first, *second})) for one in drafts)
    for place in range(len(drafts[0].item_ids)):
        assert sum(one.credit[place] for one in drafts) == 0.0
    # And a chance is how often what stands there follows what stands above.
    for one in drafts:
        for place, chance in enumerate(one.chance):
            above = [d for d in drafts if d.item_ids[:place] == one.item_ids[:place]]
            same = [d for d in above if d.item_ids[place] == one.item_ids[place]]
            assert len(same) / len(above) == chance
