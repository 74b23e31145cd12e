"""What a release would have earned in the place of the lists that were shown."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Dataset, Ints, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.repurchase import RepurchaseSetting
from coterie.data.splits import choose
from coterie.errors import BadInputError
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.protocols import rank
from coterie.files import write_atomically
from coterie.impressions.table import read_impressions
from coterie.models import Model
from coterie.offpolicy.estimators import (
    EstimateSettings,
    Estimator,
    ValueEstimate,
    estimate_value,
    shown_value,
)
from coterie.offpolicy.impressions import HOUR_MS, REWARDS, ShownItems, followed, lists_of
from coterie.offpolicy.logged import LoggedLists, Matrix
from coterie.offpolicy.rewards import RewardModel
from coterie.offpolicy.targets import conditional_probability, expected_under
from coterie.offpolicy.weights import ListModel
from coterie.progress import Progress, silent
from coterie.release.bundle import Release, load_release
from coterie.release.offline import OfflineLists
from coterie.schema import EventKind

OFF_POLICY: Final = "off_policy.json"
_DAY_MS: Final = 86_400_000
Ranking = Callable[[Dataset, int, list[str], int], tuple[pa.Array, Ints, Matrix]]
"""Ranks for shoppers, by what was known before a moment: of dataset, milliseconds since 1970, ids
of n shoppers and a length m, gives ids of items, rows in them of shape (n, m), and scores."""


@dataclass(frozen=True, slots=True)
class OffPolicySettings:
    """How a release is judged by a log."""

    reward: EventKind = EventKind.CLICK
    """What a place earns 1 by, within ``hours``."""
    hours: float = 24.0
    surface: str = "home"
    places: int = 10
    """How many places from the top are looked at."""
    temperature: float = 0.0
    """Of the candidate: 0 shows its best items in order; above, each place is drawn by odds
    exp(score / temperature)."""
    pool: int = 20
    """How many of its best items a candidate draws from, where it draws."""
    estimate: EstimateSettings = field(default_factory=EstimateSettings)

    def __post_init__(self) -> None:
        if self.reward not in REWARDS:
            raise BadInputError(
                f"a list is judged by one of {', '.join(REWARDS)}, not by {self.reward}"
            )
        if self.hours <= 0 or self.places < 1 or self.pool < self.places:
            raise BadInputError(
                f"at least one place, a window over 0 hours and a pool of as many items as places "
                f"are needed, not {self.places} places, {self.hours:g} hours, {self.pool} items"
            )


@dataclass(frozen=True, slots=True)
class OffPolicyReport:
    """What a candidate would have earned, as estimated, beside what was earned."""

    candidate: str
    reward: str
    num_lists: int
    num_shoppers: int
    dropped: int
    """Lists left out: later pages, gaps, or of before the candidate's data end."""
    shown: tuple[float, float, float]
    """What the shown lists earned, mean over lists, and its interval."""
    chosen: str
    """The estimate that was asked for, a key of ``estimates``."""
    estimates: dict[str, ValueEstimate]
    """By list model and estimator, as ``cascade snips``."""
    refused: dict[str, str]
    """Why the others cannot be made, by list model."""

    @property
    def best(self) -> ValueEstimate:
        """The estimate that was asked for."""
        return self.estimates[self.chosen]

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


def off_policy(
    clean: str,
    log: str,
    candidate: str,
    out: str,
    settings: OffPolicySettings | None = None,
    progress: Progress = silent,
) -> OffPolicyReport:
    """Estimate what a release's lists would have earned where a log's lists were shown.

    Args:
        clean: Folder that ``ingest`` wrote: what shoppers did before the lists, and after.
        log: Folder of impressions.
        candidate: Folder of the release.
        out: Folder for ``off_policy.json``.
        settings: How.
        progress: Called day by day of the log.

    Raises:
        BadInputError: The log tells too little of the release, holds no such lists, or the release
            was fitted on what it is to be judged by.
        UnavailableError: A store did not answer.
    """
    settings = settings or OffPolicySettings()
    dataset, release = load_dataset(clean), load_release(candidate)
    shown = lists_of(read_impressions(log), settings.places, settings.surface)
    if release.manifest.data_fingerprint == dataset.fingerprint:
        shown = after_training(dataset, shown)
    logged = hold_against(dataset, shown, ranking_of(release), settings, progress)
    report = judge_policy(logged, settings, release.version, shown.dropped)
    write_atomically(Path(out, OFF_POLICY), report.to_json())
    return report


def gain_of(
    release: Release, dataset: Dataset, log: str, settings: OffPolicySettings | None = None
) -> ValueEstimate:
    """Estimate what a release of these very data gains over the lists that were shown.

    Only lists count that were shown after its training and validation part.

    Raises:
        BadInputError: There are none, or the log tells too little of the release.
    """
    settings = settings or OffPolicySettings()
    shown = lists_of(read_impressions(log), settings.places, settings.surface)
    logged = hold_against(dataset, after_training(dataset, shown), ranking_of(release), settings)
    return estimate_value(logged, settings.estimate)


def after_training(dataset: Dataset, shown: ShownItems) -> ShownItems:
    """Leave lists alone that were shown after what a release of this data was fitted on.

    Raises:
        BadInputError: There are none.
    """
    known = choose(dataset, RepurchaseSetting()).for_test().interactions
    end_ms = int(known.ts_ms.max())
    later = shown.ts_ms > end_ms
    if not later.any():
        raise BadInputError(
            f"all {len(later):,} lists were shown before the candidate's data end, so it has seen "
            "what it would be judged by: ingest what came since, or fit it on older data"
        )
    return replace(shown.take(later), dropped=shown.dropped + int((~later).sum()))


def ranking_of(release: Release) -> Ranking:
    """Let a release rank, as serving would without rules of the shop."""

    def rank_all(
        dataset: Dataset, now_ms: int, user_ids: list[str], num: int
    ) -> tuple[pa.Array, Ints, Matrix]:
        items, scores = OfflineLists(release, dataset, now_ms).ranked(user_ids, num)
        ids = release.catalogue.column("item_id").combine_chunks()
        return ids, items, scores.astype(np.float64)

    return rank_all


def ranking_by(model: Model, data: TrainingSet, dataset: Dataset) -> Ranking:
    """Let a fitted model rank, by what it was fitted on, whatever the moment."""
    hidden = ItemSets.hidden(data)

    def rank_all(
        _dataset: Dataset, _now_ms: int, user_ids: list[str], num: int
    ) -> tuple[pa.Array, Ints, Matrix]:
        users = dataset.users.rows(user_ids)
        items = np.full((len(users), num), -1, np.int64)
        items[users >= 0] = rank(model, users[users >= 0], hidden, num)
        places = np.tile(-np.arange(num, dtype=np.float64), (len(users), 1))
        return ids, items, np.where(items >= 0, places, -np.inf)

    ids = dataset.items.ids
    return rank_all


def hold_against(
    dataset: Dataset,
    shown: ShownItems,
    ranking: Ranking,
    settings: OffPolicySettings,
    progress: Progress = silent,
) -> LoggedLists:
    """Ask a candidate what it would have shown, day by day of a log.

    The candidate knows of each day's shoppers what was known as the day began, UTC.

    Args:
        dataset: With the events of before and of after the lists.
        shown: n lists.
        ranking: The candidate.
        settings: How.
        progress: Called day by day.

    Raises:
        BadInputError: There is no list.
    """
    num, places = shown.item.shape
    if not num:
        raise BadInputError("no list of the log was shown in that time: log, then judge again")
    # Of twice as many items as places, one is left for each, whatever stands above.
    length = settings.pool if settings.temperature else 2 * places
    codes = np.full((num, length), -1, np.int64)
    scores = np.full((num, length), -np.inf)
    day = shown.ts_ms // _DAY_MS
    days = np.unique(day)
    for done, one in enumerate(days.tolist()):
        progress("asking the candidate", done, len(days))
        rows = np.flatnonzero(day == one)
        users, which = np.unique(shown.user_ids[rows].astype(str), return_inverse=True)
        before = until(dataset, one * _DAY_MS)
        ids, items, found = ranking(before, one * _DAY_MS, users.tolist(), length)
        # Items that no list showed get codes behind those that were.
        code = _codes(ids, shown.item_ids)
        codes[rows] = np.where(items >= 0, code[np.maximum(items, 0)], -1)[which]
        scores[rows] = found[which]
    progress("asking the candidate", len(days), len(days))
    reward = followed(
        shown,
        dataset.users,
        dataset.items,
        dataset.events,
        settings.reward,
        int(settings.hours * HOUR_MS),
    )
    shopper = np.unique(shown.user_ids.astype(str), return_inverse=True)[1].astype(np.int64)
    target = conditional_probability(codes, scores, shown.item, settings.temperature)
    # What was never shown has the first of the codes that are left: nothing is known of it.
    unseen = len(shown.item_ids)
    model = RewardModel(shown.item, reward, shopper, unseen + 1)
    foreseen = model.of_items(np.minimum(codes, unseen))
    expected = expected_under(codes, scores, foreseen, shown.item, settings.temperature)
    return LoggedLists(
        shown.shown,
        reward,
        shown.propensity,
        target,
        shopper,
        model.of_items(shown.item) * model.of_places,
        expected * model.of_places,
    )


def until(dataset: Dataset, ts_ms: int) -> Dataset:
    """Leave out what happened at a moment or after it, milliseconds since 1970."""
    then = dataset.events.ts_ms < ts_ms
    withheld = dataset.withheld.take(dataset.withheld.ts_ms < ts_ms)
    ties = dataset.ties.take(dataset.ties.since_ms < ts_ms)
    part = dataset.part[then]
    events = dataset.events.take(then)
    return replace(dataset, events=events, part=part, withheld=withheld, ties=ties)


def judge_policy(
    logged: LoggedLists, settings: OffPolicySettings, name: str, dropped: int = 0
) -> OffPolicyReport:
    """Make every estimate that a log allows; the one that is asked for has to be among them.

    Raises:
        BadInputError: It is not.
    """
    asked = settings.estimate
    estimates: dict[str, ValueEstimate] = {}
    refused: dict[str, str] = {}
    for model in (asked.model, *(one for one in ListModel if one is not asked.model)):
        try:
            for way in Estimator:
                made = estimate_value(logged, replace(asked, model=model, estimator=way))
                estimates[f"{model} {way}"] = made
        except BadInputError as error:
            if model is asked.model:
                raise
            refused[str(model)] = str(error)
    return OffPolicyReport(
        name,
        str(settings.reward),
        logged.num_lists,
        len(np.unique(logged.shopper)),
        dropped,
        shown_value(logged, asked.interval),
        f"{asked.model} {asked.estimator}",
        estimates,
        refused,
    )


def _codes(ids: pa.Array, shown: pa.Array) -> Ints:
    """Give items of a candidate the codes of those that were shown, and others new ones."""
    found = pc.index_in(ids.cast(shown.type), value_set=shown)
    code = np.asarray(pc.fill_null(found, -1), dtype=np.int64)
    missing = np.flatnonzero(code < 0)
    code[missing] = len(shown) + missing
    return code
