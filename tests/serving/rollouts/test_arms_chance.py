"""How likely it was that a shopper got the list of their arms: all arms that show it count."""

from dataclasses import replace

import pytest
from small_shop import people

from coterie.experiments.definition import HOLDOUT, Experiment, ExperimentArm
from coterie.experiments.store import ExperimentStore
from coterie.rollout.live import ReleaseRef
from serving.rollouts.experiment_arms import ExperimentArms

LIVE, WIDE = ExperimentArm("a"), ExperimentArm("b", rules="wide", rules_text="rules: []\n")
NEW = ExperimentArm("c", release="v8", ref=ReleaseRef("8" * 64, "/v8"))


@pytest.fixture
def chances(tmp_path):
    def ask(*experiments):
        store = ExperimentStore(str(tmp_path))
        for one in experiments:
            store.add(one)
        arms = ExperimentArms(store, people(), lambda ref: ref)
        arms.look()
        found = [arms.assign(f"user-{n}") for n in range(60)]
        return {one.arms: one.chance for one in found if one.arms}

    return ask


def experiment(name, *arms, **options):
    return Experiment(name, arms, **{"share": 1.0, "started_ms": 1, **options})


def test_arms_that_show_different_things_have_chances_of_their_own(chances):
    told = chances(experiment("x", LIVE, WIDE, replace(NEW, weight=2.0)))
    assert told == pytest.approx({"a": 0.25, "b": 0.25, "c": 0.5})


def test_arms_that_show_the_same_share_their_chances(chances):
    told = chances(experiment("x", LIVE, replace(WIDE, stopped="returns"), NEW))
    assert told == pytest.approx({"a": 2 / 3, "b": 2 / 3, "c": 1 / 3})


def test_a_list_that_every_arm_shows_was_sure(chances):
    assert chances(experiment("x", LIVE, replace(LIVE, name="b"))) == {"a": 1.0, "b": 1.0}


def test_layers_are_taken_together(chances):
    """The release of the layer that comes first goes before the other's, which then says nothing;
    rules of both are there but for the same reason."""
    other = replace(NEW, name="d", ref=ReleaseRef("9" * 64, "/v9"))
    told = chances(
        experiment("one", LIVE, NEW, layer="first"), experiment("two", LIVE, other, layer="second")
    )
    assert told == pytest.approx({"a+a": 0.25, "a+d": 0.25, "c+a": 0.5, "c+d": 0.5})


def test_a_holdout_is_drawn_apart(chances):
    popular = ExperimentArm("popular", popular=True)
    told = chances(experiment("h", popular, LIVE, layer=HOLDOUT))
    assert told == {"popular": 0.5, "a": 0.5}
