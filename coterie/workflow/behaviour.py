"""The behaviour step: from clean tables to columns of shoppers, forecasts, figures and a report."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from coterie.behaviour.columns import (
    ACTIVITY_FILE,
    FORECAST_FILE,
    PEOPLE_FILE,
    activity_table,
    forecast_table,
    people_table,
)
from coterie.behaviour.figures import behaviour_figures
from coterie.behaviour.forecast import Forecast
from coterie.behaviour.numbering import earlier_numbers
from coterie.behaviour.propensity import questions
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import ShopLog
from coterie.behaviour.study import study_behaviour
from coterie.data.load import load_dataset
from coterie.data.parquet import write_table
from coterie.evaluation.behaviour_report import write_behaviour_report
from coterie.files import write_atomically
from coterie.progress import Progress, silent
from coterie.workflow.config_values import read_config
from coterie.workflow.settings import change
from coterie.workflow.stages import Stages

FIGURES_FILE: Final = "behaviour.json"
REPORT_FILE: Final = "behaviour.html"


def read_behaviour_settings(*given: str) -> BehaviourSettings:
    """Read what differs from the defaults: JSON, NAME=VALUE, or the address of a file of JSON.

    Raises:
        BadInputError: A name is unknown, a value is refused, or there is no such file.
        UnavailableError: A store does not answer.
    """
    said = [one for one in given if one.strip()]
    changes: Mapping[str, Any] = read_config(*said) if said else {}
    settings: BehaviourSettings = change(BehaviourSettings(), changes)
    return settings


def analyse_behaviour(
    clean: str,
    out: str,
    settings: BehaviourSettings | None = None,
    progress: Progress = silent,
    earlier: str = "",
) -> dict[str, Any]:
    """Write what shoppers are like and may do: columns of them, forecasts, figures and a report.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for the files; each is replaced when it is whole.
        settings: What is computed.
        progress: Told how many of the stages are done.
        earlier: File or URL of the columns of people of an earlier run, whose numbers of segments
            are kept; those in ``out`` if empty, if there are any.

    Returns:
        The figures, as they stand in ``behaviour.json``.

    Raises:
        BadInputError: The folder is not clean, or there are no events with times.
        UnavailableError: A store does not answer.
    """
    settings = settings or BehaviourSettings()
    told = Stages("behaviour", progress, 4 + len(questions()))
    told("reading")
    dataset = load_dataset(clean)
    log = ShopLog.of(dataset)
    folder = Path(out)
    numbered = earlier_numbers(earlier or str(folder / PEOPLE_FILE), dataset.users.ids)
    found = study_behaviour(log, settings, told)
    found = replace(found, segments=found.segments.numbered_as(numbered))
    told("files")
    figures = behaviour_figures(dataset, found, settings)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(people_table(dataset, found), folder / PEOPLE_FILE)
    write_table(activity_table(dataset, log, found.segments.moments), folder / ACTIVITY_FILE)
    if isinstance(found.forecast, Forecast):
        write_table(forecast_table(dataset, found.forecast), folder / FORECAST_FILE)
    write_atomically(folder / FIGURES_FILE, json.dumps(figures, indent=1) + "\n")
    write_behaviour_report(figures, folder / REPORT_FILE)
    told.end()
    return figures
