"""The state machine, against a world that answers it."""

import itertools
import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.decide import MetricsStatus, Observation, decide, note, put_live
from coterie.rollout.evidence import Evidence
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Target, Totals

OLD, NEW = "sha-old", "sha-new"
PLAN = Plan(step_s=60, bake_s=120, min_samples=300, deadline_s=600, hold_s=100)
HARMLESS = {"failures": 0.004, "slow": 0.02, "clicks": 0.05}
STEPS = [Phase.PREFLIGHT, Phase.SHADOW, *[Phase.STEP] * len(PLAN.weights), Phase.BAKE]


@dataclass
class World:
    """Traffic, a controller that looks every 10 s, and what is live."""

    rates: dict = field(default_factory=lambda: dict(HARMLESS))
    requests: int = 3000
    """Between two looks."""
    source: MetricsStatus = MetricsStatus.OK
    crashed: str = ""
    preflight: str | None = ""
    compared: tuple | None = ()
    state: State = field(default_factory=lambda: State(stable=OLD))
    live: Target = field(default_factory=lambda: Target(OLD))
    now: float = 1000.0
    lost: tuple = ()
    """Looks after which the controller dies before it acts."""
    log: list = field(default_factory=list)
    totals: dict = field(default_factory=dict)
    scraped: dict = field(default_factory=dict)
    looks_a_scrape: int = 1
    looks: int = 0
    wrote: list = field(default_factory=list)
    """Looks that had something to act upon."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def run(self, *commands, looks=1, until=()):
        for look in range(looks):
            self.now += 10
            self._serve()
            if self.looks % self.looks_a_scrape == 0:
                self.scraped = dict(self.totals)
            known = self.scraped if self.source is MetricsStatus.OK else {}
            asked = commands if look == 0 else ()
            observation = Observation(
                self.live, self.source, known, self.preflight, self.crashed, asked, self.compared
            )
            decision = decide(self.state, observation, self.now)
            self.log += decision.transitions
            self.state = State.from_json(json.loads(json.dumps(decision.state.as_json())))
            self.looks += 1
            if decision.apply:
                self.wrote.append(self.looks)
            if decision.apply and self.looks not in self.lost:
                if decision.apply.canary != self.live.canary:
                    self.totals = {}
                self.live = decision.apply
            if self.state.phase in until:
                break
        return decision

    def _serve(self):
        share = 0.3 if self.live.mirrored else self.live.weight
        canary = self.rng.binomial(self.requests, share) if self.live.canary else 0
        for arm, n, rates in (
            ("canary", canary, self.rates),
            ("stable", self.requests - canary, HARMLESS),
        ):
            before = self.totals.get(arm, Totals())
            events = {
                name: before.events.get(name, 0) + self.rng.binomial(n, rates[name])
                for name in HARMLESS
            }
            self.totals[arm] = Totals(before.samples + n, events, before.samples + n)

    def start(self, digest=NEW, plan=PLAN):
        return self.run(command(Verb.START, digest=digest, plan=plan))

    def phases(self):
        return [line.after for line in self.log]


ids = itertools.count()


def command(verb, reason="because", **more):
    return Command(f"c{next(ids)}", verb, "ana@shop", reason, **more)


def at_step(**world):
    one = World(**world)
    one.start()
    one.run(looks=100, until=[Phase.STEP])
    return one


ENDS = [Phase.PROMOTED, Phase.ROLLED_BACK]


def test_a_harmless_release_goes_all_the_way():
    world = World()
    world.start()
    world.run(looks=300, until=ENDS)
    assert world.phases() == [*STEPS, Phase.PROMOTED]
    assert [line.weight for line in world.log] == [0, 0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 0]
    world.run()
    assert (world.state.stable, world.live) == (NEW, Target(NEW))


def test_no_step_is_shorter_than_it_has_to_be():
    world = World()
    world.start()
    world.run(looks=300, until=ENDS)
    times = [line.at for line in world.log][1:]
    assert min(np.diff(times)) >= PLAN.step_s
    assert times[-1] - times[-2] >= PLAN.bake_s


@pytest.mark.parametrize(
    ("signal", "rate"), [("failures", 0.03), ("slow", 0.06), ("clicks", 0.02), ("failures", 0.5)]
)
def test_harm_is_rolled_back_with_the_signal_named(signal, rate):
    world = World(rates={**HARMLESS, signal: rate})
    world.start()
    world.run(looks=400, until=ENDS)
    assert world.state.phase is Phase.ROLLED_BACK
    last = next(line for line in world.log if line.after is Phase.ROLLING_BACK)
    assert last.why.startswith(signal)
    assert last.evidence[signal]["canary"][1] > 0
    assert world.live == Target(OLD)
    assert NEW in world.state.quarantine


def test_many_failures_at_ten_times_the_usual_rate_do_not_wait():
    world = at_step(rates=dict(HARMLESS))
    world.rates["failures"] = 0.9
    world.run()
    assert world.state.phase is Phase.ROLLING_BACK


def test_some_failures_of_many_do_not_take_the_fast_lane():
    state = World()
    state.start()
    state.run(looks=2)
    few = {"canary": Totals(40_000, {"failures": 25}), "stable": Totals(1_000, {"failures": 0})}
    observation = Observation(state.live, totals=few)
    marked = decide(
        state.state, replace(observation, totals={a: Totals() for a in few}), state.now + 1
    )
    assert decide(marked.state, observation, state.now + 2).state.phase is Phase.SHADOW


def test_clicks_in_shadow_mean_nothing():
    world = World(rates={**HARMLESS, "clicks": 0.0})
    world.start()
    world.run(looks=20, until=[Phase.STEP, Phase.ROLLED_BACK])
    assert world.state.phase is Phase.STEP


def test_clicks_that_are_told_later_than_their_lists_are_all_counted():
    """Lists and clicks are counted by two processes, each on its own beat: a look may see one grow
    and the next look the other."""
    one = at_step()
    before = one.state.evidence.get("clicks", Evidence())
    told = dict(one.totals)
    for beat in range(10):
        for arm, rate in (("canary", 20), ("stable", 40)):
            now = told[arm]
            lists, clicks = (rate, 0) if beat % 2 == 0 else (0, rate * 3 // 4)
            events = {**now.events, "clicks": now.events["clicks"] + clicks}
            told[arm] = Totals(now.samples + lists, events, now.shown + lists)
        one.now += 1
        observation = Observation(one.live, MetricsStatus.OK, dict(told), "", "", ())
        one.state = decide(one.state, observation, one.now).state
    after = one.state.evidence["clicks"]
    assert after.canary.samples - before.canary.samples == 100
    # What came with the last beat waits for the lists of the next.
    assert after.canary.events - before.canary.events == 75 - 15
    assert after.stable.events - before.stable.events == 150 - 30


@pytest.mark.parametrize("silent", [{"preflight": None}, {"compared": None}])
def test_a_preflight_that_says_nothing_ends_by_the_deadline_and_never_sees_a_request(silent):
    world = World(**silent)
    world.start()
    world.run(looks=100, until=(Phase.INCONCLUSIVE,))
    assert (world.state.phase, world.state.active) == (Phase.INCONCLUSIVE, Phase.PREFLIGHT)
    assert world.log[-1].cause == "deadline"
    assert world.now - world.log[0].at == PLAN.deadline_s
    world.preflight, world.compared = "", ()
    world.run(looks=10)
    assert (world.state.phase, world.live) == (Phase.INCONCLUSIVE, Target(OLD))
    world.run(Command("again", Verb.RESUME, "ana", "the store is back"), looks=2)
    assert world.state.phase is Phase.SHADOW


def test_what_the_canarys_first_answers_were_like_counts():
    """Its first twenty alone failed: at the first look in shadow they are over."""
    decided = decide(
        State(Phase.PREFLIGHT, OLD, NEW, PLAN, since=1000.0),
        Observation(Target(OLD), totals=counted(40, 2, 900), preflight="", compared=()),
        1010.0,
    )
    assert decided.state.phase is Phase.SHADOW
    seen = Observation(decided.state.target, totals=counted(90, 22, 1900))
    assert "failures: 20 of 50" in decide(decided.state, seen, 1020.0).transitions[0].why


def counted(canary, failures, stable):
    """Counters of a replica that had another canary before."""
    return {"canary": Totals(canary, {"failures": failures}), "stable": Totals(stable, {})}


def test_a_failed_preflight_never_sees_a_request():
    world = World(preflight="digest of tables.parquet is wrong")
    world.start()
    world.run(looks=3)
    assert world.state.phase is Phase.ROLLED_BACK
    assert all(line.weight == 0 for line in world.log)
    assert "tables.parquet" in world.log[1].why


def test_what_was_rolled_back_is_not_started_again_without_a_reason():
    world = at_step(crashed="")
    world.crashed = "replica exited with 139"
    world.run(looks=2)
    assert world.state.phase is Phase.ROLLED_BACK
    world.crashed = ""
    world.now += PLAN.cooldown_s
    refused = world.start().refused
    assert "quarantine" in next(iter(refused.values()))
    world.run(command(Verb.UNQUARANTINE, digest=NEW, reason="the node was broken"))
    world.start()
    assert world.state.phase in (Phase.PREFLIGHT, Phase.SHADOW)


def test_after_a_rollback_nothing_starts_for_a_while():
    world = at_step()
    world.run(command(Verb.ROLLBACK), looks=2)
    assert "wait" in next(iter(world.start("sha-other").refused.values()))
    world.now += PLAN.cooldown_s
    assert not world.start("sha-other").refused


@pytest.mark.parametrize("source", [s for s in MetricsStatus if s is not MetricsStatus.OK])
def test_without_metrics_the_weight_is_held_and_nothing_promoted(source):
    world = at_step()
    weight, since = world.live.weight, world.state.since
    world.source = source
    world.run(looks=8)
    assert world.state.phase is Phase.DATA_UNAVAILABLE
    assert world.live.weight == weight
    world.source = MetricsStatus.OK
    world.run()
    assert world.state.phase is Phase.STEP
    assert world.state.since == pytest.approx(since + 80, abs=11)


def test_a_rollout_that_could_not_be_decided_is_refused_at_its_start():
    world = World(source=MetricsStatus.SPARSE)
    (why,) = world.start().refused.values()
    assert "metrics are sparse" in why
    assert "30 s or sooner (monitoring.interval)" in why
    assert world.state.phase is Phase.IDLE
    world.source = MetricsStatus.EMPTY
    assert not world.start().refused, "there may be none before the first canary"


def test_what_to_do_is_said_where_scrapes_are_too_far_apart():
    world = at_step()
    world.source = MetricsStatus.SPARSE
    world.run()
    assert world.log[-1].why.startswith("metrics are sparse: ")
    assert "30 s or sooner (monitoring.interval)" in world.log[-1].why


@pytest.mark.parametrize(
    ("rates", "ends"),
    [(HARMLESS, Phase.PROMOTED), ({**HARMLESS, "failures": 0.2}, Phase.ROLLED_BACK)],
)
def test_a_rollout_goes_on_where_counts_come_each_half_minute(rates, ends):
    """Looks see what was scraped up to three looks ago."""
    world = World(rates=rates, looks_a_scrape=3)
    world.start()
    world.run(looks=200, until=ENDS)
    assert world.state.phase is ends


@pytest.mark.parametrize(
    ("policy", "ends"), [("pause", Phase.PAUSED), ("rollback", Phase.ROLLED_BACK)]
)
def test_metrics_that_stay_away_are_what_the_policy_says(policy, ends):
    world = World()
    world.start(plan=replace(PLAN, on_hold=policy))
    world.run(looks=100, until=[Phase.STEP])
    world.source = MetricsStatus.DOWN
    world.run(looks=20)
    assert world.state.phase is ends


def test_without_metrics_a_crash_still_rolls_back():
    world = at_step()
    world.source = MetricsStatus.DOWN
    world.run(looks=2)
    world.crashed = "no replica is ready"
    world.run(looks=2)
    assert world.state.phase is Phase.ROLLED_BACK


def test_harm_is_seen_in_a_pause_too():
    world = at_step()
    world.run(command(Verb.PAUSE))
    world.rates["failures"] = 0.5
    world.run(looks=20, until=[Phase.ROLLED_BACK])
    assert world.state.phase is Phase.ROLLED_BACK


def test_too_few_samples_are_neither_a_pass_nor_a_failure():
    world = World(requests=2)
    world.start()
    world.run(looks=70)
    assert world.state.phase is Phase.INCONCLUSIVE
    assert world.live.mirrored
    world.requests = 3000
    world.run(command(Verb.RESUME))
    assert world.state.phase is Phase.SHADOW
    world.run(looks=300, until=ENDS)
    assert world.state.phase is Phase.PROMOTED


@pytest.mark.parametrize("phase", [Phase.STEP, Phase.BAKE])
def test_a_weight_that_no_replica_has_taken_has_neither_time_nor_samples(phase):
    world = World()
    world.start()
    while (world.state.phase, world.state.step) != (phase, len(PLAN.weights) - 1):
        before = world.live
        world.run()
    world.live = before  # they were told, and have not taken it
    world.lost = range(world.looks + 1, world.looks + 41)
    world.run(looks=40)
    assert (world.state.phase, world.state.live_since) == (phase, 0.0)
    assert world.state.step_samples == {}
    world.lost = ()
    world.run()
    taken = world.now
    world.run(looks=100, until=[Phase.BAKE, *ENDS] if phase is Phase.STEP else ENDS)
    needed = PLAN.step_s if phase is Phase.STEP else PLAN.bake_s
    assert world.now - taken == pytest.approx(needed + 10)
    assert world.state.phase in (Phase.BAKE, Phase.PROMOTED)


def test_a_weight_that_nobody_takes_is_a_persons_matter_in_the_end():
    world = World()
    world.start()
    world.live = Target(OLD)
    world.lost = range(world.looks + 1, world.looks + 66)
    world.run(looks=65)
    assert world.state.phase is Phase.INCONCLUSIVE
    assert world.log[-1].why == "not live on all replicas by the deadline"
    world.lost = ()
    world.run(command(Verb.RESUME))
    world.run(looks=300, until=ENDS)
    assert world.state.phase is Phase.PROMOTED


def test_what_became_live_in_a_pause_counts_from_its_end():
    world = World()
    world.start()
    world.live = Target(OLD)
    world.lost = range(world.looks + 1, 1000)
    world.run(looks=3)
    world.run(command(Verb.PAUSE))
    world.lost = ()
    world.run(looks=10)
    assert world.state.live_since
    world.run(command(Verb.RESUME))
    assert world.state.live_since == world.now


def test_a_state_of_another_version_is_read():
    state = at_step().state
    later = {**state.as_json(), "something_new": 1}
    assert State.from_json(later) == State.from_json(state.as_json())
    earlier = {name: value for name, value in state.as_json().items() if name != "live_since"}
    assert State.from_json(earlier).live_since == 0.0


def test_a_person_pauses_resumes_promotes_and_rolls_back():
    world = at_step()
    weight = world.live.weight
    world.run(command(Verb.PAUSE), looks=30)
    assert (world.state.phase, world.live.weight) == (Phase.PAUSED, weight)
    world.run(command(Verb.RESUME))
    assert world.state.phase is Phase.STEP
    world.run(command(Verb.PROMOTE, reason="it fixes a leak"), looks=2)
    assert world.live == Target(NEW)
    assert world.log[-1].who == "ana@shop"
    assert "leak" in world.log[-1].why


def test_frozen_nothing_moves_by_itself():
    world = at_step()
    world.run(command(Verb.FREEZE))
    world.rates["failures"] = 1.0
    world.run(looks=50)
    assert world.state.phase is Phase.STEP
    world.run(command(Verb.UNFREEZE))
    assert world.state.phase is Phase.ROLLING_BACK


def test_approval_is_awaited_while_signals_are_judged():
    world = World()
    world.start(plan=replace(PLAN, approval=True))
    world.run(looks=300)
    assert world.state.phase is Phase.BAKE
    world.run(command(Verb.RESUME))
    world.run()
    assert world.state.phase is Phase.PROMOTED


@pytest.mark.parametrize("verb", list(Verb))
def test_no_command_is_obeyed_without_a_reason_or_against_sense(verb):
    world = World()
    blank = command(verb, reason=" ", digest=NEW)
    assert "reason" in world.run(blank).refused[blank.id]
    if verb not in (Verb.START, Verb.FREEZE):
        senseless = command(verb, digest=NEW)
        assert world.run(senseless).refused[senseless.id]
    assert world.state.phase is Phase.IDLE


def test_a_command_is_carried_out_once_however_often_it_is_delivered():
    world = at_step()
    pause = command(Verb.PAUSE)
    world.run(pause)
    world.run(command(Verb.RESUME))
    world.run(pause)
    assert world.state.phase is Phase.STEP


@pytest.mark.parametrize("rates", [{}, {"failures": 0.03}, {"clicks": 0.01}])
def test_a_controller_killed_between_any_two_writes_comes_to_the_same_end(rates):
    def end(lost):
        world = World(rates=HARMLESS | rates, lost=lost)
        world.start()
        world.run(looks=300, until=ENDS)
        world.run(looks=2)
        return world.wrote, (world.state.phase, world.live, set(world.state.quarantine))

    # Killed after any other look it has nothing to lose, and does the same again.
    wrote, undisturbed = end(())
    assert len(wrote) > 1
    for kill in wrote:
        assert end((kill,))[1] == undisturbed


def test_an_undecided_world_is_left_as_it_is():
    world = World(live=Target(OLD, "sha-stray", 0.5))
    assert world.run().apply == Target(OLD)
    assert world.run().apply is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"signals": {"happiness": 1.0}}, "happiness"),
        ({"weights": [0.5, 0.1]}, "rise"),
        ({"weights": [0.5, 1.0]}, "rise"),
        ({"signals": {"failures": 0.5}}, "from 1 to"),
        ({"signals": {"clicks": 1.5}}, "to 1"),
        ({"alpha": 0.0}, "alpha"),
        ({"on_hold": "promote"}, "pause or rollback"),
        ({"step": 3}, "known are"),
    ],
)
def test_a_senseless_plan_is_refused_when_it_is_read(content, said):
    with pytest.raises(BadInputError, match=said):
        Plan.of(content)


def rolling_out(phase):
    """A rollout in a phase, and one more release in quarantine."""
    step = {"step": 1} if phase is Phase.STEP else {}
    quarantine = {"sha-slow": "slow"}
    return State(phase=phase, stable=OLD, canary=NEW, plan=PLAN, quarantine=quarantine, **step)


@pytest.mark.parametrize("phase", [Phase.PREFLIGHT, Phase.SHADOW, Phase.STEP, Phase.BAKE])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(
    ("digest", "after"),
    [(OLD, Phase.ROLLING_BACK), (NEW, Phase.PROMOTED), ("sha-third", Phase.PROMOTED)],
)
def test_what_a_person_puts_live_ends_a_rollout(phase, held, digest, after):
    state = rolling_out(phase)
    if held:
        state = replace(state, phase=Phase.PAUSED, held=phase)
    decision = put_live(state, digest, "they insist", "helm", 50.0)
    (line,) = decision.transitions
    assert decision.state.target == decision.apply == Target(digest)
    assert (decision.state.phase, decision.state.held) == (after, None)
    assert (line.before, line.after, line.who) == (state.phase, after, "helm")
    assert set(decision.state.quarantine) == {"sha-slow"} | ({NEW} if digest == OLD else set())


def test_what_a_person_puts_live_leaves_quarantine():
    decision = put_live(State(stable=OLD, quarantine={NEW: "slow"}), NEW, "why", "helm", 50.0)
    assert (decision.state.stable, decision.state.quarantine) == (NEW, {})
    assert decision.transitions[0].why == "why; it was in quarantine (slow)"


def test_a_release_that_goes_back_can_be_put_live_after_all():
    state = replace(rolling_out(Phase.ROLLING_BACK), quarantine={NEW: "slow"})
    decision = put_live(state, NEW, "why", "helm", 50.0)
    assert decision.state.target == Target(NEW)
    assert (decision.state.phase, decision.state.canary) == (Phase.PROMOTED, "")


def test_an_install_anew_owes_the_last_one_no_rollback():
    decision = put_live(rolling_out(Phase.STEP), OLD, "why", "helm", 50.0, anew=True)
    assert (decision.state.phase, decision.state.target) == (Phase.IDLE, Target(OLD))
    assert set(decision.state.quarantine) == {"sha-slow"}


def test_a_note_changes_nothing():
    state = rolling_out(Phase.STEP)
    decision = note(state, "values name another", "helm", 50.0)
    assert (decision.state, decision.apply) == (state, None)
    (line,) = decision.transitions
    assert (line.before, line.after, line.why) == (Phase.STEP, Phase.STEP, "values name another")
