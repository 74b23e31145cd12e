"""How models would have done in past weeks."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from coterie.data.circle import AS_SERVED, CircleRule
from coterie.data.load import load_dataset
from coterie.data.repurchase import RepurchaseSetting
from coterie.data.splits import by_weeks
from coterie.evaluation.backtest import Week
from coterie.evaluation.comparison import compare
from coterie.files import write_atomically
from coterie.fitting.fit import fit_twice
from coterie.progress import Progress, silent
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

    Raises:
        BadInputError: The data are wrong, a model is unknown, or no week can be foreseen.
    """
    names = tuple(models) or MODELS
    changes = {"social": config or {}}
    settings = {name: FitSettings(name, changes.get(name, {})).configure() for name in names}
    dataset = load_dataset(clean)
    splits = by_weeks(dataset, weeks, RepurchaseSetting())
    items = with_content(dataset.catalogue, content)
    found: list[Week] = []
    for done, (start_ms, split) in enumerate(splits):
        split, fitted = in_circle(replace(split, items=items), dataset, rule), {}
        for at, name in enumerate(names):
            progress("foreseeing weeks", done * len(names) + at, len(splits) * len(names))
            fitted[name] = fit_twice(split, name, settings[name]).final
        data = split.for_test()
        found.append(Week(start_ms, len(data.interactions), compare(fitted, data, split.test)))
    progress("foreseeing weeks", len(splits) * len(names), len(splits) * len(names))
    told = [asdict(week) for week in found]
    write_atomically(Path(out, BACKTEST), json.dumps(told, allow_nan=False) + "\n")
    return found
