"""The recipe "A rollout signal" of CONTRIBUTING, followed for a toy: lists of one category."""

import json

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from coterie.monitoring.pages.rollout import _signal
from coterie.rollout.decide import Command, Seen, Source, Verb, decide
from coterie.rollout.evidence import Worse
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.metrics import Sample, read
from coterie.rollout.plan import SIGNALS, Plan, Signal
from coterie.rollout.state import Phase, State, Target
from coterie.schema import EventKind
from serving.events.event import Event
from serving.features.online_store import FakeFeatures
from serving.features.recent import RecentList, merge
from serving.lists.list_maker import ListMaker
from serving.rollouts.list_checks import ListChecks
from serving.telemetry.metrics import ServingMetrics
from tests.serving.small_shop import NOON_MS, item, write_small_release

STABLE, CANARY = "sha-stable", "sha-canary"
NAME = "one_category"
looked_at = ListChecks.signals


# Step 2, serving/rollouts/list_checks.py: what it counts, of one list.
def signals(self, answer):
    found = looked_at(self, answer)
    if len({listed.item.category for listed in answer.items}) == 1:
        found.append(NAME)
    return found


@pytest.fixture(autouse=True)
def followed(monkeypatch):
    """Step 1, coterie/rollout/plan.py: its entry in SIGNALS."""
    signal = Signal("lists of one category alone", Worse.MORE, 1.2, ceiling=0.9)
    monkeypatch.setitem(SIGNALS, NAME, signal)
    monkeypatch.setattr(ListChecks, "signals", signals)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return write_small_release(tmp_path_factory.mktemp("release") / "v1")


@pytest.fixture
def answers(release):
    """One list of one category, of who bought in it, and one of many, of a stranger."""
    bought = Event("e1", "ana", item(0), EventKind.PURCHASE, NOON_MS)
    features = FakeFeatures(recent={"ana": merge(RecentList(), [bought])})
    maker = ListMaker(release, features, ServingMetrics())
    return maker.recommend("ana", 5, False), maker.recommend("nobody", 5, False)


def test_lists_are_counted_by_it(release, answers):
    narrow, mixed = answers
    assert NAME in ListChecks(release).signals(narrow)
    assert NAME not in ListChecks(release).signals(mixed)


def scraped(metrics, now):
    """The app's own endpoint, as a controller reads it."""
    families = text_string_to_metric_families(metrics.expose().decode())
    samples = [Sample(s.name, s.labels, s.value) for f in families for s in f.samples]
    return read(samples, now, by_instance=False)


def serve(metrics, release, canary, stable):
    """What a router counts of two hundred requests of each arm."""
    watches = {"canary": ListChecks(release), "stable": ListChecks(release)}
    for name, answer in (("canary", canary), ("stable", stable)):
        for _ in range(200):
            counted = [s for s in watches[name].signals(answer) if s == NAME]
            metrics.arms.count_answer(name, 0.01, counted)


def roll_out(release, canary, stable):
    """Look every ten seconds until the rollout ends; its last state and all transitions."""
    plan = Plan(weights=(0.1,), step_s=20, bake_s=20, min_samples=300, signals=((NAME, 1.2),))
    metrics, state, live, log = ServingMetrics(), State(stable=STABLE), Target(STABLE), []
    commands = (Command("c1", Verb.START, "ana@shop", "because", digest=CANARY, plan=plan),)
    for look in range(20):
        now = 1000.0 + 10 * look
        serve(metrics, release, canary, stable)
        metrics.arms.heartbeat.set(now)
        source, totals = scraped(metrics, now)
        assert source is Source.OK
        decision = decide(state, Seen(live, source, totals, "", "", commands), now)
        state = State.from_json(json.loads(json.dumps(decision.state.as_json())))
        live, commands = decision.apply or live, ()
        log += decision.transitions
        if state.phase in (Phase.PROMOTED, Phase.ROLLED_BACK):
            break
    return state, log


def test_a_canary_that_is_worse_by_it_is_taken_back_and_says_so(release, answers):
    narrow, mixed = answers
    state, log = roll_out(release, canary=narrow, stable=mixed)
    assert state.phase is Phase.ROLLED_BACK
    (back,) = [step for step in log if step.after is Phase.ROLLING_BACK]
    assert back.why.startswith(f"{NAME}:")
    registry = CollectorRegistry()
    RolloutMetrics(registry).show(state, log, 0.0)
    verdict = f'coterie_rollout_verdicts_total{{reason="{NAME}"}} 1.0'
    assert verdict in generate_latest(registry).decode()


def test_a_canary_that_is_no_worse_is_promoted(release, answers):
    _, mixed = answers
    state, _ = roll_out(release, canary=mixed, stable=mixed)
    assert state.phase is Phase.PROMOTED


def test_dashboards_and_plans_follow_the_entry():
    panel = _signal(NAME)
    assert "lists of one category alone" in panel.about.lower()
    assert any(NAME in query.expr for query in panel.queries)
    assert dict(Plan(signals=((NAME, 1.5),)).signals) == {NAME: 1.5}
