"""The canary's lists beside those that shoppers get: made, compared, and thrown away."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from serving.lists.list_maker import ListMaker
from serving.rollouts.list_checks import TOO_SHORT
from serving.rollouts.list_request import ListRequest
from serving.rollouts.loaded_arms import LoadedArms
from serving.rollouts.pairs import TimedList, pair_side
from serving.rollouts.purchases import longer_lists
from serving.rollouts.workers import COMPARED_WITHIN_S, THREADS, ArmWorkers, DismissedError
from serving.schemas import RecommendationList
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

log: Final = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True)
class CanaryList:
    """A list that the canary made, and what is wrong with it."""

    answer: RecommendationList
    seconds: float
    flawed: str


AskCanary = Callable[[LoadedArms, ListRequest], Awaitable[CanaryList | None]]


class CanaryMirror:
    """Puts requests to the canary as well, while a rollout is in shadow; of one replica."""

    def __init__(self, metrics: ServingMetrics, ask: AskCanary) -> None:
        """Begin with nothing on the way.

        Args:
            metrics: Where it is counted.
            ask: Has the canary make a list; gives None where it makes none.
        """
        self._metrics, self._ask = metrics, ask
        self._mirrors: set[asyncio.Task[None]] = set()

    def put(self, arms: LoadedArms, asked: ListRequest, by_stable: TimedList) -> None:
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
        made = await self._ask(arms, asked)
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
