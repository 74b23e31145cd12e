"""From clean tables to a release: the steps that the command line and the pipelines both take.

Each step reads folders and leaves one, so that it can run in another process than the step before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from coterie.workflow.challenger import Challenger, fit_challenger, load_challenger
    from coterie.workflow.comparison import COMPARISON, evaluate_all, write_report
    from coterie.workflow.config_values import read_config
    from coterie.workflow.releases import RELEASES, make_release
    from coterie.workflow.settings import FitSettings
    from coterie.workflow.tuning import Tuned, TuneSettings, tune_model

_MODULES: Final = {
    "COMPARISON": "comparison",
    "RELEASES": "releases",
    "Challenger": "challenger",
    "FitSettings": "settings",
    "TuneSettings": "tuning",
    "Tuned": "tuning",
    "evaluate_all": "comparison",
    "fit_challenger": "challenger",
    "load_challenger": "challenger",
    "make_release": "releases",
    "read_config": "config_values",
    "tune_model": "tuning",
    "write_report": "comparison",
}

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


def __getattr__(name: str) -> Any:
    """Import a step when it is asked for: one that trains nothing does not wait for Torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
