"""How models would have done in past weeks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from coterie.data.circle import AS_SERVED, CircleRule
from coterie.data.dataset import Dataset, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.repurchase import RepurchaseSetting
from coterie.data.splits import WEEK_MS, by_weeks
from coterie.errors import BadInputError
from coterie.evaluation.backtest import Week
from coterie.evaluation.comparison import compare
from coterie.files import write_atomically
from coterie.fitting.fit import fit_twice
from coterie.impressions.table import read_impressions
from coterie.models import Model
from coterie.offpolicy.estimators import estimate_value
from coterie.offpolicy.impressions import ShownItems, lists_of
from coterie.progress import Progress, silent
from coterie.workflow.off_policy import OffPolicySettings, hold_against, ranking_by
from coterie.workflow.settings import FitSettings
from coterie.workflow.shop import in_circle, with_content

BACKTEST: Final = "backtest.json"
MODELS: Final = ("popularity", "item_knn", "social")
"""Where none are named."""


def backtest(
    clean: str,
    out: str,
    weeks: int,
    models: Sequence[str] = (),
    config: dict[str, Any] | None = None,
    progress: Progress = silent,
    content: str = "",
    rule: CircleRule = AS_SERVED,
    log: str = "",
    off_policy: OffPolicySettings | None = None,
) -> list[Week]:
    """Fit on what came before each past week, measure on that week, and write the figures.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for ``backtest.json``.
        weeks: How many, counted back from the last event.
        models: Names of ``coterie.models.MODELS``; MODELS if empty.
        config: Fields of the social model's config that differ from its own.
        progress: Called model by model, week by week.
        content: Folder or URL with vectors of items, for models that read any; empty: none.
        rule: Whom lists draw on: whom served ones draw on.
        log: Folder of impressions, by which each model is judged as well, week by week: what its
            lists would have earned in their place. Empty: none.
        off_policy: How it is judged by them.

    Raises:
        BadInputError: The data are wrong, a model is unknown, or no week can be foreseen.
    """
    names = tuple(models) or MODELS
    changes = {"social": config or {}}
    settings = {name: FitSettings(name, changes.get(name, {})).configure() for name in names}
    dataset = load_dataset(clean)
    splits = by_weeks(dataset, weeks, RepurchaseSetting())
    items = with_content(dataset.catalogue, content)
    told = off_policy or OffPolicySettings()
    shown = lists_of(read_impressions(log), told.places, told.surface) if log else None
    found: list[Week] = []
    for done, (start_ms, split) in enumerate(splits):
        split, fitted = in_circle(replace(split, items=items), dataset, rule), {}
        for at, name in enumerate(names):
            progress("foreseeing weeks", done * len(names) + at, len(splits) * len(names))
            fitted[name] = fit_twice(split, name, settings[name]).final
        data = split.for_test()
        week = Week(start_ms, len(data.interactions), compare(fitted, data, split.test))
        if shown is not None:
            then = shown.take((shown.ts_ms >= start_ms) & (shown.ts_ms < start_ms + WEEK_MS))
            week = _earned(week, fitted, dataset, data, then, told)
        found.append(week)
    progress("foreseeing weeks", len(splits) * len(names), len(splits) * len(names))
    lines = [asdict(week) for week in found]
    write_atomically(Path(out, BACKTEST), json.dumps(lines, allow_nan=False) + "\n")
    return found


def _earned(
    week: Week,
    fitted: Mapping[str, Model],
    dataset: Dataset,
    data: TrainingSet,
    shown: ShownItems,
    settings: OffPolicySettings,
) -> Week:
    """Judge each model by the lists that were shown in its week."""
    earned, refused = {}, {}
    for name, model in fitted.items():
        try:
            logged = hold_against(dataset, shown, ranking_by(model, data, dataset), settings)
            earned[name] = estimate_value(logged, settings.estimate)
        except BadInputError as error:
            refused[name] = str(error)
    return replace(week, earned=earned, refused=refused)
