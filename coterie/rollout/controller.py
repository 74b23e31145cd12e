"""One turn of the controller: look, decide, write, act. It talks to two small interfaces."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from coterie.errors import UnavailableError
from coterie.rollout.book import Book
from coterie.rollout.decide import Decision, Seen, Source, decide
from coterie.rollout.state import Phase, State, Target, Totals


class Metrics(Protocol):
    """Where counts of both arms come from: the app's own endpoint, or Prometheus."""

    def totals(self, target: Target) -> tuple[Source, Mapping[str, Totals]]:
        """What became of asking, and the counters by arm."""


class Arms(Protocol):
    """What serves: Ray Serve here, a RayService in a cluster."""

    def live(self) -> Target:
        """What really is live.

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


@dataclass(frozen=True, slots=True)
class Controller:
    """Holds nothing between turns: the book knows all."""

    book: Book
    metrics: Metrics
    arms: Arms
    clock: Callable[[], float] = time.time

    def turn(self) -> Decision | None:
        """One turn.

        Returns:
            What was decided; None where what is live cannot be told, so that nothing is.

        Raises:
            UnavailableError: Another controller wrote meanwhile; the next turn reads what.
        """
        state, version = self.book.read()
        seen = self._see(state)
        if seen is None:
            return None
        decision = decide(state, seen, self.clock())
        if decision.state != state:
            self.book.write(decision.state, version, decision.transitions)
            if seen.commands:
                self.book.forget_commands(decision.state)
        if decision.apply is not None:
            self._act(decision.apply)
        return decision

    def _see(self, state: State) -> Seen | None:
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
        return Seen(live, source, totals, preflight, crashed, self.book.commands(state))

    def _count(self, live: Target) -> tuple[Source, Mapping[str, Totals]]:
        try:
            return self.metrics.totals(live)
        except UnavailableError:
            return Source.DOWN, {}

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
