"""A small app with the rollout routes, and a controller that looks at a made-up shop."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from coterie.access.scopes import Scope
from coterie.errors import BadInputError
from coterie.rollout.controller import Controller, nobody
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import PAIRED
from coterie.rollout.state import State, Target, Totals
from coterie.rollout.store import FileRolloutStore
from serving.api import admin, operations
from serving.api.auth import Guard
from serving.api.dependencies import RolloutParts
from serving.api.key_ring import KeyRing
from serving.api.middleware import TelemetryMiddleware
from serving.api.operations import STATIC, CachedOverview
from serving.api.problems import answer_with_problems
from serving.ingestion.people_door import door_of
from serving.settings import Settings
from serving.telemetry.logs import Pseudonyms
from serving.telemetry.metrics import ServingMetrics

TOKEN = "a-secret-of-the-people-on-call"
OLD, NEW, THIRD = "0ld" * 20, "ae1" * 20, "b0b" * 20
VERSIONS = {OLD: "v7", NEW: "v8", THIRD: "v9"}
RATES = {
    "failures": 0.004,
    "slow": 0.03,
    "fallbacks": 0.02,
    "malformed": 0.001,
    "duplicate_lists": 0.01,
    "score_out_of_range": 0.02,
    "clicks": 0.06,
    "purchases": 0.01,
}
PAIR_RATE = 0.02
"""Of pairs, those that count for an arm alone."""


class Shop:
    """Metrics, arms and clock of a controller; each look is ``step_s`` after the one before."""

    def __init__(self, step_s: float = 10.0, requests: int = 2000, begins: float | None = None):
        self.target, self.rates = Target(OLD), dict(RATES)
        self.step_s, self.requests = step_s, requests
        self.now = time.time() if begins is None else begins
        self.counted: dict[str, Totals] = {}
        # No noise: of a thousand rollouts some are rolled back by chance, and that is no test's.
        self.expected: Counter[tuple[str, str]] = Counter()
        self.source = MetricsStatus.OK
        self.unfit = ""
        self.figures: tuple[ComparedFigure, ...] = ()

    def clock(self) -> float:
        self.now += self.step_s
        share = 0.3 if self.target.mirrored else self.target.weight
        canary = round(self.requests * share) if self.target.canary else 0
        for arm, n, rates in (
            ("canary", canary, self.rates),
            ("stable", self.requests - canary, RATES),
        ):
            before = self.counted.get(arm, Totals())
            events = {name: self.count(arm, name, n * rate) for name, rate in rates.items()}
            shown = 0 if self.target.mirrored and arm == "canary" else n
            pairs = canary // 2 if self.target.mirrored else 0
            for name in PAIRED:
                events[name] = self.count(arm, name, pairs * self.rates.get(name, PAIR_RATE))
            asked = {name: before.pairs.get(name, 0) + pairs for name in PAIRED}
            self.counted[arm] = Totals(before.samples + n, events, before.shown + shown, asked)
        return self.now

    def count(self, arm: str, name: str, more: float) -> int:
        """Add what is expected of a signal; whole events so far."""
        self.expected[arm, name] += more
        return int(self.expected[arm, name])

    def totals(self, target):
        return self.source, dict(self.counted) if self.source is MetricsStatus.OK else {}

    def live(self) -> Target:
        return self.target

    def apply(self, target: Target) -> None:
        if target.canary != self.target.canary:
            self.counted = {}
            self.expected.clear()
        self.target = target

    def preflight(self, digest: str) -> str:
        return self.unfit

    def compare(self, canary: str, stable: str):
        return self.figures

    def crashed(self, digest: str) -> str:
        return ""


def make_controller(
    rollout_store: FileRolloutStore, shop: Shop, follow: Callable[[str], None] = nobody
) -> Controller:
    if rollout_store.read()[1] == 0:
        rollout_store.write(State(stable=OLD), 0)
    return Controller(
        rollout_store,
        shop,
        shop,
        shop.clock,
        note_snapshot=rollout_store.note_snapshot,
        follow=follow,
    )


@contextmanager
def turning(
    rollout_store: FileRolloutStore,
    shop: Shop,
    every_s: float = 0.01,
    follow: Callable[[str], None] = nobody,
) -> Iterator[None]:
    """A controller at work beside the app."""
    controller, stop = make_controller(rollout_store, shop, follow), threading.Event()

    def turn() -> None:
        while not stop.wait(every_s):
            controller.turn()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def find(release: str) -> ReleaseRef:
    for digest, version in VERSIONS.items():
        if release in (version, f"releases/{version}"):
            return ReleaseRef(digest, f"releases/{version}")
    raise BadInputError(f"releases holds no release {release!r}, only {list(VERSIONS.values())}")


def make_app(rollout_store: FileRolloutStore, token: str = TOKEN, storefront: bool = True):
    app = FastAPI()
    answer_with_problems(app)
    app.state.guard = Guard(KeyRing(tokens={"admin_token": token}), frozenset({Scope.LISTS}))
    app.state.door = door_of(Settings(release="unused"))
    app.state.rollouts = RolloutParts(rollout_store, find, lambda: VERSIONS)
    app.state.overview = CachedOverview(app.state.rollouts)
    app.router.routes.extend(admin.api.routes)
    if storefront:
        app.router.routes.extend(operations.api.routes)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return TelemetryMiddleware(app, ServingMetrics(), Pseudonyms("0123456789abcdef"))
