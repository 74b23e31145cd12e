"""One rollout of a release in the real app's router, by the real controller, on simulated time."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.faults_seams import OLD_CATALOGUE, SOLD_OUT, SpoiltMaker
from benchmarks.faults_shop import Shop, live_on
from coterie.errors import UnavailableError
from coterie.experiments.assignment import bucket
from coterie.release.queries import QueryEncoders
from coterie.rollout.commands import Command, Verb
from coterie.rollout.controller import Controller
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.metrics import MetricSample, read
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Target, Totals, Transition, TransitionCause
from coterie.rollout.store import FileRolloutStore
from coterie.schema import EventKind
from serving.events.event import Event
from serving.lists.wanted import PLAIN, ItemFilter, Wanted
from serving.rollouts import loaded_release, mirroring, router
from serving.rollouts.attribution import Responses
from serving.rollouts.controller import ServeArms
from serving.rollouts.release_locator import ReleaseLocator
from serving.rollouts.router import ReleaseRouter
from serving.telemetry.metrics import ServingMetrics

PLAN: Final = Plan(weights=(0.01, 0.2), step_s=45.0, bake_s=20.0, min_samples=40, cooldown_s=0.0)
"""A shop's own plan takes more samples and longer steps: it sees more, and shows as few."""
PATIENT: Final = replace(PLAN, step_s=600.0)
"""In shadow each shopper has come again, as purchases need to judge lists; steps last as long."""
REQUESTS_S: Final = 20.0
LOOK_S: Final = 5.0
WINDOW_S: Final = 20.0
"""Time of a list to be followed by a click."""
LENGTH: Final = 10
EXPLAINED: Final = 4
"""One shopper in so many asks for reasons."""
FILTERED: Final = 8
"""One request in so many is for items of one category."""
MOST_EXPOSED: Final = 0.01
"""Share of shoppers who may have seen a bad release when it is caught."""
LONGEST_S: Final = 3_600.0
"""Simulated seconds after which nothing is waited for any longer."""
ENDED: Final = frozenset({Phase.ROLLED_BACK, Phase.PROMOTED, Phase.PAUSED, Phase.INCONCLUSIVE})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one rollout."""

    phase: str
    """The last one; ``step`` where it had been seen by too many, and nobody looked on."""
    caught_by: str
    """``preflight``, or the signal that spoke against it; empty: nothing."""
    why: str
    where: str
    """In which phase it was caught, or how far it came."""
    requests: int
    """Of shoppers, from the start of the rollout on."""
    seconds: float
    """Simulated, at REQUESTS_S."""
    exposed: int
    """Shoppers who were shown a list of it."""
    shoppers: int
    """Who might have been."""
    failed: int
    """Requests of shoppers that had no answer."""

    @property
    def in_time(self) -> bool:
        """Whether it was caught before too many had seen it."""
        share = self.exposed / self.shoppers
        return self.phase == Phase.ROLLED_BACK and share < MOST_EXPOSED

    def as_json(self) -> dict[str, Any]:
        """Make plain values."""
        return asdict(self)


class RouterArms(ServeArms):
    """Arms of one router in this process: told directly, where the real ones tell Ray Serve."""

    def __init__(
        self,
        folder: Path,
        locator: ReleaseLocator,
        router: ReleaseRouter,
        responses: Responses,
        clock: Callable[[], float],
    ):
        # Of the rollout's own time: by the machine's, replicas are silent where a look is long.
        super().__init__(folder, locator, "none", clock=clock)
        self._router, self._responses = router, responses

    def apply(self, target: Target) -> None:
        """Have the router take it, and wait until it has."""
        live = self._locator.live(target)
        if live == self._applied:
            return
        self._router.adopt(live)
        self._responses.adopt(live)
        self._applied = live
        until = time.monotonic() + 60.0
        while time.monotonic() < until:
            arms = self._router._releases.now()
            there = arms.canary.ref if arms.canary else arms.broken
            if there == live.canary:
                return
            time.sleep(0.005)
        raise UnavailableError("the router did not load the canary within 60 s")


@dataclass(frozen=True, slots=True)
class RegistryMetrics:
    """Counts as the app's endpoint exports them, read without HTTP."""

    metrics: ServingMetrics
    clock: Any

    def totals(self, target: Target) -> tuple[MetricsStatus, Mapping[str, Totals]]:  # noqa: ARG002
        """See ``controller.MetricsSource``."""
        families = text_string_to_metric_families(self.metrics.expose().decode())
        samples = [MetricSample(s.name, s.labels, s.value) for f in families for s in f.samples]
        return read(samples, self.clock(), by_instance=False)


class TriedRollout:
    """A rollout from its start to its end, or until it has been seen by too many."""

    def __init__(
        self,
        shop: Shop,
        candidate: ReleaseRef,
        folder: Path,
        follow: bool,
        plan: Plan = PLAN,
        seed: int = 0,
    ) -> None:
        """Serve the live release, and have the candidate's rollout begin with the first look.

        Args:
            shop: Whose shoppers ask.
            candidate: The release.
            folder: A new one for what the controller writes.
            follow: Whether to go on to the end, however many see it.
            plan: By which it is rolled out.
            seed: Of who comes when.
        """
        # Features change as shoppers do things; the next rollout begins where this one did.
        shop = replace(shop, features=replace(shop.features, recent=dict(shop.features.recent)))
        self._shop, self._follow, self._rng = shop, follow, np.random.default_rng(seed)
        self._coming = {user: list(reversed(events)) for user, events in shop.coming.items()}
        self._now = time.time()
        self._began = self._now
        self._metrics = ServingMetrics()
        replicas = folder / "replicas"
        replicas.mkdir(parents=True)
        live = ReleaseRef(shop.release.digest, shop.folder)
        self._router = ReleaseRouter(
            shop.features,
            self._metrics,
            window_s=WINDOW_S,
            state=str(replicas),
            encoders=QueryEncoders("none"),
        )
        self._responses = Responses(WINDOW_S, self._metrics.arms)
        self._router.adopt(Live(live))
        if Path(candidate.folder).name == OLD_CATALOGUE:
            self._sell_out()
        self._responses.adopt(Live(live))
        locator = ReleaseLocator(str(Path(candidate.folder).parent), live)
        locator._found[candidate.digest] = candidate
        self._written = FileRolloutStore(folder / "rollouts")
        self._written.write(State(stable=live.digest), 0)
        self._controller = Controller(
            self._written,
            RegistryMetrics(self._metrics, lambda: self._now),
            RouterArms(replicas, locator, self._router, self._responses, lambda: self._now),
            lambda: self._now,
        )
        self._written.command(
            Command("start", Verb.START, "benchmark", "to see", candidate.digest, plan)
        )
        self._requests = self._failed = self._asked = 0
        told = shop.release.catalogue.column("category").to_pylist()
        self._categories = sorted({one for one in told if one})
        self._exposed: set[str] = set()
        self._answers: list[tuple[str, list[str], str]] = []

    def run(self) -> Verdict:
        """Answer shoppers and look, in turns, until it is over."""
        clock = SimpleNamespace(time=lambda: self._now, perf_counter=time.perf_counter)
        with (
            patch.object(loaded_release, "ListMaker", SpoiltMaker),
            patch.object(router, "time", clock),
            patch.object(mirroring, "time", clock),
        ):
            while True:
                self._router.beat(self._now)
                self._responses.mature(self._now)
                self._controller.turn()
                state = self._written.read()[0]
                over = self._now - self._began > LONGEST_S or (
                    not self._follow
                    and len(self._exposed) >= MOST_EXPOSED * len(self._shop.user_ids)
                )
                if state.phase in ENDED or state.phase is Phase.ROLLING_BACK or over:
                    return self._verdict(state)
                came = self._who_comes(state.target)
                asyncio.run(self._serve(came))
                self._click()
                self._live_on({self._shop.user_ids[place] for place in came})
                self._now += LOOK_S

    def _who_comes(self, target: Target) -> list[int]:
        """Draw who comes until the next look, and leave out most of those on stable in a step.

        A comparison of two arms knows how many answers each gave, so it holds at any share; a list
        of somebody on stable costs as long as one of the canary, and there are a hundred of them.
        """
        people: list[int] = self._rng.choice(
            len(self._shop.user_ids), int(REQUESTS_S * LOOK_S), p=self._shop.weight
        ).tolist()
        self._requests += len(people)
        if not target.canary or target.mirrored:
            return people
        on_canary = [bucket(self._shop.user_ids[p], target.canary) < target.weight for p in people]
        room = sum(on_canary) + 1
        asked = []
        for place, new in zip(people, on_canary, strict=True):
            if new or room:
                asked.append(place)
                room -= not new
        return asked

    async def _serve(self, people: Sequence[int]) -> None:
        for place in people:
            user_id = self._shop.user_ids[place]
            try:
                explain = place % EXPLAINED == 0
                arm, listed = await self._router.answer(user_id, LENGTH, explain, self._wanted())
            except Exception:
                self._failed += 1
                continue
            if arm == "canary":
                self._exposed.add(user_id)
            if place < self._shop.known:
                ids = [one.item.item_id for one in listed.items]
                self._answers.append((user_id, ids, str(listed.list_id)))
            # Waited for without looking on: a loop that polls takes its time from the canary's.
            if self._router._mirror._mirrors:
                await asyncio.wait(self._router._mirror._mirrors)

    def _wanted(self) -> Wanted:
        """Draw what is asked for: a list of everything, or of one category now and then."""
        self._asked += 1
        if self._asked % FILTERED:
            return PLAIN
        category = self._categories[self._asked // FILTERED % len(self._categories)]
        return Wanted(ItemFilter(categories=(category,)))

    def _click(self) -> None:
        """Have shoppers answer their lists as their tastes say."""
        if not self._answers:
            return
        users, lists, list_ids = (list(part) for part in zip(*self._answers, strict=True))
        known = set(self._shop.world.item_ids.tolist())
        lists = [[i for i in ids if i in known] for ids in lists]
        rows = self._shop.world.answer(users, lists, self._rng).to_pylist()
        made = {
            (user, item): list_id
            for user, ids, list_id in zip(users, lists, list_ids, strict=True)
            for item in ids
        }
        events = [
            Event(str(n), row["user_id"], row["item_id"], EventKind(row["event"]), 0, list_id=found)
            for n, row in enumerate(rows)
            if (found := made.get((row["user_id"], row["item_id"])))
        ]
        self._responses.note(events, self._now)
        self._answers.clear()

    def _sell_out(self) -> None:
        """Tell stable alone that items sold out: the canary does not hear of it."""
        ids = self._shop.release.items.ids.to_pylist()
        gone = self._rng.choice(ids, int(SOLD_OUT * len(ids)), replace=False)
        state = {"available": (False, 0, "sold out")}
        self._router.stable.items.change({str(item_id): state for item_id in gone})

    def _live_on(self, user_ids: Iterable[str]) -> None:
        """Have who came go on as they really did: see ``live_on``."""
        for user_id in user_ids:
            live_on(self._shop.features, self._coming, user_id, self._now)

    def _verdict(self, state: State) -> Verdict:
        history = self._written.history()
        last = history[-1]
        against = next((one for one in history if one.after is Phase.ROLLING_BACK), None)
        caught_by = "" if against is None else _cause(against)
        weight = state.plan.weights[against.step] if against else state.target.weight
        where = _place(against.before if against else state.active, weight)
        phase = Phase.ROLLED_BACK if against else state.phase
        return Verdict(
            phase.value,
            caught_by,
            (against or last).why,
            where,
            self._requests,
            round(self._now - self._began, 1),
            len(self._exposed),
            len(self._shop.user_ids),
            self._failed,
        )


def _cause(line: Transition) -> str:
    return line.signal if line.cause is TransitionCause.SIGNAL else str(line.cause)


def _place(phase: Phase, weight: float) -> str:
    return f"{phase.value} of {weight:.0%}" if phase is Phase.STEP else phase.value
