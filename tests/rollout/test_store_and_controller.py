"""What is written down survives a kill at any moment, and one controller acts at a time."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.controller import Controller
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Target, Totals, Transition
from coterie.rollout.store import AUDIT, COMMANDS, STATE, FileRolloutStore

PLAN = Plan(weights=(0.1, 0.5), step_s=20, bake_s=30, min_samples=200, deadline_s=600)


class KilledError(Exception):
    """Stands for a kill."""


class Shop:
    """Arms, metrics and clock in one; traffic flows whenever the clock is looked at."""

    def __init__(self, failures=0.004):
        self.target, self.failures, self.now = Target("old"), failures, 0.0
        self.counted = {}
        self.rng = np.random.default_rng(0)
        self.down = False

    def clock(self):
        self.now += 10
        share = 0.3 if self.target.mirrored else self.target.weight
        canary = int(2000 * share)
        for arm, n, rate in (("canary", canary, self.failures), ("stable", 2000 - canary, 0.004)):
            before = self.counted.get(arm, Totals())
            failed = before.events.get("failures", 0) + int(self.rng.binomial(n, rate))
            self.counted[arm] = Totals(before.samples + n, {"failures": failed})
        return self.now

    def totals(self, target):
        if self.down:
            raise UnavailableError("no route to host")
        return MetricsStatus.OK, dict(self.counted)

    def live(self):
        return self.target

    def apply(self, target):
        if target.canary != self.target.canary:
            self.counted = {}
        self.target = target

    def preflight(self, digest):
        return ""

    def compare(self, canary, stable):
        return ()

    def crashed(self, digest):
        return ""


def controller(shop, folder):
    return Controller(FileRolloutStore(folder), shop, shop, shop.clock)


def start(folder, digest="new"):
    plan = Plan.of({**PLAN_FIELDS, "signals": {"failures": 1.0}})
    FileRolloutStore(folder).write(State(stable="old"), 0)
    FileRolloutStore(folder).command(Command("c1", Verb.START, "ana", "better", digest, plan))


PLAN_FIELDS = {
    name: getattr(PLAN, name)
    for name in ("weights", "step_s", "bake_s", "min_samples", "deadline_s")
}


def run_to_the_end(shop, folder, turns=60):
    for _ in range(turns):
        decision = controller(shop, folder).turn()
        if decision and decision.state.phase in (Phase.PROMOTED, Phase.ROLLED_BACK):
            break
    controller(shop, folder).turn()
    return FileRolloutStore(folder).read()[0]


@pytest.mark.parametrize(("failures", "ends"), [(0.004, Phase.PROMOTED), (0.05, Phase.ROLLED_BACK)])
def test_a_rollout_runs_from_its_rollout_store_alone(tmp_path, failures, ends):
    start(tmp_path)
    shop = Shop(failures)
    state = run_to_the_end(shop, tmp_path)
    assert state.phase is ends
    assert shop.target == Target(state.stable)
    history = FileRolloutStore(tmp_path).history()
    assert [line.after for line in history][:2] == [Phase.PREFLIGHT, Phase.SHADOW]
    assert history[0].who == "ana"
    assert history[-1].after is ends


@pytest.mark.parametrize(
    ("failures", "told"), [(0.004, ["old", "new"]), (0.05, ["old"])], ids=["promoted", "back"]
)
def test_what_is_stable_is_told_once_it_is_written(tmp_path, failures, told):
    start(tmp_path)
    shop, rollout_store, heard = Shop(failures), FileRolloutStore(tmp_path), []

    def follow(digest):
        assert rollout_store.read()[0].stable == digest
        heard.append(digest)

    acts = Controller(rollout_store, shop, shop, shop.clock, follow=follow)
    for _ in range(60):
        acts.turn()
    assert list(dict.fromkeys(heard)) == told
    assert len(heard) == 60, (
        "in each turn: who was killed between rollout store and store comes to it"
    )


def test_what_is_stable_is_told_where_nobody_knows_what_is_live(tmp_path, monkeypatch):
    FileRolloutStore(tmp_path).write(State(stable="old"), 0)
    shop, heard = Shop(), []

    def unknown(self):
        raise UnavailableError("no replica says what it serves")

    monkeypatch.setattr(Shop, "live", unknown)
    Controller(FileRolloutStore(tmp_path), shop, shop, shop.clock, follow=heard.append).turn()
    assert heard == ["old"]


def test_what_could_not_be_written_is_not_told(tmp_path):
    start(tmp_path)
    shop, heard = Shop(), []
    acts = Controller(
        FileRolloutStore(tmp_path), shop, shop, shop.clock, lambda: False, follow=heard.append
    )
    with pytest.raises(UnavailableError, match="lease"):
        acts.turn()
    assert heard == []


def kill_at(monkeypatch, nth):
    """The nth write to disk, or act, is the last thing that happens."""
    count = {"now": 0}

    def tick():
        count["now"] += 1
        if count["now"] == nth:
            raise KilledError

    replace, fsync = Path.replace, __import__("os").fsync

    def killed_replace(self, target):
        tick()
        return replace(self, target)

    def killed_fsync(fd):
        tick()
        return fsync(fd)

    monkeypatch.setattr(Path, "replace", killed_replace)
    monkeypatch.setattr("coterie.rollout.store.os.fsync", killed_fsync)
    apply = Shop.apply

    def killed_apply(self, target):
        tick()
        apply(self, target)

    monkeypatch.setattr(Shop, "apply", killed_apply)


@pytest.mark.parametrize("failures", [0.004, 0.05])
def test_killed_at_any_write_the_end_is_the_same(tmp_path, monkeypatch, failures):
    start(tmp_path / "whole")
    whole = run_to_the_end(Shop(failures), tmp_path / "whole")
    for nth in range(1, 60):
        folder = tmp_path / str(nth)
        start(folder)
        shop = Shop(failures)
        with monkeypatch.context() as patch:
            kill_at(patch, nth)
            with contextlib.suppress(KilledError):
                run_to_the_end(shop, folder)
        state = run_to_the_end(shop, folder)
        assert (state.phase, state.stable, shop.target) == (
            whole.phase,
            whole.stable,
            Target(whole.stable),
        )
        lines = [(line.at, line.after) for line in FileRolloutStore(folder).history()]
        assert len(lines) == len(set(lines))


def test_who_read_before_another_wrote_does_not_write(tmp_path):
    rollout_store = FileRolloutStore(tmp_path)
    version = rollout_store.write(State(stable="old"), 0)
    rollout_store.write(State(stable="older"), version)
    with pytest.raises(UnavailableError, match="another controller"):
        rollout_store.write(State(stable="mine"), version)
    assert rollout_store.read()[0].stable == "older"


def test_audit_lines_that_no_state_vouches_for_never_happened(tmp_path):
    rollout_store = FileRolloutStore(tmp_path)
    line = Transition(1.0, Phase.IDLE, Phase.PREFLIGHT, "y", "ana", "o", "n", 0.0, 0, {})
    version = rollout_store.write(State(), 0, [line])
    with (tmp_path / AUDIT).open("ab") as file:
        file.write(b'{"at": 2.0, "before')
    assert rollout_store.history() == [line]
    rollout_store.write(State(), version, [line])
    assert rollout_store.history() == [line, line]


def test_metrics_that_do_not_answer_hold_the_weight(tmp_path):
    start(tmp_path)
    shop = Shop()
    while shop.target.weight == 0:
        controller(shop, tmp_path).turn()
    weight, shop.down = shop.target.weight, True
    for _ in range(10):
        controller(shop, tmp_path).turn()
    assert FileRolloutStore(tmp_path).read()[0].phase is Phase.DATA_UNAVAILABLE
    assert shop.target.weight == weight


def test_what_could_not_be_applied_is_applied_in_the_next_turn(tmp_path, monkeypatch):
    start(tmp_path)
    shop = Shop()

    def refuse(self, target):
        raise UnavailableError("conflict")

    with monkeypatch.context() as patch:
        patch.setattr(Shop, "apply", refuse)
        for _ in range(3):
            controller(shop, tmp_path).turn()
    assert shop.target == Target("old")
    controller(shop, tmp_path).turn()
    assert shop.target.mirrored


def test_a_command_is_kept_until_it_was_carried_out(tmp_path):
    rollout_store = FileRolloutStore(tmp_path)
    rollout_store.command(Command("c1", Verb.FREEZE, "ana", "Black Friday"))
    with (tmp_path / COMMANDS).open("ab") as file:
        file.write(b'{"id": "c2", "verb": "pa')
    assert [one.id for one in rollout_store.commands(State())] == ["c1"]
    controller(Shop(), tmp_path).turn()
    state, _ = rollout_store.read()
    assert state.frozen == "Black Friday"
    assert rollout_store.commands(state) == []


HOLD = """
import sys, time
from coterie.rollout.store import FileRolloutStore
with FileRolloutStore(sys.argv[1]).lease() as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_one_controller_holds_the_lease_until_it_dies(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline().strip() == "True"
        with FileRolloutStore(tmp_path).lease() as mine:
            assert not mine
        other.kill()
    with FileRolloutStore(tmp_path).lease() as mine:
        assert mine


@pytest.mark.parametrize("text", ["{", '{"format": 7}', json.dumps({"format": 1, "version": 1})])
def test_a_damaged_rollout_store_is_refused(tmp_path, text):
    (tmp_path / STATE).write_text(text)
    with pytest.raises(BadInputError, match=r"state\.json"):
        FileRolloutStore(tmp_path).read()
