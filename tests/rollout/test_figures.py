"""How far a canary may differ from what is live: limits, what a person overrides, and the log."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_decide import NEW, OLD, PLAN, World, command

from coterie.errors import BadInputError
from coterie.rollout.commands import Verb
from coterie.rollout.figures import (
    FIGURES,
    ComparedFigure,
    in_words,
    judge_figures,
    refusal,
    usual_limits,
)
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State
from coterie.rollout.status import rollout_status
from coterie.rollout.stored import command_json, read_command

CHANGED = ComparedFigure("titles_changed", 1.0, examples=("Tea → ?",))
FREE = ComparedFigure("zero_prices", 0.9, 0.0, 0.9)
SAME = ComparedFigure("items_lost", 0.0)
UNKNOWN = ComparedFigure("friends_share", None)


def start(world, **more):
    world.run(command(Verb.START, digest=NEW, plan=replace(PLAN, **more)), looks=1)
    return world


def test_a_canary_that_differs_too_far_is_refused_and_never_runs():
    world = start(World(compared=(SAME, CHANGED, FREE, UNKNOWN)))
    world.run(looks=3)
    assert world.state.phase is Phase.ROLLED_BACK
    why = world.state.quarantine[NEW]
    assert why.startswith("preflight: titles_changed 100 % (at most 30 %), items that have another")
    assert "such as Tea → ?; zero_prices 90 % (at most 2 %)" in why
    assert why.endswith("start it with --override titles_changed zero_prices and a reason")
    assert world.live.canary == ""
    assert {line.cause for line in world.log if line.after is Phase.ROLLING_BACK} == {"preflight"}


def test_one_within_its_limits_goes_on_and_its_figures_are_kept():
    world = start(World(compared=(SAME, UNKNOWN)))
    world.run(looks=1)
    assert world.state.phase is Phase.SHADOW
    told = rollout_status(world.state, world.now, world.log, {NEW: "v8"}).comparison
    assert (told.live.digest, told.canary.version) == (OLD, "v8")
    assert [(one.name, one.verdict) for one in told.figures] == [
        ("items_lost", "good"),
        ("friends_share", "unknown"),
    ]


def test_nothing_moves_before_both_are_compared():
    world = start(World(compared=None))
    world.run(looks=5)
    assert world.state.phase is Phase.PREFLIGHT


def test_the_limit_is_the_plans():
    world = start(World(compared=(CHANGED,)), preflight=(("titles_changed", 1.0),))
    world.run(looks=1)
    assert world.state.phase is Phase.SHADOW


@pytest.mark.parametrize("names", [("titles_changed",), ("all",)])
def test_a_person_overrides_with_a_reason_and_the_log_has_both(names):
    world = World(compared=(CHANGED,))
    start(world)
    world.run(looks=3)
    assert world.state.phase is Phase.ROLLED_BACK
    refused = world.run(command(Verb.START, digest=NEW, plan=PLAN)).refused
    assert "quarantine" in next(iter(refused.values()))
    plan = replace(PLAN, override=names)
    world.run(command(Verb.START, digest=NEW, plan=plan, reason="renamed on purpose"), looks=2)
    assert world.state.phase is Phase.SHADOW, "nothing ran, so there is no cooldown to wait for"
    assert world.state.quarantine == {}
    begun, passed = world.log[-2:]
    assert begun.why == f"start, overriding {names[0]}: renamed on purpose"
    assert passed.why == (
        "preflight passed, though titles_changed 100 % (at most 30 %): overridden"
    )


def test_an_override_lets_only_that_figure_pass():
    world = start(World(compared=(CHANGED, FREE)), override=("titles_changed",))
    world.run(looks=1)
    assert "zero_prices" in world.state.quarantine[NEW]
    assert "titles_changed" not in world.state.quarantine[NEW]


def test_what_was_rolled_back_by_a_signal_stays_in_quarantine_whatever_is_overridden():
    world = start(World(rates={"failures": 0.2, "slow": 0.02, "clicks": 0.05}))
    world.run(looks=60, until=(Phase.ROLLED_BACK,))
    plan = replace(PLAN, override=("all",))
    refused = world.run(command(Verb.START, digest=NEW, plan=plan)).refused
    assert "quarantine" in next(iter(refused.values()))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"preflight": {"titels_changed": 0.5}}, "no figure titels_changed: known are live_unread"),
        ({"override": ["titels_changed"]}, "no figure titels_changed"),
        ({"preflight": {"titles_changed": 1.5}}, "titles_changed is 1.5: expected a number from 0"),
        ({"preflight": {"price_ratio": 0.5}}, "price_ratio is 0.5: expected a number from 1"),
        ({"preflight": {"items_lost": float("nan")}}, "items_lost is nan"),
    ],
)
def test_a_plan_names_figures_that_exist_with_limits_that_they_can_have(given, says):
    with pytest.raises(BadInputError, match=says):
        Plan.of(given)


def test_a_limit_that_is_named_changes_and_all_others_stay():
    limits = dict(Plan.of({"preflight": {"titles_changed": 0.9}}).preflight)
    assert limits == {**dict(usual_limits()), "titles_changed": 0.9}


def test_a_usual_plan_is_written_as_the_version_before_reads_it():
    assert not {"preflight", "override"} & set(Plan().as_json())
    changed = Plan.of({"preflight": {"titles_changed": 0.9}, "override": ["zero_prices"]})
    state = State(plan=changed, stable=OLD)
    written = json.loads(json.dumps(state.as_json()))
    assert not {"preflight", "override"} & set(written["plan"]), "it refuses names it does not know"
    assert State.from_json(written) == state


def test_a_plan_of_a_later_version_is_read_without_what_is_not_known():
    content = {**Plan().as_json(), "later": 1, "preflight": {"later": 2.0, "items_lost": 0.5}}
    content["override"] = ["later", "all"]
    read = Plan.stored(content)
    assert dict(read.preflight)["items_lost"] == 0.5
    assert read.override == ("all",)


def test_a_command_keeps_limits_and_overrides():
    plan = Plan.of({"preflight": {"items_lost": 0.5}, "override": ["all"]})
    made = command(Verb.START, digest=NEW, plan=plan)
    assert read_command(json.loads(json.dumps(command_json(made)))) == made


def test_what_a_later_version_compared_is_read_without_what_is_not_known():
    world = start(World(compared=(SAME,)))
    written = json.loads(json.dumps(world.run(looks=1).state.as_json()))
    written["comparison"]["figures"].append(
        {**written["comparison"]["figures"][0], "name": "later"}
    )
    assert [one.name for one in State.from_json(written).comparison.figures] == ["items_lost"]


def test_the_page_of_rollouts_has_every_figure_with_its_limit():
    page = Path(__file__).parents[2].joinpath("docs", "rollout.md").read_text()
    for name, rule in FIGURES.items():
        bound = "at most" if rule.at_most else "at least"
        limit = in_words(rule.limit, rule.is_factor)
        assert f"| `{name}` | {bound} {limit} | {rule.about} |" in page


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_on_its_limit_passes_and_one_beyond_it_does_not(name):
    rule = FIGURES[name]
    step = 0.01 if rule.at_most else -0.01
    for value, refused in ((rule.limit, False), (rule.limit + step, True)):
        judged = judge_figures([ComparedFigure(name, value)], dict(usual_limits()))
        assert bool(refusal(judged)) is refused
