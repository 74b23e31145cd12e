"""A release at work on one replica: loaded, and tried."""

import gc
import logging
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.data.circle import VARIABLES
from coterie.errors import BadInputError, CoterieError
from coterie.reasons.discretion import Discretion
from coterie.recommend.recommender import ListSource
from coterie.release.bundle import Release, load_release
from coterie.release.queries import NONE, SETTING, TEXT, QueryEncoders
from coterie.rollout.live import ReleaseRef
from coterie.schema import STRENGTHS
from serving.features.online_store import FakeFeatures, Friends, OnlineFeatures, ShopperRow
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN
from serving.rollouts.list_checks import CatalogueCoverage, ListChecks, flaw, out_of_place
from serving.telemetry.logs import LOGGER
from serving.telemetry.metrics import ServingMetrics

log = logging.getLogger(LOGGER)
TRIED: Final = 24
"""Made-up shoppers of whom lists are made to see what stays behind."""
ROUNDS: Final = 3
KEPT_BYTES: Final = 4_096
"""Of memory that a list may leave behind."""
SEARCHED: Final = 20
"""Items that are searched for before a release runs."""
FOUND: Final = 0.25
"""Share of them that it has to find; a search at work finds nearly all."""


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release at work on this replica, with what is noticed of its lists."""

    ref: ReleaseRef
    maker: ListMaker
    checks: ListChecks
    coverage: CatalogueCoverage
    bits: np.ndarray
    """Of each item, -log2 of its share of all that shoppers had: how new it is to most."""


def load_arm(
    ref: ReleaseRef,
    features: OnlineFeatures | None = None,
    metrics: ServingMetrics | None = None,
    encoders: QueryEncoders | None = None,
    discretion: Discretion | None = None,
) -> LoadedRelease:
    """Read a release and make some lists of it; without ``features`` for that alone.

    Args:
        ref: Which one, and where it lies.
        features: What is known of shoppers.
        metrics: Where it is counted.
        encoders: What queries are encoded with; the default text encoder if not given.
        discretion: How much reasons tell of friends; the default if not given.

    Raises:
        BadInputError: It is damaged, not the one that was meant, cannot make a list, or its
            vectors were made by another text encoder than the one that was set.
        UnavailableError: Its store did not answer.
    """
    release = load_release(ref.folder)
    if release.digest != ref.digest:
        raise BadInputError(
            f"{ref.folder} holds release {release.digest[:12]}, expected "
            f"{ref.digest[:12]}: a release is never changed in its place"
        )
    _note_other_friends(release, discretion or Discretion())
    text_encoder = (encoders or QueryEncoders()).open(release)
    if text_encoder is None and TEXT in release.vectors:
        log.info("queries are not encoded", extra={"fields": _why_not(release)})
    try:
        maker = ListMaker(
            release,
            features or FakeFeatures(),
            metrics or ServingMetrics(),
            text_encoder,
            discretion,
        )
        arm = arm_of(ref, maker)
        warm_up(maker)
    except CoterieError:
        raise
    except Exception as error:  # whatever a bad release makes of it
        raise BadInputError(
            f"release {release.version} cannot make a list ({type(error).__name__}: {error}): "
            "do not roll it out"
        ) from error
    return arm


def _note_other_friends(release: Release, discretion: Discretion) -> None:
    """Say where lists draw on other friends than those that the release was measured with."""
    measured, served = release.manifest.metrics.get("circle"), discretion.circle.as_json()
    if measured is not None and measured != served:
        told = {"release": release.version, "measured": measured, "served": served}
        note = (
            f"its figures are not those of these lists: train with {', '.join(VARIABLES)} as here"
        )
        log.warning("lists draw on other friends", extra={"fields": told | {"note": note}})


def _why_not(release: Release) -> dict[str, str]:
    made = release.manifest.encoders[TEXT]
    return {
        "release": release.version,
        "made_by": made.encoder,
        "place": made.place,
        "note": f"search goes by words alone; {SETTING} names the encoder, {NONE} none",
    }


def arm_of(ref: ReleaseRef, maker: ListMaker) -> LoadedRelease:
    """Put what is noticed of its lists beside a loaded release."""
    popularity = np.maximum(maker.release.popularity.astype(np.float64), 0.5)
    bits = -np.log2(popularity / popularity.sum())
    coverage = CatalogueCoverage(len(popularity), maker.num_available)
    return LoadedRelease(ref, maker, ListChecks(maker.release), coverage, bits)


def check_search(maker: ListMaker) -> None:
    """Search for some items by their own titles, by words alone: an encoder may be far away.

    Raises:
        BadInputError: Hardly one of them is found.
    """
    columns = maker.catalogue.columns
    rows = [int(row) for row in np.flatnonzero(columns.available)]
    some = [maker.catalogue.item(row) for row in rows[:: max(len(rows) // SEARCHED, 1)]]
    titles = [one.title for one in some if any(map(str.isalnum, one.title))][:SEARCHED]
    nobody, found = ShopperFeatures("nobody", ShopperRow(), []), 0
    for title in titles:
        results, _ = maker.search(nobody, title, 10, False, words_alone=True)
        found += any(one.item.title == title for one in results.items)
    if found < FOUND * len(titles):
        raise BadInputError(
            f"release {maker.release.version} finds {found} of {len(titles)} items that are "
            "searched for by their own titles: do not roll it out"
        )


def check_memory(maker: ListMaker) -> None:
    """Make lists for some made-up shoppers again and again; all that stays behind adds up.

    All that Python and numpy allocate is traced meanwhile, so this is for a process in which
    nothing else is done: beside shoppers it would slow them down, and count what is theirs. The
    least of several rounds counts, since what is kept once is no leak.

    Raises:
        BadInputError: Lists leave more behind than what is remembered of a shopper may be.
    """
    try:
        kept = _kept_by_lists(maker)
    except Exception:  # lists that cannot be made are found by those who look at lists
        log.warning("it was not tried how much memory lists keep", exc_info=True)
        return
    if kept > KEPT_BYTES:
        raise BadInputError(
            f"release {maker.release.version} keeps {kept:,.0f} bytes of memory for each list "
            f"that it makes (at most {KEPT_BYTES:,}): do not roll it out"
        )


def _kept_by_lists(maker: ListMaker) -> float:
    """Measure how many bytes each list of some made-up shoppers leaves behind."""
    rng = np.random.default_rng(0)
    ids = [maker.catalogue.item_id(row) for row in range(len(maker.catalogue))]
    some = [rng.choice(ids, min(4, len(ids)), replace=False) for _ in range(TRIED if ids else 0)]
    histories = [_made_up(one) for one in some]
    friends = Friends(("a", "b"), (0.0,) * 2 * len(STRENGTHS), (True, True))
    kept, begins = [0.0], not tracemalloc.is_tracing()
    if begins:
        tracemalloc.start()
    try:
        for turn in range(ROUNDS + 1):
            before = tracemalloc.get_traced_memory()[0]
            for number, recent in enumerate(histories):
                others = [histories[number - 1], histories[number - 2]]
                name = f"nobody-{turn}-{number}"
                known = ShopperFeatures(name, ShopperRow(recent, friends), others)
                maker.make(known, 10, explain=number % 2 == 0)
            gc.collect()
            kept.append((tracemalloc.get_traced_memory()[0] - before) / TRIED)
    finally:
        if begins:
            tracemalloc.stop()
    # Of the first round indices and words are kept that all others use.
    return min(kept[2:])


def _made_up(item_ids: Iterable[str]) -> RecentList:
    some, now_ms = tuple(map(str, item_ids)), int(time.time() * 1000)
    return RecentList(some, (0,) * len(some), (now_ms,) * len(some))


def warm_up(maker: ListMaker) -> None:
    """Make a stranger's list, and one of somebody who had the first items; try the search.

    Raises:
        BadInputError: A list is flawed.
    """
    first = [maker.catalogue.item_id(row) for row in range(min(5, len(maker.catalogue)))]
    now_ms = int(time.time() * 1000)
    some = RecentList(tuple(first), (0,) * len(first), (now_ms,) * len(first))
    for recent in (RecentList(), some, some):
        known = ShopperFeatures("nobody", ShopperRow(recent), [])
        answer = maker.make(known, 10, explain=True)
        wrong = flaw(answer, 10, known, maker.num_available, explain=True) or out_of_place(
            maker, answer, known, PLAIN
        )
        if wrong:
            raise BadInputError(
                f"release {maker.release.version} makes a flawed list ({wrong}) of "
                f"{ListSource(answer.source)} items: do not roll it out"
            )
    if first:
        # Of nothing, so that no encoder is asked: an API may be slow, or not be reached from here.
        maker.search(ShopperFeatures("nobody", ShopperRow(some), []), " ", 10, explain=True)
        maker.similar(0, 10, "words")
        if maker.searcher.knows_looks:
            maker.similar(0, 10, "looks")
