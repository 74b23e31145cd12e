"""Lists that know nobody: a rollout is held, says why, and goes on once they know somebody."""

import json
from dataclasses import replace

import pytest

from coterie.errors import BadInputError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.decide import MetricsStatus, Observation, decide
from coterie.rollout.metrics import MetricSample, read
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Target, Totals, TransitionCause
from coterie.rollout.words import where

PLAN = Plan(weights=(0.5,), step_s=30, bake_s=30, min_samples=50, hold_s=100, deadline_s=2000)


class Shop:
    """A rollout of a harmless release; so many of a hundred answers a look are to strangers."""

    def __init__(self, strangers, plan=PLAN):
        self.state, self.live, self.now = State(stable="old"), Target("old"), 1000.0
        self.totals = {"canary": Totals(), "stable": Totals()}
        self.strangers, self.log = strangers, []
        self.command = Command("c1", Verb.START, "ana@shop", "better", "new", plan)

    def look(self, looks=1, failures=0):
        for _ in range(looks):
            self.now += 10
            for arm, had in self.totals.items():
                self.totals[arm] = replace(
                    had,
                    samples=had.samples + 100,
                    strangers=had.strangers + self.strangers,
                    shown=had.shown + 100,
                    events={"failures": had.events.get("failures", 0) + failures * (arm[0] == "c")},
                )
            seen = Observation(self.live, totals=dict(self.totals), preflight="", compared=(),
                               commands=(self.command,))  # fmt: skip
            decision = decide(self.state, seen, self.now)
            self.state = State.from_json(json.loads(json.dumps(decision.state.as_json())))
            self.log += decision.transitions
            if decision.apply:
                self.live = decision.apply
        return self.state


def test_a_rollout_is_held_while_lists_know_nobody_and_says_so():
    shop = Shop(strangers=100)
    state = shop.look(8)
    assert (state.phase, state.active) == (Phase.DATA_UNAVAILABLE, Phase.SHADOW)
    assert where(state) == "without data in shadow"
    held = shop.log[-1]
    assert held.cause is TransitionCause.METRICS
    assert held.why.startswith("lists know nobody: of 100 % of shoppers there is no history")
    assert "max_strangers=1" in held.why


def test_it_goes_on_once_they_know_somebody():
    shop = Shop(strangers=100)
    shop.look(6)
    shop.strangers = 30
    assert shop.look(30).phase is Phase.PROMOTED


def test_after_its_time_the_hold_becomes_a_pause_that_a_person_ends():
    shop = Shop(strangers=100)
    assert shop.look(30).phase is Phase.PAUSED
    assert "100 % of shoppers strangers for" in shop.log[-1].why
    assert Phase.PROMOTED not in [line.after for line in shop.log]


def test_harm_is_found_in_the_hold_as_well():
    shop = Shop(strangers=100)
    shop.look(6)
    shop.look(3, failures=40)
    assert Phase.ROLLING_BACK in [line.after for line in shop.log]


@pytest.mark.parametrize(("strangers", "limit"), [(90, 0.95), (100, 1.0), (0, 0.95)])
def test_a_shop_with_some_strangers_and_one_that_says_all_are_new_go_on(strangers, limit):
    shop = Shop(strangers, replace(PLAN, max_strangers=limit))
    assert shop.look(40).phase is Phase.PROMOTED


def test_what_one_rollout_saw_does_not_hold_the_next():
    shop = Shop(strangers=100)
    shop.look(8)
    assert shop.state.stranger_share == 1.0
    shop.state = replace(shop.state, totals={})
    shop.strangers = 0
    shop.look()
    assert shop.state.stranger_share == 0.0


def test_strangers_are_read_and_kept():
    labels = {"arm": "stable"}
    samples = [
        MetricSample("coterie_heartbeat_timestamp_seconds", {}, 100.0),
        MetricSample("coterie_arm_answers_total", labels, 50.0),
        MetricSample("coterie_arm_strangers_total", labels, 49.0),
    ]
    source, totals = read(samples, 100.0, by_instance=False)
    assert (source, totals["stable"].strangers) == (MetricsStatus.OK, 49)
    state = State(Phase.SHADOW, "old", "new", totals=totals, strangers=(50, 49))
    assert State.from_json(json.loads(json.dumps(state.as_json()))) == state


@pytest.mark.parametrize("limit", [0.0, 1.1, -0.5])
def test_a_limit_that_is_no_share_is_refused(limit):
    with pytest.raises(BadInputError, match="max_strangers is"):
        Plan.of({"max_strangers": limit})
