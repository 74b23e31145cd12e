"""One turn of the controller: look, decide, write, act. It talks to two small interfaces."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.decide import Decision, MetricsStatus, Observation, decide
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.history import Snapshot, snapshot
from coterie.rollout.state import Phase, State, Target, Totals
from coterie.rollout.store import RolloutStore


class MetricsSource(Protocol):
    """Where counts of both arms come from: the app's own endpoint, or Prometheus."""

    def totals(self, target: Target) -> tuple[MetricsStatus, Mapping[str, Totals]]:
        """Read the counters by arm, and what became of asking for them."""


class ServingArms(Protocol):
    """What serves: Ray Serve here, a RayService in a cluster."""

    def live(self) -> Target:
        """Find out what really is live; weight is NaN while replicas take what was applied.

        Raises:
            UnavailableError: It cannot be told.
        """

    def apply(self, target: Target) -> None:
        """Bring it about; the same target again does no harm.

        Raises:
            UnavailableError: It did not work this time.
        """

    def preflight(self, digest: str) -> str | None:
        """Check whether a release may run: digests, schema, the offline gate, a warm-up.

        Returns:
            Empty if it may; None while it is not known yet.
        """

    def compare(self, canary: str, stable: str) -> Sequence[ComparedFigure] | None:
        """Compare a canary that passed these checks with what is live.

        Args:
            canary: Its digest.
            stable: Digest of the live release; empty: there is none to compare with.

        Returns:
            None while it is not known yet.

        Raises:
            BadInputError: The canary cannot be compared.
            UnavailableError: A store did not answer.
        """

    def crashed(self, digest: str) -> str:
        """Ask replicas why a release cannot run; empty if they are well."""


def _always() -> bool:
    return True


def _nowhere(point: Snapshot) -> None:
    """Keep no snapshot: they are for charts, and a cluster does without."""


def nobody(digest: str) -> None:
    """Tell nobody which release is stable, where no store of releases has a champion."""


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
        """Look once, decide, write and act.

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
        metrics, totals = self._count(live)
        preflight, compared, crashed = None, None, ""
        if state.active is Phase.PREFLIGHT:
            preflight, compared = self._check_canary(state)
        elif state.canary:
            crashed = self._ask(lambda: self.arms.crashed(state.canary)) or ""
        commands = self.rollout_store.commands(state)
        return Observation(live, metrics, totals, preflight, crashed, commands, compared)

    def _check_canary(self, state: State) -> tuple[str | None, Sequence[ComparedFigure] | None]:
        """Look at a canary by itself, and then at how it differs from what is live."""
        preflight = self._ask(lambda: self.arms.preflight(state.canary))
        if preflight is None or preflight:
            return preflight, None
        try:
            return preflight, self.arms.compare(state.canary, state.stable)
        except BadInputError as error:
            return str(error), None
        except UnavailableError:
            return preflight, None

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
        """Bring a target about; what fails is asked for again in the next turn, by the state."""
        try:
            self.arms.apply(target)
        except UnavailableError:
            return
