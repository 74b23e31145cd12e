"""Signals under the names that they had in the version before: read, and never written."""

import json
from dataclasses import asdict

import pytest

from coterie.errors import BadInputError
from coterie.rollout.book import Book, read_command
from coterie.rollout.decide import Command, Source, Verb
from coterie.rollout.evidence import Arm, Evidence
from coterie.rollout.metrics import Sample, read
from coterie.rollout.plan import EARLIER_NAMES, SIGNALS, Plan
from coterie.rollout.standing import Look, looks_in
from coterie.rollout.state import Phase, State, Totals, Transition

NAMES = list(EARLIER_NAMES.items())


def in_earlier_words(content):
    text = json.dumps(content)
    for earlier, name in NAMES:
        text = text.replace(f'"{name}"', f'"{earlier}"')
    return json.loads(text)


@pytest.mark.parametrize(("earlier", "name"), NAMES)
def test_a_plan_that_people_write_may_use_the_earlier_name_and_is_told_the_new_one(earlier, name):
    with pytest.warns(FutureWarning, match=f"{earlier} is called {name} now"):
        plan = Plan.of({"signals": {earlier: 1.5, "slow": 1.2}})
    assert plan.signals == ((name, 1.5), ("slow", 1.2))
    with (
        pytest.warns(FutureWarning),
        pytest.raises(BadInputError, match="signals name one twice"),
    ):
        Plan.of({"signals": {earlier: 1.5, name: 1.2}})


def test_a_state_of_before_goes_on_with_what_it_had_counted():
    names = list(SIGNALS)
    state = State(
        phase=Phase.STEP,
        stable="a" * 64,
        canary="b" * 64,
        evidence={name: Evidence().add(Arm(90, 9), Arm(900, 80)) for name in names},
        totals={"canary": Totals(90, dict.fromkeys(names, 9), 80)},
    )
    before = in_earlier_words(state.as_json())
    assert set(EARLIER_NAMES) <= set(before["totals"]["canary"]["events"])
    found = State.from_json(before)  # no warning: nobody chose the name
    assert found == state
    assert not set(EARLIER_NAMES) & set(found.as_json()["totals"]["canary"]["events"])


def test_a_command_of_before_is_carried_out_by_the_names_of_now():
    command = Command("c1", Verb.START, "ana", "better", "b" * 64, Plan())
    assert read_command(in_earlier_words(asdict(command))) == command


def test_looks_and_lines_of_before_are_drawn_on_with_those_of_now(tmp_path):
    book, values = Book(tmp_path), [9, 1, 90, 10, 0.5]
    book.note_look(Look(1.0, "b" * 64, 0.1, dict.fromkeys(EARLIER_NAMES, values)))
    assert set(book.looks()[0].signals) == set(EARLIER_NAMES.values())
    evidence = {name: {"canary": [9, 1], "stable": [90, 10], "e_value": 0.5} for name, _ in NAMES}
    line = Transition(1.0, Phase.STEP, Phase.STEP, "", "", "a", "b", 0.1, 0, evidence)
    assert set(looks_in([line])[0].signals) == set(EARLIER_NAMES.values())


@pytest.mark.parametrize(("earlier", "name"), NAMES)
def test_replicas_of_before_and_of_now_count_the_same_signal(earlier, name):
    samples = [Sample("coterie_heartbeat_timestamp_seconds", {}, 100.0)]
    for instance, signal in (("one", earlier), ("two", name)):
        labels = {"arm": "canary", "instance": instance}
        samples += [
            Sample("coterie_arm_answers_total", labels, 50.0),
            Sample("coterie_arm_signals_total", {**labels, "signal": signal}, 7.0),
        ]
    source, totals = read(samples, 100.0, by_instance=True)
    assert source is Source.OK
    assert [one.events for one in totals.values()] == [{name: 7}, {name: 7}]
