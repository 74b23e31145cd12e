import json

import numpy as np
import pytest
from synthetic import planted

from benchmarks import membership, membership_table, pages
from coterie.models.bounded_config import BoundedConfig
from coterie.models.ease import EASEConfig


@pytest.fixture(autouse=True)
def few_bootstraps(monkeypatch):
    """As many as an interval needs that holds nothing but a guess."""
    monkeypatch.setattr(membership, "BOOTSTRAPS", 60)


@pytest.fixture(scope="module")
def results():
    return json.loads(membership.RESULTS.read_text())


def test_everybody_is_in_half_of_the_fits():
    member = membership.halves(101, 8, np.random.default_rng(0))
    assert (member.sum(axis=0) == 4).all()
    assert 35 < member.sum(axis=1).min() <= member.sum(axis=1).max() < 66


def test_an_attack_that_knows_nothing_is_told_from_one_that_knows_all():
    rng = np.random.default_rng(1)
    member = membership.halves(400, 8, rng)
    nothing = membership.judge(rng.random(member.shape), member)
    everything = membership.judge(member + 0.1 * rng.random(member.shape), member)
    mean, low, high = nothing["auc"]
    assert low < 0.5 < high
    assert 0.45 < mean < 0.55
    assert nothing["caught"][0] < 0.03
    assert everything["auc"] == [1.0, 1.0, 1.0]
    assert everything["caught"][0] == 1.0


def test_shadow_models_find_what_is_hidden_by_how_people_differ():
    """People's own levels differ by far more than membership changes them."""
    rng = np.random.default_rng(2)
    member = membership.halves(500, 8, rng)
    found = rng.normal(0, 10, 500) + member * 1.0 + rng.normal(0, 0.3, member.shape)
    simple = membership.judge(found, member)["auc"][0]
    shadow = membership.judge(membership.likelihood_ratios(found, member), member)["auc"][0]
    assert simple < 0.6
    assert shadow > 0.9


def test_shadow_models_of_nothing_tell_nothing():
    """Of 4,000 people: by as many fits outside as inside, whoever was in the target."""
    rng = np.random.default_rng(3)
    member = membership.halves(4000, 4, rng)
    ratios = membership.likelihood_ratios(rng.normal(0, 1, member.shape), member)
    assert membership.judge(ratios, member)["auc"][0] == pytest.approx(0.5, abs=0.015)


def test_a_fit_is_not_attacked_with_what_it_said_itself():
    """A target's own score moves neither mean: what is left is the distance to the others'."""
    found = np.array([[0.0], [1.0], [0.0], [1.0]])
    member = np.array([[False], [True], [False], [True]])
    ratios = membership.likelihood_ratios(found, member)
    again = membership.likelihood_ratios(found + np.array([[5.0], [0.0], [0.0], [0.0]]), member)
    assert ratios[1] > 0 > ratios[0]
    assert again[0] > 0


def test_members_of_an_unbounded_fit_are_found_and_of_a_bounded_one_hardly():
    data = planted().data
    ease, bounded = (
        membership.measure_membership(data, model, config, 6)["attacks"]["shadow"]["auc"][0]
        for model, config in (
            ("ease", EASEConfig(l2=5.0)),
            ("bounded", BoundedConfig(epsilon=0.5, noise_seed=0)),
        )
    )
    assert ease > 0.8
    assert abs(bounded - 0.5) < 0.1


def test_tables_and_picture_hold_every_cell(results):
    accuracy = json.loads((pages.RESULTS / "accuracy.json").read_text())
    price = membership_table.write_price(results, accuracy)
    attacks = membership_table.write_attacks(results)
    for name, parts in results["sets"].items():
        title = membership_table.TITLES[name]
        for cell in parts["price"].values():
            assert f"{np.mean(cell['test']):.4f}" in price
        assert attacks.count(f"| {title} |") == len(parts["membership"])
        assert f">{title} (" in membership_table.draw_price(results, accuracy)


def test_no_attack_passes_what_the_bound_allows(results):
    found = [
        (cell["attacks"][attack]["auc"], cell["most_auc"])
        for parts in results["sets"].values()
        for cell in parts["membership"].values()
        for attack in ("simple", "shadow")
        if cell["most_auc"]
    ]
    assert found
    # The lower end: what was measured is of a sample of people.
    assert all(low <= most for (_, low, _), most in found)


def test_the_most_that_an_attack_can_reach_shrinks_with_epsilon():
    most = [membership.most_auc(BoundedConfig(epsilon=e, noise_seed=0)) for e in (10.0, 3.0, 1.0)]
    assert most == sorted(most, reverse=True)
    # e^epsilon / (1 + e^epsilon) is the most of pure differential privacy, with any noise.
    assert 0.5 < most[2] < np.e / (1 + np.e)
    assert membership.most_auc(BoundedConfig(epsilon=None)) is None
