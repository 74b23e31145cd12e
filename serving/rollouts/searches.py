"""Searches, each by the arm that is its shopper's, in threads of their own.

A search takes longer than a list, and may wait for an encoder elsewhere, so it is never made in the
event loop. Shoppers are shielded as for lists; what a search did is no evidence for a rollout.
"""

import logging
from collections.abc import Callable
from typing import Final

from coterie.errors import UnavailableError
from coterie.experiments.assignment import bucket
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, Wanted
from serving.rollouts.loaded_arms import ReplicaReleases
from serving.rollouts.workers import ArmWorkers, DismissedError
from serving.schemas import SearchResults
from serving.telemetry.arm_metrics import ArmName
from serving.telemetry.instruments import SearchOutcome
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

MOST_WAITING: Final = 16
"""Searches of a replica at a time; more are answered with 503 at once."""
TIMEOUT_S: Final = 5.0
"""After it a search is given up, and answered with 503."""
log: Final = logging.getLogger(LOGGER)
Answer = tuple[SearchResults, bool]


class Searches:
    """Answers a replica's searches."""

    def __init__(
        self, releases: ReplicaReleases, metrics: ServingMetrics, canary_timeout_s: float
    ) -> None:
        """Search what ``releases`` has at each moment.

        Args:
            releases: Of the replica.
            metrics: Where searches are counted.
            canary_timeout_s: After it stable answers in the canary's place.
        """
        self._releases, self._metrics = releases, metrics
        self._canary_timeout_s = canary_timeout_s
        self._workers = ArmWorkers("search")

    async def answer(
        self, user_id: str, query: str, k: int, explain: bool, wanted: Wanted = PLAIN
    ) -> tuple[ArmName, SearchResults]:
        """Search for a shopper, and say which arm did in the end.

        Raises:
            UnavailableError: The feature store did not answer, or there are too many searches.
        """
        try:
            with self._metrics.search.timed("all"):
                arm, (results, left_out), shielded = await self._answer(
                    user_id, query, k, explain, wanted
                )
        except Exception:
            self._metrics.search.count("failed")
            raise
        outcome: SearchOutcome = "found" if results.items else "nothing"
        if shielded or left_out:
            outcome = "shielded" if shielded else "words_alone"
        self._metrics.search.count(outcome)
        return arm, results

    async def _answer(
        self, user_id: str, query: str, k: int, explain: bool, wanted: Wanted
    ) -> tuple[ArmName, Answer, bool]:
        if self._workers.waiting >= MOST_WAITING:
            raise UnavailableError(f"{self._workers.waiting} searches are waiting: try again later")
        arms = self._releases.fresh()
        known = arms.stable.maker.gather(user_id)
        digest = arms.canary_digest
        shielded = bool(digest) and bucket(user_id, digest) < arms.weight
        if shielded and arms.canary is not None and arms.canary_workers is not None:
            search = _of(arms.canary.maker, known, query, k, explain, wanted)
            found = await self._by_canary(arms.canary_workers, search)
            if found is not None:
                return "canary", found, False
        search = _of(arms.stable.maker, known, query, k, explain, wanted)
        try:
            return "stable", await self._workers.run(search, TIMEOUT_S), shielded
        except TimeoutError as error:
            raise UnavailableError(
                f"a search took over {TIMEOUT_S:g} s: try again later"
            ) from error

    async def _by_canary(self, workers: ArmWorkers, search: Callable[[], Answer]) -> Answer | None:
        """Ask the canary; None where stable has to answer."""
        if workers.waiting >= MOST_WAITING:
            return None
        try:
            found: Answer = await workers.run(search, self._canary_timeout_s)
        except DismissedError:
            return None
        except Exception as error:  # whatever a bad release makes of it
            # Without the error's text, which may repeat what was searched for.
            log.warning(
                "the canary failed to search",
                extra={"fields": {"arm": "canary", "error": type(error).__name__}},
            )
            return None
        return found


def _of(
    maker: ListMaker, known: ShopperFeatures, query: str, k: int, explain: bool, wanted: Wanted
) -> Callable[[], Answer]:
    return lambda: maker.search(known, query, k, explain, wanted)
