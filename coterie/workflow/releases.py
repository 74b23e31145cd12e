"""Make a release of a challenger that deserves one."""

import tempfile
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.content.encoders import EncoderChoice
from coterie.data.dataset import TrainingSet
from coterie.data.vector_columns import halves_of
from coterie.errors import BadInputError
from coterie.models.engagement import engagement
from coterie.recommend.batches import Community
from coterie.recommend.recommender import Recommender
from coterie.recommend.terms import Parameters
from coterie.release.bundle import Release, ReleaseContent, write_release
from coterie.release.encoders import ReleasedEncoder
from coterie.release.gate import Limits, judge, judge_gain
from coterie.release.learned_until import LEARNED_UNTIL
from coterie.workflow.challenger import (
    Challenger,
    load_challenger,
    load_parameters,
    load_popularity,
)
from coterie.workflow.comparison import load_comparison
from coterie.workflow.content_folder import encoder_choices, near_content
from coterie.workflow.described_items import released_statements
from coterie.workflow.off_policy import gain_of
from coterie.workflow.shop import CleanShop

SAMPLED: Final = 2000
"""Shoppers whose lists are looked at, about."""
BATCH: Final = 256
KNOWN: Final = 0.99
"""Share of the events until whose time a release is said to know."""
DAY_MS: Final = 86_400_000
RELEASES: Final = "releases"
"""Where ``coterie train`` puts releases, under the model's folder."""


def make_release(
    clean: str,
    challenger: str,
    out: str,
    version: str | None = None,
    limits: Limits | None = None,
    evaluation: str | None = None,
    content: str = "",
    log: str = "",
) -> Release:
    """Release a challenger that beats popularity on validation.

    Args:
        clean: Folder that ``ingest`` wrote, the same that the challenger was fitted on.
        challenger: Folder that ``fit_challenger`` wrote.
        out: Folder of the release; must not exist.
        version: Its name; the time of day in UTC by default.
        limits: What it has to reach.
        evaluation: Folder that ``evaluate_all`` wrote: its test metrics go into the manifest.
        content: Folder or URL with the vectors of items that the challenger was fitted with, which
            go into the release; empty: there were none.
        log: Folder of impressions, where ``limits.min_gain_over_shown`` asks for a gain.

    Raises:
        BadInputError: The challenger does not win, cannot be served, or saw other data or vectors,
            or the log tells too little of it.
    """
    limits = limits or Limits()
    if (limits.min_gain_over_shown is None) == bool(log):
        raise BadInputError(
            "a gain over shown lists is asked for by a limit and a log: give both, or neither"
        )
    known = load_challenger(challenger)
    shop = CleanShop.open(clean, known.repurchase_setting(), content, known.rule)
    if known.data_fingerprint != shop.dataset.fingerprint:
        raise BadInputError(f"the challenger in {challenger} was fitted on other data than {clean}")
    known.check_content(shop.split.items)
    verdict = judge(known.validation, known.popularity, limits=limits)
    if not verdict.wins:
        raise BadInputError(f"no release is made of {challenger}: on validation {verdict.reason}")
    promise = known.promise
    had = engagement(shop.split.for_test())
    popularity = np.asarray(had.sum(axis=0), dtype=np.float32).ravel()
    if promise is not None:
        popularity = load_popularity(challenger)
    parameters = load_parameters(challenger)
    released = ReleaseContent(
        version=version or datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        parameters=parameters,
        catalogue=shop.dataset.catalogue,
        popularity=popularity,
        metrics=_metrics(known, evaluation)
        | {"lists": list_figures(parameters, popularity, shop.split.for_test())}
        # Where anything is promised of each person, the newest of them tell nothing.
        | ({LEARNED_UNTIL: learned_until(shop.split.for_test())} if promise is None else {}),
        data_fingerprint=known.data_fingerprint,
        limits=limits.numbers(),
        repurchase=known.repurchase,
        vectors=halves_of(shop.split.items),
        encoders=_encoders(known, content),
        described=released_statements(content, shop.dataset.catalogue["item_id"].to_pylist()),
        bound=promise,
    )
    if limits.min_gain_over_shown is not None:
        _require_gain(released, shop, log, limits.min_gain_over_shown)
    return write_release(out, released)


def _require_gain(content: ReleaseContent, shop: CleanShop, log: str, least: float) -> None:
    """Refuse a release that does not surely earn more than what was shown."""
    with tempfile.TemporaryDirectory() as home:
        tried = write_release(f"{home}/tried", content)
        found = gain_of(tried, shop.dataset, log)
    verdict = judge_gain(found.gain_low, found.gain_high, least)
    if not verdict.wins:
        raise BadInputError(f"no release is made of {content.version}: {verdict.reason}")


def _encoders(known: Challenger, content: str) -> dict[str, ReleasedEncoder]:
    """Describe what made the vectors, so that serving can encode queries by the very same."""
    if not content:
        return {}
    with near_content(content) as near:
        choices = encoder_choices(near)
    found = {}
    for kind, made in known.encoders.items():
        name, _, digest = made.rpartition(" ")
        choice = choices.get(kind, EncoderChoice())
        found[kind] = ReleasedEncoder(name, digest, choice.place, choice.model, choice.prefix)
    return found


def list_figures(
    parameters: Parameters, popularity: npt.NDArray[np.float32], data: TrainingSet
) -> dict[str, Any]:
    """Measure the release's lists offline, for those who watch whether they change.

    Returns:
        ``best_score``: borders of the tenths of the best scores of some shoppers' lists, the
        first and the last cutting off half a percent.
    """
    community = Community.of(data)
    known = np.flatnonzero(np.diff(community.histories.offsets) > 0)
    some = known[:: max(1, len(known) // SAMPLED)]
    recommender = Recommender(parameters, popularity)
    best = [
        recommender.recommend(community.shoppers(some[at : at + BATCH]), 1).score[:, 0]
        for at in range(0, len(some), BATCH)
    ]
    shares = np.array([0.005, *np.arange(0.1, 0.95, 0.1), 0.995])
    borders = np.quantile(np.concatenate(best), shares) if best else np.zeros(0)
    return {"best_score": [round(float(border), 6) for border in borders]}


def learned_until(data: TrainingSet) -> float | None:
    """Say until when a release knows what people did, in days since 1970; None: of no time.

    All but a hundredth of the events had happened by then: one with a wrong date moves nothing.
    """
    times = data.interactions.ts_ms
    return round(float(np.quantile(times, KNOWN)) / DAY_MS, 2) if len(times) else None


def _metrics(known: Challenger, evaluation: str | None) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "validation": dict(known.validation),
        "popularity_on_validation": dict(known.popularity),
        "circle": known.rule.as_json(),
    }
    if evaluation is not None:
        figures = load_comparison(evaluation).models.get(known.model, {})
        metrics["test"] = {name: figure.mean for name, figure in figures.items()}
    return metrics
