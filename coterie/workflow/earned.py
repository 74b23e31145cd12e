"""What recommendations earned, and whether lists narrow, out of a shop's exported tables."""

from typing import Any

from coterie.evaluation.earned_report import write_earned_report
from coterie.experiments.definition import HOLDOUT
from coterie.experiments.earned import earned
from coterie.experiments.outcomes import read_exported_events
from coterie.experiments.store import ExperimentStore
from coterie.impressions.loop import loop_figures
from coterie.impressions.table import read_impressions


def earned_figures(source: str, now_ms: int) -> dict[str, Any]:
    """Judge all holdouts, and follow what lists showed.

    Args:
        source: Folder of tables that events and impressions are exported to.
        now_ms: Of what moment this is, milliseconds since 1970.

    Returns:
        Plain values: ``holdouts``, the newest first, each as ``earned`` tells it, and ``loop``, as
        ``loop_figures`` does.

    Raises:
        BadInputError: There are no impressions, or files are none of ours.
        UnavailableError: The store does not answer.
    """
    source = source.rstrip("/")
    impressions, events = read_impressions(source), read_exported_events(source)
    held = [one for one in ExperimentStore(f"{source}/experiments").read() if one.layer == HOLDOUT]
    holdouts = []
    for one in sorted(held, key=lambda each: -each.started_ms):
        told = earned(one, impressions, events, now_ms)
        assert told is not None, "it holds people out"
        about = {"name": one.name, "window_s": one.window_s, "alpha_of_all": one.alpha}
        holdouts.append(about | told)
    return {"holdouts": holdouts, "loop": loop_figures(impressions, events)}


def write_earned(source: str, out: str, now_ms: int) -> dict[str, Any]:
    """Draw what ``earned_figures`` finds as one HTML file; gives the figures back, and raises as it
    does."""
    figures = earned_figures(source, now_ms)
    write_earned_report(figures, out)
    return figures
