"""From clean tables to a release: the steps that the command line and the pipelines both take.

Each step reads folders and leaves one, so that it can run in another process than the step before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from coterie.progress import Progress, silent
from coterie.release.bundle import Release
from coterie.release.gate import Limits

if TYPE_CHECKING:
    from coterie.evaluation.comparison import Comparison

CHALLENGER: Final = "challenger.json"
"""Written last: a folder without it holds no challenger yet."""
COMPARISON: Final = "comparison.json"
KS: Final = (10, 20)
"""Lengths of list that figures are given for."""
NO_TIES: Final = "social_without_ties"
"""The social model as if nobody knew anybody: what social lift is measured against."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What to fit, and with what."""

    model: str = "social"
    """One of ``coterie.models.MODELS``."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the model's config (dots reach inside: ``loop.lr``) that differ from its own."""
    workers: int = 0
    """Ray Train workers; 0 trains in this process."""
    use_gpu: bool = False
    """One GPU for each worker."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """A fitted model and what it reached on validation, before test was looked at."""

    model: str
    config: Mapping[str, Any]
    split: str
    validation: Mapping[str, float]
    popularity: Mapping[str, float]
    """What popularity reached on the same validation part."""
    best_epoch: int
    """Of the fit that chose it; 0 where the model has no epochs."""
    data_fingerprint: str
    code_version: str
    seconds: float


def fit_challenger(
    clean: str, out: str, settings: FitSettings | None = None, progress: Progress = silent
) -> Challenger:
    """Fit on train, measure on validation, then fit again on both for as many epochs.

    An interrupted run goes on from its checkpoints under ``out``.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for ``challenger.json`` and, of models that can be released, parameters.
        settings: The social model in this process by default.
        progress: Called after every epoch.

    Raises:
        BadInputError: The data or the settings are wrong.
    """
    raise NotImplementedError


def evaluate_all(
    clean: str,
    out: str,
    models: Sequence[str] = (),
    challenger: str | None = None,
    progress: Progress = silent,
) -> "Comparison":
    """Compare models on the test part; writes ``comparison.json`` into ``out``.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for the figures.
        models: Names of ``coterie.models.MODELS``; all of them if empty.
        challenger: Folder that ``fit_challenger`` wrote: its model is not fitted again.
        progress: Called while models are fitted and measured.

    Raises:
        BadInputError: The data are wrong, or the challenger was fitted on other data.
    """
    raise NotImplementedError


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
    raise NotImplementedError


def write_report(clean: str, evaluation: str, out: str) -> None:
    """Draw the HTML report of an evaluation.

    Args:
        clean: Folder that ``ingest`` wrote.
        evaluation: Folder that ``evaluate_all`` wrote.
        out: The HTML file.
    """
    raise NotImplementedError
