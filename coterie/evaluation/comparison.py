"""Models side by side on the same shoppers: who is better, for whom, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.errors import BadInputError
from coterie.evaluation.circles import UNNAMED, band_of_unnamed
from coterie.evaluation.groups import BANDS, NEWCOMERS, bands_of
from coterie.evaluation.protocols import KS, Evaluation, RanksItself, Scores, evaluate_model
from coterie.evaluation.results import Comparison, Estimates, ShopperGroup
from coterie.evaluation.significance import (
    Estimate,
    PairedTest,
    ResamplingConfig,
    estimate,
    paired_test,
)
from coterie.progress import Progress, silent

__all__ = ["Comparison", "ComparisonConfig", "ShopperGroup", "compare", "compare_evaluations"]

OURS = "social"
WITHOUT_TIES = "social_no_ties"
ALL_FRIENDS = "social_all_friends"
"""Our model, asked for lists that draw on all friends, where served ones draw on fewer."""
PARTS_OF_OURS = ("social_linear", ALL_FRIENDS)
Rows = npt.NDArray[np.bool_]
"""Mask of some of the shoppers, shape (shoppers,)."""


@dataclass(frozen=True, slots=True)
class ComparisonConfig:
    """What is compared with what."""

    ks: tuple[int, ...] = KS
    ours: str = OURS
    without_ties: str = WITHOUT_TIES
    """Our model fitted as if nobody knew anybody: what social lift is measured against."""
    parts_of_ours: tuple[str, ...] = PARTS_OF_OURS
    """Shown beside ours, but no baselines."""
    all_friends: str = ALL_FRIENDS
    """Our model drawing on all friends: what it costs to draw on fewer is measured against it."""
    metric: str = "ndcg"
    """Decides which baseline is best, at the largest k."""
    resampling: ResamplingConfig = field(default_factory=ResamplingConfig)

    @property
    def primary(self) -> str:
        """The metric that decides."""
        return f"{self.metric}@{max(self.ks)}"

    @property
    def tested(self) -> tuple[str, ...]:
        """Metrics that are tested and shown by group."""
        return tuple(f"{name}@{max(self.ks)}" for name in ("ndcg", "recall"))


def compare(
    models: Mapping[str, Scores | RanksItself],
    data: TrainingSet,
    held_out: Interactions,
    name: str = "test",
    config: ComparisonConfig = ComparisonConfig(),
    category: Ints | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Evaluate fitted models on the same shoppers and compare them.

    Args:
        models: By name; ``config.ours`` and ``config.without_ties`` are ours, others baselines.
        data: What they were fitted on (ties and all: groups are by the ties that exist).
        held_out: What came next.
        name: Of the data set and split, for people.
        config: What is compared with what.
        category: Category of each item, for diversity.
        progress: Called after each model.

    Raises:
        BadInputError: No model is given, or nothing is held out.
    """
    evaluations = {}
    for done, (label, model) in enumerate(models.items()):
        evaluations[label] = evaluate_model(model, data, held_out, config.ks, category=category)
        progress(f"evaluated {label}", done + 1, len(models))
    return compare_evaluations(evaluations, data, name, config)


def compare_evaluations(
    evaluations: Mapping[str, Evaluation],
    data: TrainingSet,
    name: str = "test",
    config: ComparisonConfig = ComparisonConfig(),
) -> Comparison:
    """Compare models that were evaluated already, as ``compare`` does.

    Raises:
        BadInputError: No evaluation is given, or they are not of the same shoppers.
    """
    users = _shared_users(evaluations)
    ours = (config.ours, config.without_ties, *config.parts_of_ours)
    baselines = [m for m in evaluations if m not in ours]
    ranked = sorted(baselines, key=lambda m: evaluations[m].mean(config.primary), reverse=True)
    if config.ours not in evaluations and len(ranked) > 1:
        # Without ours the best is held against the next: there is a difference to tell.
        first, *ranked = ranked
        config = replace(config, ours=first, without_ties="", all_friends="")
    best = ranked[0] if ranked else None
    everyone = np.ones(len(users), np.bool_)
    models = _estimate(evaluations, everyone, None, config)
    for label, evaluation in evaluations.items():
        models[label] |= {k: Estimate(v) for k, v in evaluation.totals.items()}
    return Comparison(
        name=name,
        num_shoppers=len(users),
        num_items=data.num_items,
        ks=config.ks,
        level=config.resampling.level,
        primary=config.primary,
        ours=config.ours,
        without_ties=config.without_ties,
        models=models,
        recall_curves={m: [float(x) for x in e.recall_curve] for m, e in evaluations.items()},
        best_baseline=best,
        against_baseline=_test_all(evaluations, best, config),
        lift=_test_all(evaluations, config.without_ties, config),
        discretion=_test_all(evaluations, config.all_friends, config),
        circle={} if data.circle is None else data.circle.rule.as_json(),
        groups=_groups(evaluations, data, users, best, config),
    )


def with_newcomers(
    comparison: Comparison,
    told: Mapping[int, Mapping[str, Evaluation]],
    config: ComparisonConfig = ComparisonConfig(),
) -> Comparison:
    """Add a group for each number of first items that is told of newcomers.

    Not tested against the best baseline: of people without a history it knows nothing.

    Args:
        comparison: Of shoppers whom the models saw.
        told: Number of items to model to what it did for the newcomers.
        config: As in ``compare``.
    """
    groups = [
        _group(_told(num), evaluations, None, None, config) for num, evaluations in told.items()
    ]
    return replace(comparison, groups=comparison.groups | {NEWCOMERS: groups})


def _told(num_items: int) -> str:
    return "ties alone" if num_items == 0 else f"ties and {num_items} first"


def _shared_users(evaluations: Mapping[str, Evaluation]) -> Ints:
    if not evaluations:
        raise BadInputError("nothing to compare: give at least one fitted model")
    users = next(iter(evaluations.values())).user_idx
    for label, evaluation in evaluations.items():
        if not np.array_equal(evaluation.user_idx, users):
            raise BadInputError(f"{label!r} was evaluated on other shoppers than the first model")
    return users


def _estimate(
    evaluations: Mapping[str, Evaluation],
    rows: Rows,
    metrics: Sequence[str] | None,
    config: ComparisonConfig,
) -> Estimates:
    """Estimate the figures of all models from one and the same set of resamples."""
    cells = [
        (label, metric, values[rows])
        for label, evaluation in evaluations.items()
        for metric, values in evaluation.metrics.items()
        if metrics is None or metric in metrics
    ]
    found = estimate(np.column_stack([values for _, _, values in cells]), config.resampling)
    models: Estimates = {label: {} for label in evaluations}
    for (label, metric, _), figure in zip(cells, found, strict=True):
        models[label][metric] = figure
    return models


def _test_all(
    evaluations: Mapping[str, Evaluation], other: str | None, config: ComparisonConfig
) -> dict[str, PairedTest]:
    found = {metric: _test(evaluations, other, metric, None, config) for metric in config.tested}
    return {metric: test for metric, test in found.items() if test is not None}


def _test(
    evaluations: Mapping[str, Evaluation],
    other: str | None,
    metric: str,
    rows: Rows | None,
    config: ComparisonConfig,
) -> PairedTest | None:
    if config.ours not in evaluations or other is None or other not in evaluations:
        return None
    pair = (evaluations[label].metrics[metric] for label in (config.ours, other))
    chosen = [values if rows is None else values[rows] for values in pair]
    return paired_test(chosen[0], chosen[1], config.resampling)


def _groups(
    evaluations: Mapping[str, Evaluation],
    data: TrainingSet,
    users: Ints,
    best: str | None,
    config: ComparisonConfig,
) -> dict[str, list[ShopperGroup]]:
    groups: dict[str, list[ShopperGroup]] = {}
    sorted_by = {kind: (BANDS[kind].labels, band) for kind, band in bands_of(data).items()}
    if data.circle is not None:
        sorted_by[UNNAMED] = band_of_unnamed(data)
    for kind, (labels, band) in sorted_by.items():
        groups[kind] = []
        for code, label in enumerate(labels):
            rows = band[users] == code
            if rows.any():
                groups[kind].append(_group(label, evaluations, rows, best, config))
    return groups


def _group(
    label: str,
    evaluations: Mapping[str, Evaluation],
    rows: Rows | None,
    best: str | None,
    config: ComparisonConfig,
) -> ShopperGroup:
    chosen = np.ones(len(_shared_users(evaluations)), np.bool_) if rows is None else rows
    return ShopperGroup(
        label,
        int(chosen.sum()),
        _estimate(evaluations, chosen, config.tested, config),
        _test(evaluations, best, config.primary, chosen, config),
        _test(evaluations, config.without_ties, config.primary, chosen, config),
    )
