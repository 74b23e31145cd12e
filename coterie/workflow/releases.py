"""Make a release of a challenger that deserves one."""

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from coterie.errors import BadInputError
from coterie.models.engagement import engagement
from coterie.release.bundle import Release, ReleaseContent, write_release
from coterie.release.gate import Limits, judge
from coterie.workflow.challenger import Challenger, load_challenger, load_parameters
from coterie.workflow.comparison import load_comparison
from coterie.workflow.shop import Shop

RELEASES: Final = "releases"
"""Where ``coterie train`` puts releases, under the model's folder."""


def make_release(
    clean: str,
    challenger: str,
    out: str,
    version: str | None = None,
    limits: Limits | None = None,
    evaluation: str | None = None,
) -> Release:
    """Release a challenger that beats popularity on validation.

    Args:
        clean: Folder that ``ingest`` wrote, the same that the challenger was fitted on.
        challenger: Folder that ``fit_challenger`` wrote.
        out: Folder of the release; must not exist.
        version: Its name; the time of day in UTC by default.
        limits: What it has to reach.
        evaluation: Folder that ``evaluate_all`` wrote: its test metrics go into the manifest.

    Raises:
        BadInputError: The challenger does not win, cannot be served, or saw other data.
    """
    limits = limits or Limits()
    known, shop = load_challenger(challenger), Shop.open(clean)
    if known.data_fingerprint != shop.dataset.fingerprint:
        raise BadInputError(f"the challenger in {challenger} was fitted on other data than {clean}")
    verdict = judge(known.validation, known.popularity, limits=limits)
    if not verdict.wins:
        raise BadInputError(
            f"no release is made of {challenger}: on validation " + "; ".join(verdict.reasons)
        )
    had = engagement(shop.split.for_test())
    content = ReleaseContent(
        version=version or datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        parameters=load_parameters(challenger),
        catalogue=shop.dataset.catalogue,
        popularity=np.asarray(had.sum(axis=0), dtype=np.float32).ravel(),
        metrics=_metrics(known, evaluation),
        data_fingerprint=known.data_fingerprint,
        limits=limits.numbers(),
    )
    return write_release(out, content)


def _metrics(known: Challenger, evaluation: str | None) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "validation": dict(known.validation),
        "popularity_on_validation": dict(known.popularity),
    }
    if evaluation is not None:
        figures = load_comparison(evaluation).models.get(known.model, {})
        metrics["test"] = {name: figure.mean for name, figure in figures.items()}
    return metrics
