"""How often ``slower_lists`` speaks against a release that is as fast as what is live.

    python -m benchmarks.slower_lists --home /tmp/shops

A copy of the live release is its canary in the app's router, in shadow. Some shoppers ask at a
time; each pair counts for the arm whose list took clearly longer. Beside it run processes that do
nothing but work, none at first and then more. Pairs are counted once as the app does, by the clock,
and once by what threads worked. Of them rollouts are drawn, which are judged after every twenty
pairs as ``coterie.rollout`` does. Figures go to
``benchmarks/results/slower_lists.json``, and from there into ``docs/rollout.md``.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.faults_shop import Shop, make_shop
from benchmarks.shadow_quality import e_values
from coterie.files import write_atomically
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.plan import Plan
from pipelines.faulty_releases.library import write_copy
from serving.lists.list_maker import ListMaker
from serving.rollouts import pairs, router
from serving.rollouts.list_checks import HARMLESS_S
from serving.rollouts.list_request import ListRequest
from serving.rollouts.pairs import PairSide, TimedList
from serving.rollouts.router import ReleaseRouter
from serving.telemetry.metrics import ServingMetrics

RESULTS: Final = Path(__file__).parent / "results" / "slower_lists.json"
SIGNAL: Final = "slower_lists"
LOADS: Final = (0, 4, 12)
"""Busy processes beside it."""
AT_ONCE: Final = 4
"""Shoppers who ask at a time."""
LENGTH: Final = 10
LOOK: Final = 20
MOST: Final = 2_000
"""Pairs of a rollout."""
Counted = npt.NDArray[np.bool_]
Seconds = npt.NDArray[np.float64]
Sides = tuple[PairSide, PairSide]
"""Lists of one request: the canary's, then stable's."""


def main(arguments: list[str] | None = None) -> None:
    """Measure at each load, write and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", metavar="FOLDER", help="where the shop is kept for next time")
    parser.add_argument("--runs", type=int, default=300, help="rollouts that are drawn")
    parser.add_argument("--shoppers", type=int, default=500)
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(Path(asked.home or folder, "shop-small"))
        digest = write_copy(shop.folder, f"{folder}/copy", "copy")
        canary = ReleaseRef(digest, f"{folder}/copy")
        for load in LOADS:
            with busy(load):
                before = os.getloadavg()[0]
                sides = asyncio.run(shadow(shop, canary, asked.shoppers))
                after = os.getloadavg()[0]
            found.append(_told(load, max(before, after), sides, asked.runs))
            Console(width=120).print(found[-1])
    content = {
        "about": "pairs of a copy and of what is live that count for one alone, and the share of "
        "rollouts that this signal alone rolls back, at its share of alpha",
        "alpha": Plan().alpha_of(SIGNAL),
        "loads": found,
        "at_once": AT_ONCE,
        "pairs_of_a_rollout": MOST,
        "runs": asked.runs,
        "command": "python -m benchmarks.slower_lists",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    write_atomically(RESULTS, json.dumps(content, indent=1) + "\n")


@contextmanager
def busy(num: int) -> Iterator[None]:
    """Have so many processes work for nothing, as nice as this one."""
    some = [multiprocessing.get_context("spawn").Process(target=_work) for _ in range(num)]
    for one in some:
        one.start()
    try:
        # Until they have begun.
        time.sleep(2.0 + 0.3 * num)
        yield
    finally:
        for one in some:
            one.kill()
            one.join()


def _work() -> None:
    while True:
        sum(range(100_000))


async def shadow(shop: Shop, canary: ReleaseRef, num: int) -> list[Sides]:
    """Have shoppers ask while the canary is in shadow, and keep the pairs."""
    kept: list[Sides] = []
    plain = pairs.Pairs.compare

    def compare(self: pairs.Pairs, one: PairSide, other: PairSide) -> dict[str, tuple[bool, bool]]:
        kept.append((one, other))
        return plain(self, one, other)

    made = ReleaseRouter(
        shop.features, ServingMetrics(), timeout_s=30.0, encoders=QueryEncoders("none")
    )
    live = ReleaseRef(shop.release.digest, shop.folder)
    made.adopt(Live(live))
    made.adopt(Live(live, canary, 0.0, mirrored=True))
    while made._releases.now().canary is None:
        await asyncio.sleep(0.01)
    people = np.random.default_rng(0).permutation(shop.known)[:num].tolist()
    with patch.object(pairs.Pairs, "compare", compare), patch.object(router, "timed", _timed):
        waiting = iter(people)
        await asyncio.gather(*(_ask(made, shop, waiting) for _ in range(AT_ONCE)))
    return kept


async def _ask(made: ReleaseRouter, shop: Shop, waiting: Iterator[int]) -> None:
    for place in waiting:
        await made.answer(shop.user_ids[place], LENGTH, explain=place % 4 == 0)
        if made._mirror._mirrors:
            await asyncio.wait(set(made._mirror._mirrors))


class Took(float):
    """Seconds by the clock, with those of them in which a thread worked."""

    work = 0.0


def _timed(maker: ListMaker, asked: ListRequest) -> Callable[[], TimedList]:
    def make() -> TimedList:
        began, cpu = time.perf_counter(), time.thread_time()
        made = maker.make(asked.known, asked.k, asked.explain, asked.wanted)
        took = Took(time.perf_counter() - began)
        took.work = time.thread_time() - cpu
        return made, took

    return make


def _told(busy: int, load: float, sides: Sequence[Sides], runs: int) -> dict[str, Any]:
    found: dict[str, Any] = {"busy": busy, "load": round(load, 1), "pairs": len(sides)}
    for name, of in _MEASURES.items():
        seconds = np.array([[of(one.seconds) for one in both] for both in sides])
        longer = np.stack([_longer(seconds[:, n], seconds[:, 1 - n]) for n in (0, 1)], axis=1)
        found[name] = {
            "longer": longer.sum(axis=0).tolist(),
            "rolled_back": rolled_back(longer, runs),
            "median_ms": np.round(1e3 * np.median(seconds, axis=0), 2).tolist(),
            "p99_ms": np.round(1e3 * np.quantile(seconds, 0.99, axis=0), 2).tolist(),
        }
    return found


_MEASURES: Final[dict[str, Callable[[Any], float]]] = {
    "clock": float,
    "work": lambda took: float(took.work),
}
"""As the app counts, and by what a thread worked alone."""


def _longer(seconds: Seconds, others: Seconds) -> Counted:
    """See ``pairs._took_longer``."""
    return np.asarray(seconds > np.maximum(pairs.SLOWER * others, others + HARMLESS_S))


def rolled_back(longer: Counted, runs: int) -> float:
    """Draw rollouts of some pairs, and give the share that this signal ends.

    Args:
        longer: Whether each arm's list of a pair took longer, the canary's first, (pairs, 2).
        runs: How many.
    """
    rng, ended = np.random.default_rng(1), 0
    looked_at = np.arange(LOOK, MOST + 1, LOOK)
    for _ in range(runs):
        drawn = longer[rng.integers(0, len(longer), MOST)].reshape(-1, LOOK, 2)
        counts = drawn.sum(axis=1).cumsum(axis=0)
        found = e_values(counts, looked_at, SIGNAL)
        ended += bool((found >= 1 / Plan().alpha_of(SIGNAL)).any())
    return ended / runs


if __name__ == "__main__":
    main(sys.argv[1:])
