"""One turn of the controller: look, decide, write, act. It talks to two small interfaces."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from coterie.errors import UnavailableError
from coterie.rollout.decide import Decision, MetricsStatus, Observation, decide
from coterie.rollout.history import Snapshot, snapshot
from coterie.rollout.state import Phase, State, Target, Totals
from coterie.rollout.store import RolloutStore


class MetricsSource(Protocol):
    """Where counts of both arms come from: the app's own endpoint, or Prometheus."""

    def totals(self, target: Target) -> tuple[MetricsStatus, Mapping[str, Totals]]:
        """What became of asking, and the counters by arm."""


class ServingArms(Protocol):
    """What serves: Ray Serve here, a RayService in a cluster."""

    def live(self) -> Target:
        """What really is live; weight is NaN while replicas take what was applied.

        Raises:
            UnavailableError: It cannot be told.
        """

    def apply(self, target: Target) -> None:
        """Bring it about; the same target again does no harm.

        Raises:
            UnavailableError: It did not work this time.
        """

    def preflight(self, digest: str) -> str | None:
        """Why a release may not run: digests, schema, the offline gate, a warm-up on no traffic.

        Returns:
            Empty if it may; None while it is not known yet.
        """

    def crashed(self, digest: str) -> str:
        """Why a release cannot run, as its replicas say; empty if they are well."""


def _always() -> bool:
    return True


def _nowhere(point: Snapshot) -> None:
    """Snapshots are for charts: one can do without."""


def nobody(digest: str) -> None:
    """Where there is no store, nobody asks which release is stable."""


@dataclass(frozen=True, slots=True)
class Controller:
    """Holds nothing between turns: the rollout store knows all."""

    rollout_store: RolloutStore
    metrics: MetricsSource
    arms: ServingArms
    clock: Callable[[], float] = time.time
    may_act: Callable[[], bool] = _always
    """Whether the lease is held: asked before each write and each act."""
    note_snapshot: Callable[[Snapshot], None] = _nowhere
    """Told what the signals say, in each turn of a rollout."""
    follow: Callable[[str], None] = nobody
    """Told which release is stable, in each turn once that is written; returns at once."""

    def turn(self) -> Decision | None:
        """One turn.

        Returns:
            What was decided; None where what is live cannot be told, so that nothing is.

        Raises:
            UnavailableError: Another controller wrote meanwhile, or may act in the place of this
                one; or the rollout store cannot be reached. The next turn reads what there is.
        """
        state, version = self.rollout_store.read()
        observation = self._see(state)
        if observation is None:
            self.follow(state.stable)
            return None
        now = self.clock()
        decision = decide(state, observation, now)
        if decision.state != state:
            self._check_lease()
            self.rollout_store.write(decision.state, version, decision.transitions)
        self.follow(decision.state.stable)
        if decision.apply is not None:
            self._check_lease()
            self._act(decision.apply)
        if observation.commands:
            self.rollout_store.forget_commands(decision.state)
        if decision.state.canary and decision.state.evidence:
            self.note_snapshot(snapshot(decision.state, now))
        return decision

    def _check_lease(self) -> None:
        if not self.may_act():
            raise UnavailableError("the lease is over: another controller may act by now")

    def _see(self, state: State) -> Observation | None:
        try:
            live = self.arms.live()
        except UnavailableError:
            return None
        source, totals = self._count(live)
        preflight, crashed = None, ""
        if state.active is Phase.PREFLIGHT:
            preflight = self._ask(lambda: self.arms.preflight(state.canary))
        elif state.canary:
            crashed = self._ask(lambda: self.arms.crashed(state.canary)) or ""
        return Observation(
            live, source, totals, preflight, crashed, self.rollout_store.commands(state)
        )

    def _count(self, live: Target) -> tuple[MetricsStatus, Mapping[str, Totals]]:
        try:
            return self.metrics.totals(live)
        except UnavailableError:
            return MetricsStatus.DOWN, {}

    @staticmethod
    def _ask(question: Callable[[], str | None]) -> str | None:
        try:
            return question()
        except UnavailableError:
            return None

    def _act(self, target: Target) -> None:
        """What fails now is asked for again in the next turn: the state says what is wanted."""
        try:
            self.arms.apply(target)
        except UnavailableError:
            return
