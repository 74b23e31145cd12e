"""Which of a replica's releases answers whom, and what is counted of its answer.

Shoppers are shielded: where the canary raises, takes too long, or makes a flawed list, stable
answers that same request from the same features; the canary alone is blamed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from coterie.data.suppressed import Suppressed
from coterie.errors import UnavailableError
from coterie.reasons.discretion import Discretion
from coterie.recommend.recommender import ListSource
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import Live
from serving.features.live import LiveFeatures, LiveState
from serving.features.online_store import OnlineFeatures
from serving.lists.exploring import Explorer
from serving.lists.list_maker import ListMaker
from serving.lists.reasons import shares_by_kind
from serving.lists.rules_file import RulesFile
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, Wanted
from serving.rollouts.assignment import bucket
from serving.rollouts.attribution import Impressions, new_list_id
from serving.rollouts.list_checks import TOO_SHORT, flaw, out_of_place
from serving.rollouts.loaded_arms import LoadedArms, ReplicaReleases
from serving.rollouts.loaded_release import LoadedRelease
from serving.rollouts.pairs import TimedList, pair_side
from serving.rollouts.purchases import longer_lists
from serving.rollouts.searches import Searches
from serving.rollouts.workers import COMPARED_WITHIN_S, THREADS, ArmWorkers, DismissedError
from serving.schemas import RecommendationList, SearchResults
from serving.telemetry.arm_metrics import ArmName
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

MOST_WAITING: Final = 8
"""Requests of the canary at a time; more are answered by stable at once."""
log: Final = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A request, with what is known of its shopper: the same for both arms."""

    known: ShopperFeatures
    k: int
    explain: bool
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class CanaryList:
    """A list that the canary made, and what is wrong with it."""

    answer: RecommendationList
    seconds: float
    flawed: str


class ReleaseRouter:
    """Answers a replica's requests in the event loop, each by the arm that is its shopper's."""

    def __init__(
        self,
        features: OnlineFeatures,
        metrics: ServingMetrics,
        timeout_s: float = 1.0,
        window_s: float = 300.0,
        state: str = "",
        encoders: QueryEncoders | None = None,
        discretion: Discretion | None = None,
        live: LiveState | None = None,
        rules: RulesFile | None = None,
        explorer: Explorer | None = None,
    ) -> None:
        """Begin with nothing to serve, until the first ``adopt``.

        Args:
            features: What is known of shoppers.
            metrics: Where all is counted.
            timeout_s: After it stable answers in the canary's place.
            window_s: How long after a list was shown a click counts as its.
            state: Folder where replicas say what they serve; nowhere if empty.
            encoders: What queries are encoded with; the default text encoder if not given.
            discretion: How much reasons tell of friends; the default if not given.
            live: What changed since releases were made; nothing if not given.
            rules: The shop's, for lists of both arms alike; none if not given.
            explorer: Of new items, for both arms alike; nothing is explored if not given.
        """
        self.explorer = explorer or Explorer()
        self.rules_file = rules or RulesFile("", metrics)
        self._live = live
        if live is not None:
            features = LiveFeatures(features, live)
        self._metrics, self._timeout_s = metrics, timeout_s
        self._impressions = Impressions(window_s, metrics.arms)
        self._releases = ReplicaReleases(features, metrics, state, encoders, discretion, live)
        self._searches = Searches(self._releases, metrics, timeout_s)
        self._mirrors: set[asyncio.Task[None]] = set()

    @property
    def stable(self) -> ListMaker:
        """Maker of lists of the release that shoppers are on, with all changes until now.

        Raises:
            UnavailableError: The store of changes does not answer.
        """
        return self._releases.fresh().stable.maker

    @property
    def makers(self) -> list[ListMaker]:
        """Makers of lists: stable's, and the canary's if there is one."""
        arms = self._releases.fresh()
        return [arm.maker for arm in (arms.stable, arms.canary) if arm]

    @property
    def withdrawn(self) -> frozenset[str]:
        """People who withdrew their consent live, until now.

        Raises:
            UnavailableError: The store of changes does not answer.
        """
        self.refresh()
        return frozenset() if self._live is None else self._live.withdrawn

    def refresh(self) -> None:
        """Read what changed until now.

        Raises:
            UnavailableError: The store of changes does not answer.
        """
        if self._live is not None:
            self._live.refresh()

    @property
    def live(self) -> LiveState | None:
        """What changed since releases were made; None: nothing does."""
        return self._live

    @property
    def erased(self) -> Suppressed:
        """People who were erased, as far as this replica knows: within a second all of them."""
        return Suppressed() if self._live is None else self._live.erased

    def adopt(self, live: Live) -> None:
        """Serve this: at once what is loaded, the rest as soon as it is.

        Raises:
            BadInputError: This is the first call, and stable cannot be loaded.
        """
        self._releases.adopt(live)

    async def recommend(self, user_id: str, k: int, explain: bool) -> RecommendationList:
        """Make one shopper's list; raises as ``answer`` does."""
        return (await self.answer(user_id, k, explain))[1]

    async def answer(
        self, user_id: str, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> tuple[ArmName, RecommendationList]:
        """Make one shopper's list by the arm that is theirs, and say which arm made it in the end.

        Raises:
            UnavailableError: The feature store did not answer.
        """
        arms = self._releases.fresh()
        # Both arms go by the rules of this moment, or they would be judged by these.
        wanted = replace(wanted, rules=self.rules_file.rules, explorer=self.explorer)
        asked = ListRequest(arms.stable.maker.gather(user_id), k, explain, wanted)
        digest = arms.canary_digest
        if digest and bucket(user_id, digest) < arms.weight:
            made = await self._by_canary(arms, asked)
            if made is not None:
                assert arms.canary is not None
                return "canary", self._show("canary", arms.canary, asked, made)
            self._metrics.arms.shielded.inc()
        by_stable = await self._by_stable(arms, asked)
        if digest and arms.mirrored:
            self._mirror(arms, asked, by_stable)
        return "stable", self._show("stable", arms.stable, asked, by_stable[0])

    async def search(
        self, user_id: str, query: str, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> tuple[ArmName, SearchResults]:
        """Search for a shopper by the arm that is theirs, and say which one did in the end.

        Raises:
            UnavailableError: The feature store did not answer, or there are too many searches.
        """
        return await self._searches.answer(user_id, query, k, explain, wanted)

    def beat(self, now: float | None = None) -> None:
        """Say that this replica lives, and count lists whose time is over; once a second."""
        now = time.time() if now is None else now
        self._metrics.arms.heartbeat.set(now)
        self.rules_file.look()
        self._impressions.mature(now)
        self._releases.tell(now)
        with contextlib.suppress(UnavailableError):  # the next request will say so
            self._releases.fresh()

    async def _by_stable(self, arms: LoadedArms, asked: ListRequest) -> TimedList:
        make = _timed(arms.stable.maker, asked)
        try:
            try:
                made = await arms.stable_workers.run(make, None) if arms.stable_workers else make()
            except DismissedError:
                made = make()
        except Exception:
            self._metrics.arms.count_answer("stable", 0.0, ["failures"])
            raise
        arms.latency.note(made[1])
        self._count("stable", arms, arms.stable, asked, made)
        return made

    async def _by_canary(self, arms: LoadedArms, asked: ListRequest) -> RecommendationList | None:
        """Ask the canary; None where stable has to answer: why is counted and logged."""
        made = await self._canary_list(arms, asked)
        return None if made is None or made.flawed else made.answer

    async def _canary_list(self, arms: LoadedArms, asked: ListRequest) -> CanaryList | None:
        """Have the canary make a list; None where it makes none."""
        canary, workers = arms.canary, arms.canary_workers
        if canary is None or workers is None or workers.waiting >= MOST_WAITING:
            self._metrics.arms.count_answer("canary", self._timeout_s, ["failures"])
            return None
        began = time.perf_counter()
        try:
            made = await workers.run(_timed(canary.maker, asked), self._timeout_s)
        except DismissedError:
            return None
        except Exception as error:  # whatever a bad release makes of it
            self._metrics.arms.count_answer("canary", time.perf_counter() - began, ["failures"])
            log.warning(
                "the canary failed",
                exc_info=error,
                extra={"fields": {"arm": "canary", "release": canary.maker.release.version}},
            )
            return None
        return CanaryList(made[0], made[1], self._count("canary", arms, canary, asked, made))

    def _count(
        self,
        name: ArmName,
        arms: LoadedArms,
        arm: LoadedRelease,
        asked: ListRequest,
        made: TimedList,
    ) -> str:
        """Count one answer; return what is wrong with it, or an empty text."""
        found, seconds = made
        mask = arm.maker.catalogue.allowed(asked.wanted)
        allowed = arm.maker.items.num_allowed(asked.wanted, mask)
        beside = arms.stable.maker.items.num_allowed(asked.wanted) if name == "canary" else 0
        told = asked.known, allowed, beside, asked.explain, asked.wanted
        flawed = flaw(found, asked.k, *told) or out_of_place(
            arm.maker, found, asked.known, asked.wanted, mask
        )
        signals = ["malformed"] if flawed else _signals(arm, found, asked.wanted)
        if "score_out_of_range" in signals and not arms.comparable:
            signals.remove("score_out_of_range")
        if arms.latency.slow(seconds):
            signals.append("slow")
        self._metrics.arms.count_answer(name, seconds, signals)
        if asked.known.is_stranger:
            self._metrics.arms.count_stranger(name)
        return flawed

    def _mirror(self, arms: LoadedArms, asked: ListRequest, by_stable: TimedList) -> None:
        """Put a request to the canary as well; its answer is counted, compared and thrown away."""
        shown = [one.item.item_id for one in by_stable[0].items]
        arms.purchases.note_shown(asked.known.user_id, shown)
        if arms.canary_workers is not None and arms.canary_workers.waiting >= THREADS:
            self._metrics.arms.unmirrored.inc()
            return
        task = asyncio.ensure_future(self._mirrored(arms, asked, by_stable))
        self._mirrors.add(task)  # the loop alone would forget it
        task.add_done_callback(self._mirrors.discard)

    async def _mirrored(self, arms: LoadedArms, asked: ListRequest, by_stable: TimedList) -> None:
        made = await self._canary_list(arms, asked)
        if made is None or made.flawed not in ("", TOO_SHORT) or not asked.wanted.plain:
            return
        workers = arms.canary_workers
        if arms.canary is None or workers is None:
            return
        makers = arms.canary.maker, arms.stable.maker
        both = (made.answer, made.seconds), by_stable
        try:
            await self._compare(arms, workers, makers, asked, both)
            await self._hold_against_purchases(arms, workers, makers, asked, by_stable[0])
        except DismissedError:
            return
        except Exception as error:  # whatever a bad release makes of it
            log.warning("the canary's list could not be compared", exc_info=error)

    async def _compare(
        self,
        arms: LoadedArms,
        workers: ArmWorkers,
        makers: tuple[ListMaker, ListMaker],
        asked: ListRequest,
        lists: tuple[TimedList, TimedList],
    ) -> None:
        """Count what is noticed of the canary's list and stable's, once a shopper."""
        if not arms.pairs.take(asked.known.user_id):
            return
        both = list(zip(makers, lists, strict=True))
        sides = await workers.run(
            lambda: [pair_side(maker, one, asked.known, s) for maker, (one, s) in both],
            COMPARED_WITHIN_S,
        )
        for signal, (by_canary, beside) in arms.pairs.compare(*sides).items():
            self._metrics.arms.count_pair(signal, by_canary, beside)

    async def _hold_against_purchases(
        self,
        arms: LoadedArms,
        workers: ArmWorkers,
        makers: tuple[ListMaker, ListMaker],
        asked: ListRequest,
        by_stable: RecommendationList,
    ) -> None:
        """Judge earlier lists by what was bought since, or keep what both arms would list next."""
        user_id = asked.known.user_id
        shown = [one.item.item_id for one in by_stable.items]
        first = arms.purchases.first_wanted(asked.known)
        if first is not None:
            elsewhere = await workers.run(
                lambda: first.shown_elsewhere(makers[1], asked.k, asked.wanted), COMPARED_WITHIN_S
            )
            judged = arms.purchases.judge(user_id, first, elsewhere)
            if judged is not None:
                self._metrics.arms.count_pair("missed_purchases", *judged)
        elif arms.purchases.wants(user_id):
            made_ms = int(time.time() * 1000)
            ids = await workers.run(
                lambda: longer_lists(makers, asked.known, asked.k, asked.wanted), COMPARED_WITHIN_S
            )
            arms.purchases.keep(user_id, made_ms, shown, *ids)

    def _show(
        self, name: ArmName, arm: LoadedRelease, asked: ListRequest, answer: RecommendationList
    ) -> RecommendationList:
        """Give a list that goes to its shopper an id, and count what it shows."""
        now = time.time()
        answer.list_id = new_list_id(arm.ref.digest, now)
        self._impressions.note(name, now)
        reasons = [r for item in answer.items for r in item.reasons or ()]
        if reasons and asked.known.has_friends:
            self._metrics.lists.befriended.inc()
        self._metrics.lists.count_list(answer.source, len(answer.items), shares_by_kind(reasons))
        rows = arm.maker.catalogue.rows([item.item.item_id for item in answer.items])
        self.explorer.note_shown(one.item.item_id for one in answer.items)
        self._metrics.lists.explored.inc(sum(one.explored is True for one in answer.items))
        # What is newer than the release counts in neither: nobody could have had it.
        rows = [row for row in rows if row < len(arm.bits)]
        self._metrics.lists.novelty.inc(float(arm.bits[rows].sum()))
        self._metrics.lists.coverage.set(arm.coverage.note(rows))
        tenth = arm.checks.tenth(answer) if asked.wanted.plain else None
        if tenth is not None:
            self._metrics.lists.count_best_score(tenth)
        if asked.known.row.recent.ts_ms:
            age = now - max(asked.known.row.recent.ts_ms) / 1000
            self._metrics.lists.feature_age.observe(max(age, 0.0))
        return answer


def _signals(arm: LoadedRelease, answer: RecommendationList, wanted: Wanted) -> list[str]:
    """Name the signals that count a list.

    One that was filtered, goes on, or is of a product page has another best score than lists had
    offline, and is easily somebody else's too: that says nothing of a release.
    """
    if wanted.plain:
        return arm.checks.signals(answer)
    return ["fallbacks"] if answer.source is ListSource.POPULAR else []


def _timed(maker: ListMaker, asked: ListRequest) -> Callable[[], TimedList]:
    def make() -> TimedList:
        began = time.perf_counter()
        made = maker.make(asked.known, asked.k, asked.explain, asked.wanted)
        return made, time.perf_counter() - began

    return make
