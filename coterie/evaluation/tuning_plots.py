"""The figures of a study: how its score grew, what was stopped, and where the good trials lie."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from coterie.evaluation.phrases import escape, write_number
from coterie.evaluation.plots import ROW_PX, Figure, axis_title, plain_layout
from coterie.models.space import Choice, Field, LogUniform, Space
from coterie.tuning.study import Ending, Trial

SCORE = "NDCG@20 on validation"
MARKS = {
    Ending.FINISHED: ("finished", {"color": "@ours", "symbol": "circle", "size": 9}),
    Ending.STOPPED: ("stopped early", {"color": "@other", "symbol": "circle-open", "size": 8}),
    Ending.CUT: ("time was up", {"color": "@other", "symbol": "diamond-open", "size": 9}),
}
"""Name and marker of trials with a score, by how they ended."""
BANDS = (("best quarter", "@ours", 2.5), ("second quarter", "@best", 1.2), ("rest", "@line", 1.0))


def growth(trials: Sequence[Trial], defaults: Trial | None, by_time: bool) -> Figure:
    """Draw every trial's score, and the best so far, by number or by minutes spent."""
    xs = [t.elapsed_s / 60 if by_time else n for n, t in enumerate(trials, 1)]
    points = [(x, n, t) for n, (x, t) in enumerate(zip(xs, trials, strict=True), 1)]
    scored = [(x, n, t) for x, n, t in points if t.score is not None]
    so_far = list(accumulate((trial.score or 0.0 for _, _, trial in scored), max))
    best = {
        "type": "scatter",
        "mode": "lines",
        "name": "best so far",
        "x": [x for x, _, _ in scored],
        "y": so_far,
        "line": {"color": "@ours", "width": 2.5, "shape": "hv"},
        "hoverinfo": "skip",
    }
    traces = [best, *(_marked(scored, ending) for ending in MARKS if _any(scored, ending))]
    about = "minutes spent" if by_time else "trial"
    layout = plain_layout(360, xaxis={"title": axis_title(about)}, yaxis=_score_axis())
    if defaults is not None and defaults.score is not None:
        layout["shapes"] = [_level(defaults.score)]
        layout["annotations"] = [_words(defaults.score, "the model's own settings")]
    return {"data": traces, "layout": layout}


def _any(points: Sequence[tuple[float, int, Trial]], ending: Ending) -> bool:
    return any(trial.ending is ending for _, _, trial in points)


def _marked(points: Sequence[tuple[float, int, Trial]], ending: Ending) -> dict[str, Any]:
    name, marker = MARKS[ending]
    shown = [(x, number, trial) for x, number, trial in points if trial.ending is ending]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x for x, _, _ in shown],
        "y": [trial.score for _, _, trial in shown],
        "text": [_hover(number, trial) for _, number, trial in shown],
        "marker": marker,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(number: int, trial: Trial) -> str:
    fields = "<br>".join(f"{escape(k)} {write_number(v)}" for k, v in trial.changes.items())
    return f"trial {number}: {trial.score or 0.0:.4f}<br>{fields}"


def _score_axis() -> dict[str, Any]:
    return {"title": axis_title(SCORE), "nticks": 6}


def _level(score: float) -> dict[str, Any]:
    line = {"color": "@noties", "dash": "dash", "width": 2}
    ends = {"x0": 0, "x1": 1, "y0": score, "y1": score}
    return {"type": "line", "xref": "paper", "yref": "y", "line": line} | ends


def _words(score: float, text: str) -> dict[str, Any]:
    font = {"color": "@noties", "size": 12}
    anchor = {"x": 1, "xanchor": "right", "y": score, "yanchor": "top"}
    return {"xref": "paper", "yref": "y", "text": text, "showarrow": False, "font": font} | anchor


def curves(trials: Sequence[Trial], defaults: Trial | None, best: Trial | None) -> Figure:
    """Draw every trial's score by epoch; those that were stopped are pale."""
    lines = [t for t in trials if t.curve and t not in (defaults, best)]
    groups = [
        ("stopped early", [t for t in lines if t.ending is not Ending.FINISHED], "@other", "solid"),
        ("finished", [t for t in lines if t.ending is Ending.FINISHED], "@other", "solid"),
        ("own settings", [defaults] if defaults and defaults.curve else [], "@noties", "dash"),
        ("best", [best] if best and best.curve else [], "@ours", "solid"),
    ]
    traces = []
    for name, shown, colour, dash in groups:
        if not shown:
            continue
        stands_out = name in ("own settings", "best")
        points = [point for trial in shown for point in [*trial.curve, (None, None)]]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [epoch for epoch, _ in points],
                "y": [score for _, score in points],
                "connectgaps": False,
                "line": {"color": colour, "width": 3 if stands_out else 1.3, "dash": dash},
                "opacity": 0.5 if name == "stopped early" else 1.0,
                "hovertemplate": f"{name}, epoch %{{x}}<br>%{{y:.4f}}<extra></extra>",
            }
        )
    layout = plain_layout(400, xaxis={"title": axis_title("epoch")}, yaxis=_score_axis())
    return {"data": traces, "layout": layout}


def runoff(rows: Sequence[tuple[int, Sequence[float]]]) -> Figure:
    """Draw the scores of each trial that was fitted again, a row each, the first on top."""
    names = [f"trial {number}" for number, _ in rows]
    means = [sum(scores) / len(scores) for _, scores in rows]
    points = [(score, name) for name, (_, row) in zip(names, rows, strict=True) for score in row]
    bar = {"symbol": "line-ns", "size": 20, "line": {"width": 4, "color": "@ours"}}
    one = {"color": "@other", "symbol": "circle", "size": 10}
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": xs,
            "y": ys,
            "marker": marker,
            "hovertemplate": f"%{{y}}, {name}: %{{x:.4f}}<extra></extra>",
        }
        for name, xs, ys, marker in (
            ("one fit", [score for score, _ in points], [name for _, name in points], one),
            ("mean", means, names, bar),
        )
    ]
    ends = {"autorange": "reversed", "showgrid": False, "automargin": True}
    layout = plain_layout(120 + 2 * ROW_PX * len(rows), xaxis=_score_axis(), yaxis=ends)
    return {"data": traces, "layout": layout}


def shares(importances: Mapping[str, float]) -> Figure:
    """Draw one bar a field, what mattered most on top."""
    rows = sorted(importances.items(), key=lambda row: row[1])
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [100 * share for _, share in rows],
        "y": [escape(name) for name, _ in rows],
        "text": [f"{100 * share:.0f} %" for _, share in rows],
        "textposition": "auto",
        "marker": {"color": "@ours"},
        "hovertemplate": "%{y}: %{x:.0f} %<extra></extra>",
    }
    layout = plain_layout(80 + ROW_PX * len(rows), xaxis={"ticksuffix": " %", "nticks": 6})
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "ticklabelstandoff": 8}
    return {"data": [trace], "layout": layout | {"showlegend": False, "bargap": 0.35}}


def slice_of(name: str, field: Field, trials: Sequence[Trial], best: Trial) -> Figure:
    """Draw scores by the values of one field."""
    scored = [(0.0, n, t) for n, t in enumerate(trials, 1) if t.score is not None]
    traces = []
    for ending in MARKS:
        if _any(scored, ending):
            trace = _marked(scored, ending)
            shown = [t for _, _, t in scored if t.ending is ending]
            traces.append(trace | {"x": [_tick(field, t.changes[name]) for t in shown]})
    star = {"color": "@noties", "symbol": "star", "size": 15, "line": {"color": "@card"}}
    mark = {"type": "scatter", "mode": "markers", "name": "best", "marker": star}
    traces.append(mark | {"x": [_tick(field, best.changes[name])], "y": [best.score]})
    layout = plain_layout(280, xaxis=_field_axis(field), yaxis={"nticks": 5})
    return {"data": traces, "layout": layout | {"showlegend": False}}


def _tick(field: Field, value: Any) -> Any:
    return write_number(value) if isinstance(field, Choice) else value


def _field_axis(field: Field) -> dict[str, Any]:
    if isinstance(field, Choice):
        names = [write_number(value) for value in field.values]
        ends = [-0.5, len(names) - 0.5]
        return {"type": "category", "categoryarray": names, "range": ends, "showgrid": False}
    if isinstance(field, LogUniform):
        ticks = log_ticks(field.low, field.high)
        return {"type": "log", "tickvals": ticks, "ticktext": [write_number(t) for t in ticks]}
    return {"nticks": 6}


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Choose round numbers from ``low`` to ``high``.

    They are powers of ten, with 2 and 5 where there is room.

    >>> log_ticks(0.05, 0.5), log_ticks(1e-6, 1e-2)
    ([0.05, 0.1, 0.2, 0.5], [1e-06, 1e-05, 0.0001, 0.001, 0.01])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= most:
            break
    return inside


def parallel(space: Space, trials: Sequence[Trial]) -> Figure:
    """Draw one line a trial across all fields; plain lines, as Plotly's own kind needs ``eval``."""
    names = list(space)
    scored = sorted((t for t in trials if t.score is not None), key=lambda t: t.score or 0.0)
    scored.reverse()
    first, second = -(-len(scored) // 4), -(-len(scored) // 2)
    parts = (scored[:first], scored[first:second], scored[second:])
    traces = []
    for (name, colour, width), shown in reversed(list(zip(BANDS, parts, strict=True))):
        if not shown:
            continue
        heights = [[*(_height(space[n], t.changes[n]) for n in names), None] for t in shown]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [*range(len(names)), None] * len(shown),
                "y": [height for line in heights for height in line],
                "connectgaps": False,
                "line": {"color": colour, "width": width},
                "hoverinfo": "skip",
            }
        )
    layout = plain_layout(420, yaxis={"visible": False, "range": [-0.12, 1.12]})
    ticks = {"tickvals": list(range(len(names))), "ticktext": [escape(n) for n in names]}
    layout["xaxis"] |= ticks | {"range": [-0.3, len(names) - 0.7]}
    layout["annotations"] = [
        _end(column, *end) for column, name in enumerate(names) for end in _ends(space[name])
    ]
    return {"data": traces, "layout": layout}


def _height(field: Field, value: Any) -> float:
    """Find where in its field a value lies, 0 to 1, as the search sees it."""
    if isinstance(field, Choice):
        return field.values.index(value) / (len(field.values) - 1)
    if isinstance(field, LogUniform):
        return math.log(value / field.low) / math.log(field.high / field.low)
    return float((value - field.low) / (field.high - field.low))


def _ends(field: Field) -> tuple[tuple[float, str], tuple[float, str]]:
    values = field.values if isinstance(field, Choice) else (field.low, field.high)
    return (-0.06, write_number(values[0])), (1.06, write_number(values[-1]))


def _end(column: int, height: float, text: str) -> dict[str, Any]:
    font = {"color": "@soft", "size": 12}
    return {"x": column, "y": height, "text": text, "showarrow": False, "font": font}
