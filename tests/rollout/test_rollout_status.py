"""What people read of a rollout, along a rollout whose every look is known."""

import json
from dataclasses import asdict, replace

import pytest
from test_decide import HARMLESS, NEW, OLD, PLAN, World, at_step, command

from coterie.rollout.commands import Verb
from coterie.rollout.decide import KEPT_COMMANDS, MetricsStatus
from coterie.rollout.history import Snapshot, past_state, series, snapshot, snapshots_in
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import Phase, State
from coterie.rollout.status import rollout_status
from coterie.rollout.store import KEPT_SNAPSHOTS_BYTES, OLD_SNAPSHOTS, SNAPSHOTS, FileRolloutStore
from coterie.rollout.words import in_percent, in_time

VERSIONS = {OLD: "v7", NEW: "v8"}


def stand(world, later=0.0):
    return rollout_status(world.state, world.now + later, world.log, VERSIONS)


def test_before_any_rollout_stable_answers_everybody():
    told = stand(World())
    assert told.next_step == "nothing is being rolled out: v7 answers everybody"
    assert (told.stable.version, told.canary, told.weight, told.signals) == ("v7", None, 0.0, ())
    assert {stage.status for stage in told.track} == {"ahead"}


def test_before_anything_was_written_nothing_is_made_up():
    told = rollout_status(State(), 5.0, [])
    assert told.stable is None
    assert told.lasted_s == 0
    assert "none answers everybody" in told.next_step


def test_a_step_says_what_it_waits_for_and_what_comes_then():
    state = World().state
    state = replace(
        state,
        phase=Phase.STEP,
        canary=NEW,
        plan=PLAN,
        step=2,
        since=990.0,
        live_since=1000.0,
        step_samples={"canary": 212, "stable": 4000},
    )
    told = rollout_status(state, 1020.0, [])
    begin = "step 3 of 5 at 10 %: 212 of 300 samples; next at 25 %"
    assert told.next_step == f"{begin} in 40 s at the earliest"
    assert (told.next_in_s, told.step, told.num_steps) == (40.0, 3, 5)
    told = rollout_status(state, 1100.0, [])
    assert told.next_step == f"{begin} after 88 more, inconclusive in 8 min"
    told = rollout_status(replace(state, live_since=0.0), 1100.0, [])
    begin = "step 3 of 5 at 10 %: replicas are taking it, its time counts from then"
    assert told.next_step == f"{begin}; inconclusive in 8 min"
    assert told.next_in_s is None
    enough = replace(state, step_samples={"canary": 300, "stable": 300}, step=4)
    told = rollout_status(enough, 1020.0, [])
    assert told.next_step.endswith("300 samples, 300 needed; next bake at 100 % in 40 s")


def test_the_track_is_walked_from_left_to_right():
    world = World(preflight=None)
    world.start()
    passed = []
    for _ in range(300):
        told = stand(world)
        present = [stage.name for stage in told.track if stage.status == "present"]
        assert len(present) == 1
        if present != passed[-1:]:
            passed += present
        if world.state.phase is Phase.PROMOTED:
            break
        world.preflight = ""
        world.run()
    assert passed == [stage.name for stage in told.track]
    assert told.next_step == "promoted: v8 answers everybody"


def test_what_was_said_to_come_next_comes_when_it_was_said():
    world = World()
    world.start()
    for _ in range(300):
        told, before = stand(world), len(world.log)
        world.run()
        if len(world.log) > before and told.next_in_s is not None:
            assert told.next_in_s <= 10
        if told.next_in_s is not None and told.next_in_s > 10:
            assert len(world.log) == before
        if told.next_in_s == 0:
            assert len(world.log) > before
        if world.state.phase is Phase.PROMOTED:
            break
    assert world.state.phase is Phase.PROMOTED


def test_a_rollback_stays_marked_where_it_happened_with_its_signal():
    world = at_step()
    world.rates["failures"] = 0.5
    world.run(looks=5, until=[Phase.ROLLED_BACK])
    told = stand(world)
    assert [stage.name for stage in told.track if stage.status == "stopped"] == ["1 %"]
    assert told.next_step == (
        "rolled back: v7 answers everybody; another release may be started in 10 min"
    )
    failures = next(signal for signal in told.signals if signal.name == "failures")
    assert (failures.level, failures.progress) == ("bad", 1.0)
    assert told.last[0].after is Phase.ROLLED_BACK
    assert told.quarantine[NEW].startswith("failures")
    assert "may be started" in stand(world, PLAN.cooldown_s).next_step
    assert stand(world, PLAN.cooldown_s).next_in_s is None


def test_a_rollback_from_a_pause_is_marked_at_the_step_that_was_paused():
    world = at_step()
    world.run(command(Verb.PAUSE))
    world.run(command(Verb.ROLLBACK), looks=2)
    assert world.state.phase is Phase.ROLLED_BACK
    assert [stage.name for stage in stand(world).track if stage.status == "stopped"] == ["1 %"]


def test_a_hold_says_where_for_how_long_and_why():
    world = at_step()
    world.run(command(Verb.PAUSE, reason="Black Friday"))
    told = stand(world, 180.0)
    assert told.next_step.startswith("paused in step 1 of 5 at 1 % for 3 min (Black Friday)")
    assert (told.held, told.next_in_s) == (Phase.STEP, None)
    assert told.lasted_s == stand(world).lasted_s


def test_without_metrics_it_says_what_happens_when_they_stay_away():
    world = at_step()
    world.source = MetricsStatus.DOWN
    world.run(looks=4)
    told = stand(world)
    assert told.next_step.endswith("held at 1 %; paused in 70 s unless they are back")
    assert told.next_in_s == 70
    for signal in told.signals:
        assert signal.level != "bad"


def test_frozen_it_says_nothing_but_that():
    world = at_step()
    world.run(command(Verb.FREEZE, reason="audit"))
    told = stand(world)
    assert told.next_step == "frozen (audit): nothing moves by itself"
    assert told.next_in_s is None


def test_too_few_samples_name_the_way_out():
    world = World(requests=2)
    world.start()
    world.run(looks=70)
    assert "resume gives it 10 min more; or roll back" in stand(world).next_step


def test_an_approval_is_asked_for():
    world = World()
    world.start(plan=replace(PLAN, approval=True))
    world.run(looks=300)
    assert stand(world).next_step == "bake at 100 %: promoted once a person resumes it"


def test_what_is_shown_is_plain():
    told = stand(at_step())
    assert json.loads(json.dumps(asdict(told)))["signals"][0]["name"] in SIGNALS
    assert told.plan["signals"]["failures"] == 1.0
    assert told.versions == VERSIONS


def test_clicks_mean_nothing_in_shadow_and_something_in_a_step():
    world = World()
    world.start()
    world.run(looks=4)
    clicks = {signal.name: signal for signal in stand(world).signals}["clicks"]
    assert clicks.verdict == "means nothing in shadow"
    later = {signal.name: signal for signal in stand(at_step()).signals}["clicks"]
    assert later.verdict == "nothing counted yet"


def walk(world):
    kept = []
    for _ in range(60):
        world.run()
        if world.state.canary and world.state.evidence:
            kept.append(snapshot(world.state, world.now))
    return kept


def test_charts_hold_the_last_rollout_alone_and_no_more_points_than_asked_for():
    world = World()
    world.start()
    first = walk(world)
    other = [replace(one, canary="sha-other", at=one.at + 1e4) for one in first]
    drawn = series([*first, *other], most=20)
    assert 10 < len(drawn.at) <= 20
    assert (drawn.at[0], drawn.at[-1]) == (pytest.approx(other[0].at, abs=40), other[-1].at)
    assert set(drawn.lines) == set(SIGNALS)
    last = other[-1].signals["failures"]
    line = drawn.lines["failures"]
    assert line.stable[-1] == pytest.approx(last[3] / last[2], abs=1e-6)
    assert line.canary[-1] == pytest.approx(HARMLESS["failures"], rel=0.6)
    assert len(line.canary) == len(line.e_value) == len(drawn.weight) == len(drawn.at)


def test_the_same_release_started_again_begins_a_new_chart():
    world = World()
    world.start()
    first = walk(world)
    again = [replace(one, at=one.at + 1e4) for one in first]
    assert series([*first, *again]).at[0] == again[0].at


def test_charts_of_nothing_are_empty():
    assert series([]).lines == {}
    none = Snapshot(1.0, NEW, 0.0, {"failures": [0, 0, 0, 0, 1.0]})
    assert series([none]).lines["failures"].canary == (None,)


def test_snapshots_are_kept_and_thinned_evenly_and_a_torn_one_is_missed_by_nobody(tmp_path):
    world = at_step()
    one, rollout_store = snapshot(world.state, 0.0), FileRolloutStore(tmp_path)
    for at in range(3000):
        rollout_store.note_snapshot(replace(one, at=float(at)))
    times = [kept.at for kept in rollout_store.snapshots()]
    assert (tmp_path / SNAPSHOTS).stat().st_size <= KEPT_SNAPSHOTS_BYTES
    assert 400 < len(times) < 3000
    assert times[-1] == 2999.0
    assert times[0] == 0.0
    assert times == sorted(times)
    with (tmp_path / SNAPSHOTS).open("ab") as file:
        file.write(b'{"at": 3000.0, "can')
    rollout_store.note_snapshot(replace(one, at=3001.0))
    rollout_store.note_snapshot(replace(one, at=3002.0))
    assert rollout_store.snapshots()[-1].at == 3002.0


def test_snapshots_under_the_name_of_before_are_read_and_gone_on_with(tmp_path):
    one, rollout_store = snapshot(at_step().state, 1.0), FileRolloutStore(tmp_path)
    (tmp_path / OLD_SNAPSHOTS).write_text(json.dumps(asdict(one)) + "\n")
    assert rollout_store.snapshots()[0].at == 1.0
    rollout_store.note_snapshot(replace(one, at=2.0))
    assert [kept.at for kept in rollout_store.snapshots()] == [1.0, 2.0]
    assert [path.name for path in tmp_path.iterdir()] == [SNAPSHOTS]


def test_a_stage_has_the_name_of_before_as_well():
    stages = asdict(stand(at_step()))["track"]
    assert [one["place"] for one in stages] == [one["status"] for one in stages]


def test_why_a_command_was_refused_is_kept_as_long_as_that_it_was_dealt_with():
    world = World()
    refused = command(Verb.PAUSE)
    world.run(refused)
    assert world.state.refused == {refused.id: "nothing is being rolled out"}
    done = command(Verb.FREEZE)
    world.run(done)
    assert done.id not in world.state.refused
    world.run(*[command(Verb.FREEZE) for _ in range(KEPT_COMMANDS)])
    assert world.state.refused == {}


def test_the_audit_log_alone_has_points_for_charts():
    world = at_step()
    drawn = series(snapshots_in(world.log))
    assert drawn.lines["failures"].stable[-1] > 0


def test_what_was_live_at_a_time_is_what_was_live_then():
    world, lived = World(), {}
    world.start()
    for _ in range(200):
        world.run()
        lived[world.now] = world.state.target
        if world.state.phase is Phase.PROMOTED:
            break
    world.run(command(Verb.START, digest="sha-third", plan=PLAN), looks=30)
    for at, target in lived.items():
        then = past_state(world.state, world.log, at + 1)
        assert (then.stable, then.canary, then.weight, then.mirrored) == (
            target.stable,
            target.canary,
            target.weight,
            target.mirrored,
        )
        assert all(one.at <= at + 1 for one in then.because)


def test_a_pause_does_not_change_what_was_live():
    world = at_step()
    world.run(command(Verb.PAUSE))
    then = past_state(world.state, world.log, world.now)
    assert (then.canary, then.weight, then.phase) == (NEW, 0.01, Phase.PAUSED)


def test_of_times_before_the_log_only_stable_is_known():
    world = at_step()
    then = past_state(world.state, world.log, 3.0)
    assert (then.stable, then.canary, then.because) == (OLD, "", ())
    assert past_state(State(), [], 3.0).stable == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "1 h 30 min"), (7200, "2 h")],
)
def test_times_are_said_shortly(seconds, said):
    assert in_time(seconds) == said


def test_shares_are_said_shortly():
    assert [in_percent(share) for share in (0.01, 0.125, 0.005)] == ["1 %", "12.5 %", "0.5 %"]
