"""Who takes part in what: sticky, apart in a layer, without regard to other layers."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from coterie.cli import experiment_parser
from coterie.data.pseudonymous import EXPORTED_NAME
from coterie.errors import BadInputError
from coterie.experiments.assignment import bucket, draws
from coterie.experiments.communities import frozen
from coterie.experiments.definition import (
    HOLDOUT,
    Experiment,
    ExperimentArm,
    Guardrail,
    Metric,
    Unit,
    placed,
)
from coterie.experiments.store import ExperimentStore
from coterie.rollout.live import ReleaseRef

USERS = [f"user-{n}" for n in range(4000)]
ARMS = (ExperimentArm("a"), ExperimentArm("b", rules="x"))


def experiment(name, **options):
    return Experiment(name, ARMS, **{"started_ms": 1, "share": 0.3, **options})


def arms_of(experiments, community=lambda _: ""):
    return [
        {one.experiment.name: one.arm.name for one in draws(experiments, user, community)}
        for user in USERS
    ]


def test_shares_and_chances_are_as_said_and_nobody_flips_as_a_share_grows():
    small, wide = experiment("x"), experiment("x", share=0.6)
    uneven = replace(wide, arms=(ARMS[0], replace(ARMS[1], weight=3.0)))
    before, after, told = arms_of([small]), arms_of([wide]), arms_of([uneven])
    assert np.mean([bool(one) for one in before]) == pytest.approx(0.3, abs=0.03)
    assert all(now == was for was, now in zip(before, after, strict=True) if was)
    on_b = [one["x"] == "b" for one in told if one]
    assert np.mean(on_b) == pytest.approx(0.75, abs=0.03)


def test_experiments_of_a_layer_share_shoppers_out_and_layers_know_nothing_of_each_other():
    one = placed(experiment("one", share=0.5), [])
    two = placed(experiment("two", share=0.5), [one])
    apart = placed(experiment("apart", layer="prices", share=0.5), [one, two])
    found = arms_of([one, two, apart])
    assert all(("one" in each) != ("two" in each) for each in found)
    both = [(each["one"], each["apart"]) for each in found if "one" in each and "apart" in each]
    table = np.array([[both.count((a, b)) for b in "ab"] for a in "ab"])
    assert table.min() > 200  # of 1,000: no arm keeps to another's
    assert np.abs(table / len(both) - 0.25).max() < 0.05
    with pytest.raises(BadInputError, match="is not free in one piece"):
        placed(experiment("three", share=0.1), [one, two])
    assert placed(experiment("three", share=0.1), [replace(one, stopped_ms=5), two]).start == 0.0


def test_who_is_held_out_is_in_nothing_else():
    holdout, other = experiment("h", layer=HOLDOUT, share=0.2), experiment("o", share=1.0)
    found = arms_of([other, holdout])
    assert all(len(one) == 1 for one in found)
    assert 600 < sum("h" in one for one in found) < 1000


def test_a_community_is_on_one_arm_and_who_is_in_none_is_drawn_alone():
    drawn = experiment("x", unit=Unit.COMMUNITY, share=1.0)
    for community in ("7", "12"):
        assert len({one["x"] for one in arms_of([drawn], lambda _, told=community: told)}) == 1
    assert len({one["x"] for one in arms_of([drawn])}) == 2


def test_lots_have_nothing_to_do_with_those_of_rollouts():
    canary = np.array([bucket(user, "a" * 64) < 0.5 for user in USERS])
    arm = np.array([one["x"] == "b" for one in arms_of([experiment("x", share=1.0)])])
    assert abs(np.corrcoef(canary, arm)[0, 1]) < 0.05


def test_so_many_releases_are_loaded_and_no_more():
    refs = [ReleaseRef(str(n) * 64, f"/v{n}") for n in range(3)]
    arms = tuple(ExperimentArm(f"a{n}", release=f"v{n}", ref=ref) for n, ref in enumerate(refs))
    with pytest.raises(BadInputError, match="would need 3 releases"):
        placed(Experiment("x", arms, share=0.1), [])
    first = placed(Experiment("x", arms[:2], share=0.1), [])
    assert placed(Experiment("y", arms[:2], share=0.1), [first]).start == pytest.approx(0.1)


def test_what_is_written_down_is_read_back(tmp_path):
    store = ExperimentStore(str(tmp_path / "experiments"))
    assert (store.mark(), store.read()) == ("", ())
    ref = ReleaseRef("a" * 64, "/v1")
    arms = (ExperimentArm("a", "v1", ref), replace(ARMS[1], rules_text="rules: []\n"))
    made = Experiment("x", arms, Metric.REVENUE, (Guardrail.LATENCY,), started_ms=3)
    added = store.add(made)
    mark = store.mark()
    assert store.read() == (added,)
    assert store.stop_arm("x", "b", "slow").arm("b").stopped == "slow"
    assert store.mark() != mark
    assert store.stop("x", 9, "done").stopped_ms == 9
    with pytest.raises(BadInputError, match="no experiment x runs"):
        store.stop("x", 9, "again")
    with pytest.raises(BadInputError, match="before: choose another"):
        store.add(made)
    (tmp_path / "experiments" / "experiments.json").write_text("{")
    with pytest.raises(BadInputError, match="damaged"):
        store.read()


def test_two_who_begin_at_once_in_a_store_without_locks_both_do():
    """A store makes an object that is not there yet for one of them; the other looks again."""
    root = "memory://experiments-at-once"
    ana, lou = ExperimentStore(root), ExperimentStore(root)
    read = ana._newest
    beside = iter(["y", "z"])

    def late():
        before = read()
        for name in beside:
            lou.add(experiment(name, layer=name))
            break
        return before

    ana._newest = late
    made = ana.add(experiment("x", share=0.3))
    assert [one.name for one in lou.read()] == ["y", "z", "x"]
    assert made == lou.find("x")
    # Who claims a turn and is gone before the file is written has begun it all the same.
    lou._put = lambda *_: None
    lou.add(experiment("w", layer="w"))
    assert [one.name for one in ana.read()] == ["y", "z", "x", "w"]
    ana._newest = read
    assert ana.stop("w", 9, "done").stopped_ms == 9
    assert [one.runs for one in ExperimentStore(root).read()] == [True, True, True, False]


def test_communities_stay_what_they_were_when_an_experiment_began(tmp_path):
    study = pa.table({"user_id": ["lou", "ana", "max", "new"], "community": [3, 3, 0, None]})
    store = ExperimentStore(str(tmp_path))
    name = store.freeze(frozen(study), 5)
    assert re.search(EXPORTED_NAME, name), "or people who are erased would stay in it"
    kept = store.communities(name)
    assert [kept.named(one) for one in ("ana", "lou", "max", "new")] == ["3", "3", "0", ""]
    assert kept.find(["x", "lou", "new"]).tolist() == [-1, 3, -3]
    store.thaw(name)
    with pytest.raises(BadInputError, match="last window"):
        store.communities(name)
    with pytest.raises(BadInputError, match="of 0 people"):
        frozen(study.slice(0, 0))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a=release:", "shows 'release:'"),
        ("a=release:v1,release:v2", "each once"),
        ("a=popular,rules:x", "popular items and more"),
        ("A=control", "small letters"),
        ("a=weight:-1", "shows 'weight:-1'"),
    ],
)
def test_an_arm_that_makes_no_sense_is_refused(text, wrong):
    with pytest.raises(BadInputError, match=wrong):
        Experiment("x", (ExperimentArm.parse(text), ARMS[1]), share=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"arms": (*ARMS, ExperimentArm("c"))},
        {"arms": (ARMS[0], replace(ARMS[1], weight=2.0))},
        {"arms": (ARMS[0], replace(ARMS[1], name="interleaved"))},
        {"guardrails": (Guardrail.LATENCY,)},
        {"unit": Unit.COMMUNITY},
        {"layer": HOLDOUT},
    ],
)
def test_lists_of_both_arms_hold_no_shoppers_against_each_other(options):
    assert experiment("x", interleave=True).interleave
    with pytest.raises(BadInputError, match="interleaves"):
        replace(experiment("x", interleave=True), **options)


def test_arms_are_read_as_they_are_written():
    told = ExperimentArm.parse("b=release:v8,rules:diverse,weight:2")
    assert (told.release, told.rules, told.weight) == ("v8", "diverse", 2.0)
    assert told.shows == "release:v8,rules:diverse"
    assert ExperimentArm.parse("c=control").shows == "control"


def test_the_command_line_spells_what_there_is():
    assert tuple(Metric) == experiment_parser.METRICS
    assert tuple(Guardrail) == experiment_parser.GUARDRAILS
