"""Brings what values state into the rollout store, each once, and says what became of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from coterie.cluster.api import Cluster, Object, logger
from coterie.cluster.check import Check
from coterie.cluster.served import told
from coterie.cluster.stated import Install, Ruling, Statement, ruling
from coterie.cluster.store import ClusterRolloutStore
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.decide import Decision, note, put_live
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.state import State, Transition
from coterie.rollout.transitions import CONTROLLER

WHO: Final = "helm"
"""In the audit log: who wrote the values is known to their history, not to us."""
AGAIN_S: Final = 60.0
"""So long after a first release was refused, it is looked at again: it may have come meanwhile."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The rollout store, once a statement was looked at."""

    state: State
    install: Install | None
    transitions: tuple[Transition, ...] = ()
    waits: bool = False
    """Nothing may be served before it is known whether the stated release may run."""


@dataclass
class _Asked:
    """One statement in one turn."""

    service: Object
    uid: str
    statement: Statement
    rule: Ruling
    state: State
    install: Install | None
    version: int

    @property
    def unsettled(self) -> Settled:
        return Settled(self.state, self.install, waits=self.rule in (Ruling.FIRST, Ruling.ANEW))

    @property
    def read(self) -> Install:
        """The record of the rollout store with this statement as the last one."""
        if self.install:
            return replace(self.install, uid=self.uid, statement=self.statement)
        release = self.statement.release
        return Install(
            self.uid, self.statement, release if release.digest == self.state.stable else None
        )


class Statements:
    """What becomes of statements; it remembers only what it has said, and is reading."""

    def __init__(
        self,
        cluster: Cluster,
        rollout_store: ClusterRolloutStore,
        may_act: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        text_encoder: str | None = None,
    ):
        """Ask ``may_act`` right before the store is written, ``clock`` for times in it.

        A release that replicas' ``text_encoder`` cannot search may not run.
        """
        self._cluster, self._rollout_store, self._may_act, self._clock = (
            cluster,
            rollout_store,
            may_act,
            clock,
        )
        self._text_encoder = text_encoder
        self._check: tuple[ReleaseRef, Check] | None = None
        self._again_at: tuple[ReleaseRef, float] | None = None
        self._said = ""

    def settle(self, service: Object, uid: str) -> Settled:
        """Look at what a RayService states, and give the rollout store after that.

        Args:
            service: The RayService.
            uid: Of the install, that is, of its Lease.

        Raises:
            BadInputError: It states nothing that is understood, and the rollout store names no
            release. UnavailableError: The API did not answer, or the store where nothing can be
            served
                without it.
        """
        state, install, version = self._rollout_store.look()
        live = told(service)
        if live and not state.stable:
            return self._adopt(live, state, version)
        statement = self._statement(service, state)
        if statement is None:
            return Settled(state, install)
        rule = ruling(state, install, uid, statement, serves=live is not None)
        asked = _Asked(service, uid, statement, rule, state, install, version)
        if rule is Ruling.KNOWN:
            return Settled(state, install)
        if rule is Ruling.KEPT:
            return self._keep(asked)
        return self._take_if_it_may_run(asked)

    def _adopt(self, live: Live, state: State, version: int) -> Settled:
        """Begin a rollout store that was lost with what is live, which stays live."""
        why = "the rollout store is empty: begins with what is live"
        digest = live.stable.digest
        decision = put_live(state, digest, why, CONTROLLER, self._clock(), anew=True)
        return self._write(version, decision, None)

    def _statement(self, service: Object, state: State) -> Statement | None:
        try:
            statement = Statement.of(service)
            if statement is None and not state.stable:
                raise BadInputError("the RayService states no release: run helm upgrade")
        except BadInputError as error:
            if not state.stable:
                raise
            self._say(str(error))
            return None
        return statement

    def _keep(self, asked: _Asked) -> Settled:
        """Keep what is live, which is news only where values name another release."""
        if asked.statement.release.digest == asked.state.stable:
            return self._write(asked.version, Decision(asked.state, (), None, {}), asked.read)
        why = (
            f"{asked.statement}; {asked.state.stable[:12]} stays, as the rollout store says: with "
            "release.force=true it would go live"
        )
        settled = self._write(asked.version, self._note(asked, why), asked.read)
        self._cluster.tell(asked.service, "ReleaseKept", why)
        return settled

    def _take_if_it_may_run(self, asked: _Asked) -> Settled:
        release = asked.statement.release
        if self._again_at and self._again_at[0] == release and time.monotonic() < self._again_at[1]:
            return asked.unsettled
        try:
            refused = self._preflight(release)
        except UnavailableError as error:
            if asked.rule is not Ruling.FORCED:
                raise
            # What is live goes on, and so does its rollout.
            self._say(f"{asked.statement}, which cannot be read now: {error}")
            return asked.unsettled
        if refused is None:
            return asked.unsettled
        return self._refuse(asked, refused) if refused else self._take(asked)

    def _preflight(self, release: ReleaseRef) -> str | None:
        if self._check is None or self._check[0] != release:
            check = Check(release.digest, lambda: release.folder, self._text_encoder)
            self._check = release, check
        check = self._check[1]
        if check.over:
            self._check = None
        return check.answer()

    def _take(self, asked: _Asked) -> Settled:
        statement, before = asked.statement, asked.state.stable
        anew = asked.rule is not Ruling.FORCED
        begins = {Ruling.FIRST: "begins: ", Ruling.ANEW: "installed anew: "}.get(asked.rule, "")
        instead = (
            f", instead of {before[:12]}" if before not in ("", statement.release.digest) else ""
        )
        why = f"{begins}{statement}{instead}"
        decision = put_live(
            asked.state, statement.release.digest, why, WHO, self._clock(), anew=anew
        )
        settled = self._write(asked.version, decision, replace(asked.read, taken=statement.release))
        self._cluster.tell(asked.service, "ReleaseTaken", why)
        return settled

    def _refuse(self, asked: _Asked, refused: str) -> Settled:
        live = asked.state.stable[:12]
        stays = f"{live} stays" if live else "nothing is served until it can be read"
        why = f"{asked.statement}, which was not taken: {refused}; {stays}"
        if why != self._said:
            self._cluster.tell(asked.service, "ReleaseRefused", why, warning=True)
        self._say(why)
        if asked.rule is Ruling.FIRST:
            self._again_at = asked.statement.release, time.monotonic() + AGAIN_S
            return asked.unsettled
        return self._write(asked.version, self._note(asked, why), asked.read)

    def _note(self, asked: _Asked, why: str) -> Decision:
        return note(asked.state, why, WHO, self._clock())

    def _write(self, version: int, decision: Decision, install: Install | None) -> Settled:
        if not self._may_act():
            raise UnavailableError("the lease is over: another controller may act by now")
        self._rollout_store.write(decision.state, version, decision.transitions, install)
        return Settled(decision.state, install, decision.transitions)

    def _say(self, said: str) -> None:
        """Log a problem, once until it changes."""
        if said != self._said:
            logger.warning("%s", said)
        self._said = said
