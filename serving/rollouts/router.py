"""Which of a replica's releases answers whom, and what is counted of its answer.

Shoppers are shielded: where the canary raises, takes too long, or makes a flawed list, stable
answers that same request from the same features; the canary alone is blamed.
"""

import contextlib
import logging
import time
from dataclasses import replace
from typing import Final, Literal

from coterie.data.suppressed import Suppressed
from coterie.errors import UnavailableError
from coterie.experiments.assignment import bucket
from coterie.experiments.store import ExperimentStore
from coterie.reasons.discretion import Discretion
from coterie.recommend.recommender import ListSource
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import Live
from serving.features.live import LiveFeatures, LiveState
from serving.features.online_store import OnlineFeatures, ShopperRow
from serving.ingestion.impression_writer import ImpressionWriter
from serving.lists.exploring import Explorer
from serving.lists.list_maker import ListMaker
from serving.lists.rules_file import RulesFile
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, Wanted
from serving.rollouts.attribution import Impressions
from serving.rollouts.experiment_arms import Assigned, ExperimentArms
from serving.rollouts.interleaved import Side, all_timed, interleaved
from serving.rollouts.list_checks import flaw, out_of_place
from serving.rollouts.list_request import ListRequest, timed
from serving.rollouts.loaded_arms import LoadedArms, ReplicaReleases
from serving.rollouts.loaded_release import LoadedRelease
from serving.rollouts.mirroring import CanaryList, CanaryMirror
from serving.rollouts.pairs import TimedList
from serving.rollouts.searches import Searches
from serving.rollouts.showing import ListDelivery, ServedList
from serving.rollouts.workers import DismissedError
from serving.schemas import RecommendationList, SearchResults
from serving.telemetry.arm_metrics import ArmName
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

MOST_WAITING: Final = 8
"""Requests of the canary at a time, or of experiments' releases; more are answered by stable."""
AnsweredBy = ArmName | Literal["experiment"]
log: Final = logging.getLogger(LOGGER)


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
        writer: ImpressionWriter | None = None,
        experiments: ExperimentStore | None = None,
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
            writer: Keeps what lists show; nothing is kept if not given.
            experiments: Where they are written down; there are none if not given.
        """
        self.explorer = explorer or Explorer()
        self.rules_file = rules or RulesFile("", metrics)
        self._live = live
        if live is not None:
            features = LiveFeatures(features, live)
        self._metrics, self._timeout_s = metrics, timeout_s
        self._impressions = Impressions(window_s, metrics.arms)
        self._delivery = ListDelivery(self._impressions, metrics, writer)
        self._releases = ReplicaReleases(features, metrics, state, encoders, discretion, live)
        self._searches = Searches(self._releases, metrics, timeout_s)
        self._mirror = CanaryMirror(metrics, self._canary_list)
        self.experiments = ExperimentArms(experiments, features, self._releases.load_beside)

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
    ) -> tuple[AnsweredBy, RecommendationList]:
        """Make one shopper's list by the arm that is theirs, and say which arm made it in the end.

        Raises:
            UnavailableError: The feature store did not answer.
        """
        arms = self._releases.fresh(self.experiments.running.releases.values())
        assigned = self.experiments.assign(user_id)
        # Both arms go by the rules of this moment, or they would be judged by these.
        rules = assigned.rules or self.rules_file.rules
        wanted = replace(wanted, rules=rules, explorer=self.explorer)
        asked = ListRequest(arms.stable.maker.gather(user_id), k, explain, wanted)
        # What an experiment has made apart is no matter of a rollout: neither is it counted there,
        # nor does the canary's weight reach those shoppers.
        apart = assigned.apart
        if apart:
            shown = await self._by_experiment(arms, assigned, asked)
            if shown is not None:
                return "experiment", shown
            self._metrics.experiments.shielded.inc()
        digest = arms.canary_digest
        if digest and not apart and bucket(user_id, digest) < arms.weight:
            made = await self._canary_list(arms, asked)
            if made is not None and not made.flawed:
                assert arms.canary is not None
                served = ServedList(made.answer, made.seconds, "canary", assigned)
                return "canary", self._delivery.show(served, arms.canary, asked)
            self._metrics.arms.shielded.inc()
        by_stable = await self._by_stable(arms, asked)
        if digest and arms.mirrored:
            self._mirror.put(arms, asked, by_stable)
        served = ServedList(*by_stable, "stable", assigned, shielded=apart)
        return "stable", self._delivery.show(served, arms.stable, asked)

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
        make = timed(arms.stable.maker, asked)
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

    async def _by_experiment(
        self, arms: LoadedArms, assigned: Assigned, asked: ListRequest
    ) -> RecommendationList | None:
        """Make the list of an experiment's arm, apart from any rollout; None where stable has to:
        the arm is blamed."""
        workers = self.experiments.workers
        sides = [self._side(arms, one, asked) for one in assigned.sides or (assigned,)]
        if workers.waiting >= MOST_WAITING:
            return None
        there = [one for one in sides if one is not None]
        if len(there) < len(sides):
            return None
        try:
            made = await workers.run(all_timed(there), self._timeout_s)
        except Exception as error:  # whatever a bad release makes of it
            fields = {"experiment": assigned.experiments, "arm": assigned.arms}
            log.warning("an experiment's arm failed", exc_info=error, extra={"fields": fields})
            return None
        for side, (answer, _) in zip(there, made, strict=True):
            beside = None if side.by is arms.stable else arms.stable
            if _flaw(side.by, side.asked, answer, beside):
                return None
        if assigned.sides:
            served = interleaved(made, assigned, asked)
        else:
            answer, seconds = made[0]
            served = ServedList(answer, seconds, None, assigned)
        return self._delivery.show(served, there[0].by, asked)

    def _side(self, arms: LoadedArms, arm: Assigned, asked: ListRequest) -> Side | None:
        """Say what makes an arm's list, and what it is asked; None: its release is not there."""
        by: LoadedRelease | None = arms.stable
        if arm.digest:
            by = self.experiments.running.releases.get(arm.digest)
        rules = arm.rules or self.rules_file.rules
        asked = replace(asked, wanted=replace(asked.wanted, rules=rules))
        if arm.popular:
            asked = of_nobody(asked)
        return None if by is None else Side(by, asked)

    async def _canary_list(self, arms: LoadedArms, asked: ListRequest) -> CanaryList | None:
        """Have the canary make a list; None where it makes none."""
        canary, workers = arms.canary, arms.canary_workers
        if canary is None or workers is None or workers.waiting >= MOST_WAITING:
            self._metrics.arms.count_answer("canary", self._timeout_s, ["failures"])
            return None
        began = time.perf_counter()
        try:
            made = await workers.run(timed(canary.maker, asked), self._timeout_s)
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
        flawed = _flaw(arm, asked, found, arms.stable if name == "canary" else None)
        signals = ["malformed"] if flawed else _signals(arm, found, asked.wanted)
        if "score_out_of_range" in signals and not arms.comparable:
            signals.remove("score_out_of_range")
        if arms.latency.slow(seconds):
            signals.append("slow")
        self._metrics.arms.count_answer(name, seconds, signals)
        if asked.known.is_stranger:
            self._metrics.arms.count_stranger(name)
        return flawed


def _signals(arm: LoadedRelease, answer: RecommendationList, wanted: Wanted) -> list[str]:
    """Name the signals that count a list.

    One that was filtered, goes on, or is of a product page has another best score than lists had
    offline, and is easily somebody else's too: that says nothing of a release.
    """
    if wanted.plain:
        return arm.checks.signals(answer)
    return ["fallbacks"] if answer.source is ListSource.POPULAR else []


def _flaw(
    arm: LoadedRelease,
    asked: ListRequest,
    found: RecommendationList,
    beside: LoadedRelease | None,
) -> str:
    """Say what is wrong with a list; what ``beside`` may list, an arm is to know as well."""
    mask = arm.maker.catalogue.allowed(asked.wanted)
    allowed = arm.maker.items.num_allowed(asked.wanted, mask)
    others = beside.maker.items.num_allowed(asked.wanted) if beside else 0
    told = asked.known, allowed, others, asked.explain, asked.wanted
    return flaw(found, asked.k, *told) or out_of_place(
        arm.maker, found, asked.known, asked.wanted, mask
    )


def of_nobody(asked: ListRequest) -> ListRequest:
    """Ask for what a stranger would get, without what this shopper had."""
    recent = asked.known.row.recent
    had = (*asked.wanted.filter.exclude, *recent.item_ids, *recent.had_ids)
    filtered = replace(asked.wanted.filter, exclude=had)
    known = ShopperFeatures(asked.known.user_id, ShopperRow(), [])
    return replace(asked, known=known, wanted=replace(asked.wanted, filter=filtered))
