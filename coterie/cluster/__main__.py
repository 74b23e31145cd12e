"""The controller of a cluster's rollouts: ``python -m coterie.cluster``.

It needs no state of its own: killed at any moment, it goes on from what is written in the cluster.
While it is away, weights stay as they are.
"""

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry

from coterie.cluster.api import Cluster, logger
from coterie.cluster.arms import RayServiceArms
from coterie.cluster.lease import ClusterLease
from coterie.cluster.pending import PendingPods
from coterie.cluster.served import told
from coterie.cluster.stated import states
from coterie.cluster.statements import Statements
from coterie.cluster.store import ClusterRolloutStore
from coterie.errors import CoterieError
from coterie.json_logs import JsonFormatter
from coterie.probes import ALIVE_S, Starting, pages
from coterie.rollout.controller import Controller, MetricsSource, nobody
from coterie.rollout.decide import Decision
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.state import State, Transition

PORT: Final = 9464


@dataclass
class Loop:
    """Turns, for as long as the lease is held and nobody asks to stop."""

    rollout_store: ClusterRolloutStore
    arms: RayServiceArms
    statements: Statements
    metrics: MetricsSource
    lease: ClusterLease
    exported: RolloutMetrics
    interval_s: float = 2.0
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.time
    """The same for every controller, or a step would be as long as clocks differ."""
    pending: PendingPods | None = None
    """Who tells of an upgrade whose pods cannot start."""
    follow: Callable[[str], None] = nobody
    """Told what is stable, as ``Controller.follow``."""
    came_round: float = field(default_factory=time.monotonic)
    _said: str = ""
    _waited: str = ""
    _turned: bool = False

    def run(self) -> None:
        """Turn until ``stop`` is set."""
        controller = self.controller()
        while not self.stop.is_set():
            if self.lease:
                self._turn(controller)
            else:
                self._stand_by()
            self.came_round = time.monotonic()
            self.stop.wait(self.interval_s)

    def controller(self) -> Controller:
        """Make what decides in each turn."""
        return Controller(
            self.rollout_store,
            self.metrics,
            self.arms,
            self.clock,
            self.may_act,
            follow=self.follow,
        )

    def may_act(self) -> bool:
        """Tell whether the lease is held at this moment."""
        return bool(self.lease)

    def alive(self) -> bool:
        """Tell whether it comes round, and looks after its lease."""
        return self.lease.renewed and time.monotonic() - self.came_round < ALIVE_S

    def ready(self) -> bool:
        """Tell whether its last turn went well, or would have, had it held the lease.

        It did as well where there was nothing to do, since nothing is to be served yet.
        """
        return self.alive() and self._turned and not self._said

    def _stand_by(self) -> None:
        self.exported.hide()
        try:
            self.rollout_store.read()
        except CoterieError as error:
            self._complain(str(error))
        else:
            self._go_on()

    def _turn(self, controller: Controller) -> None:
        try:
            begun = self._begun()
            decision = controller.turn() if begun else None
        except CoterieError as error:
            self._complain(str(error))
            return
        except Exception:
            # The next turn starts from what is written, so it may well go better.
            logger.exception("a turn failed")
            self._said = "a turn failed"
            return
        if begun and decision is None:
            self._complain("what is live cannot be told: nothing is decided")
            return
        self._go_on()
        if decision:
            self._show(decision)

    def _begun(self) -> bool:
        """Settle what values state, and see that replicas are told what is live.

        Returns:
            Whether there is something to decide about.
        """
        service = self.arms.find()
        if service is None:
            self.exported.hide()
            self._wait("there is no RayService yet")
            return False
        if self.pending:
            self.pending.look(service)
        settled = self.statements.settle(service, self.lease.uid)
        if settled.transitions or settled.waits:
            self._tell(settled.state, settled.transitions)
        self.arms.taken = settled.install.taken if settled.install else None
        self.arms.stated = settled.install is not None
        if self.arms.stated and not states(service):
            self.exported.hide()
            self._wait("rollouts were switched off: values say what is live")
            return False
        if settled.waits:
            self._wait("no release may run yet: the one that values state has to be read")
            return False
        if not told(service):
            self.arms.apply(settled.state.target)
        self._waited = ""
        return True

    def _show(self, decision: Decision) -> None:
        self._tell(decision.state, decision.transitions)
        for command, why in decision.refused.items():
            logger.warning("command refused", extra={"fields": {"command": command, "why": why}})

    def _tell(self, state: State, transitions: Iterable[Transition]) -> None:
        self.exported.show(state, transitions, self.clock())
        for transition in transitions:
            logger.info("transition", extra={"fields": asdict(transition)})

    def _go_on(self) -> None:
        self._said, self._turned = "", True

    def _wait(self, why: str) -> None:
        """Say what for, once as long as it stays the same."""
        if why != self._waited:
            logger.info("nothing to do: %s", why)
        self._waited = why

    def _complain(self, said: str) -> None:
        """Log a problem, once until it changes."""
        if said != self._said:
            logger.warning("%s", said)
        self._said = said


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m coterie.cluster", description=__doc__)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--service", required=True, help="name of the RayService")
    parser.add_argument("--releases", required=True, help="folder or URL of the release store")
    parser.add_argument("--prometheus", required=True, help="URL of Prometheus")
    parser.add_argument(
        "--selector", help='label matchers of our series there; namespace="..." by default'
    )
    parser.add_argument(
        "--text-encoder",
        help="what replicas encode queries with, as COTERIE_TEXT_ENCODER says it",
    )
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between turns")
    parser.add_argument("--port", type=int, default=PORT, help="of /metrics, /healthz and /readyz")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM; 1 if it cannot begin."""
    given = options(arguments)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        control(given, stop)
    except CoterieError as error:
        logger.error("%s", error)
        return 1
    return 0


def control(given: argparse.Namespace, stop: threading.Event) -> None:
    """Listen, take the lease and turn, until ``stop`` is set."""
    registry, probed = CollectorRegistry(), Starting()
    with pages(given.port, registry, probed) as port:
        logger.info("listens", extra={"fields": {"port": port}})
        # What follows asks others, and loads what takes seconds of a slow machine.
        from coterie.release.champion import ChampionPointer
        from coterie.release.store import ReleaseStore
        from coterie.rollout.metrics import PrometheusMetrics

        cluster = Cluster.connect(given.namespace)
        rollout_store = ClusterRolloutStore(cluster, given.service)
        with rollout_store.lease() as lease:
            store = ReleaseStore(given.releases)
            arms = RayServiceArms(
                cluster,
                given.service,
                store,
                lambda: bool(lease),
                text_encoder=given.text_encoder,
            )
            # Other shops may be scraped by the same server.
            ours = f'namespace="{given.namespace}"' if given.selector is None else given.selector
            metrics = PrometheusMetrics(given.prometheus, ours)
            exported = RolloutMetrics(registry)
            statements = Statements(
                cluster, rollout_store, lambda: bool(lease), cluster.clock, given.text_encoder
            )
            loop = Loop(
                rollout_store,
                arms,
                statements,
                metrics,
                lease,
                exported,
                given.interval,
                stop,
                clock=cluster.clock,
                pending=PendingPods(cluster),
                follow=ChampionPointer(given.releases, logger, lambda: bool(lease)).follow,
            )
            probed.work = loop
            logger.info("begins", extra={"fields": {"service": given.service}})
            loop.run()
    logger.info("ends")


if __name__ == "__main__":
    sys.exit(main())
