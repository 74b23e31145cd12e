"""From clean tables to a release: the steps that the command line and the pipelines both take.

Each step reads folders and leaves one, so that it can run in another process than the step before.
"""

from coterie.workflow.challenger import Challenger, fit_challenger, load_challenger
from coterie.workflow.comparison import COMPARISON, evaluate_all, write_report
from coterie.workflow.releases import RELEASES, make_release
from coterie.workflow.settings import FitSettings, read_config
from coterie.workflow.tuning import Tuned, TuneSettings, tune_model

__all__ = [
    "COMPARISON",
    "RELEASES",
    "Challenger",
    "FitSettings",
    "TuneSettings",
    "Tuned",
    "evaluate_all",
    "fit_challenger",
    "load_challenger",
    "make_release",
    "read_config",
    "tune_model",
    "write_report",
]
