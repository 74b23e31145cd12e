"""The report's plots as plain Plotly figures (dicts); colours are names that the page fills in.

A colour such as ``@ours`` is a CSS variable of the page, so that light and dark are one figure.
Models differ by symbol and dash as well as by colour.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from coterie.evaluation.phrases import (
    escape,
    is_sure,
    name_metric,
    name_model,
    write_change,
    write_change_interval,
    write_p,
)
from coterie.evaluation.results import Comparison, ShopperGroup
from coterie.evaluation.significance import Estimate, PairedTest

Figure = dict[str, Any]
SIGNS = {
    "circle": "\N{BLACK CIRCLE}",
    "diamond": "\N{BLACK DIAMOND}",
    "square": "\N{BLACK SQUARE}",
    "triangle-up": "\N{BLACK UP-POINTING TRIANGLE}",
    "cross": "\N{HEAVY GREEK CROSS}",
    "x": "\N{HEAVY MULTIPLICATION X}",
    "triangle-down": "\N{BLACK DOWN-POINTING TRIANGLE}",
    "star": "\N{BLACK STAR}",
}
"""Plotly's symbols as characters, for a key outside a plot."""
SYMBOLS = ("square", "triangle-up", "cross", "x", "triangle-down", "star")
DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot", "dash")
ROW_PX = 40
BASIS = 0.2


def style_of(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Colour, symbol, dash and width of each model: ours stands out, the best baseline next."""
    others = [m for m in comparison.models if m not in (comparison.ours, comparison.without_ties)]
    styles = {
        comparison.ours: _style("@ours", "circle", "solid", 3),
        comparison.without_ties: _style("@noties", "diamond", "dash", 2.5),
    }
    for number, model in enumerate(others):
        colour = "@best" if model == comparison.best_baseline else "@other"
        index = number % len(SYMBOLS)
        styles[model] = _style(colour, SYMBOLS[index], DASHES[index], 2)
    return {model: styles[model] for model in comparison.models}


def _style(colour: str, symbol: str, dash: str, width: float) -> dict[str, Any]:
    return {"colour": colour, "symbol": symbol, "dash": dash, "width": width}


def ranked(comparison: Comparison) -> list[str]:
    """Rank models, best on the primary metric first."""
    return sorted(comparison.models, key=lambda m: -comparison.mean(m))


def forest(comparison: Comparison, metric: str) -> Figure:
    """Draw one row a model, best on top: its figure and interval."""
    styles, traces = style_of(comparison), []
    for model in reversed(ranked(comparison)):
        figure = comparison.models[model][metric]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name_model(model),
                "x": [figure.mean],
                "y": [name_model(model)],
                "marker": _marker(styles[model], 12),
                "error_x": error_bars([figure], styles[model]["colour"]),
                "hovertemplate": f"%{{y}}<br>{name_metric(metric)} %{{x:.4f}}<extra></extra>",
            }
        )
    layout = plain_layout(
        80 + ROW_PX * len(traces), xaxis={"title": axis_title(name_metric(metric))}
    )
    layout["xaxis"] |= {"rangemode": "tozero", "nticks": 6}
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "ticklabelstandoff": 8}
    return {"data": traces, "layout": layout | {"showlegend": False}}


def in_group(comparison: Comparison, kind: str) -> list[str]:
    """List the models that a kind of group was judged with, best over all shoppers first."""
    judged = comparison.groups[kind][0].models
    return [model for model in ranked(comparison) if model in judged]


def by_group(comparison: Comparison, kind: str, metric: str) -> Figure:
    """Draw one column a group of shoppers, one marker a model."""
    groups, styles = comparison.groups[kind], style_of(comparison)
    labels = [f"{escape(g.label)}<br>{g.num_shoppers:,} shoppers" for g in groups]
    traces = []
    for number, model in enumerate(in_group(comparison, kind)):
        figures = [group.models[model][metric] for group in groups]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name_model(model),
                "x": labels,
                "y": [f.mean for f in figures],
                "offsetgroup": str(number),
                "marker": _marker(styles[model], 10),
                "error_y": error_bars(figures, styles[model]["colour"]),
                "hovertemplate": f"{name_model(model)}<br>%{{y:.4f}}<extra></extra>",
            }
        )
    layout = plain_layout(380, yaxis={"title": axis_title(name_metric(metric))})
    layout["yaxis"] |= {"rangemode": "tozero"}
    layout["xaxis"] |= {"showgrid": False, "type": "category"}
    return {"data": traces, "layout": layout | {"scattermode": "group", "scattergap": 0.25}}


def changes(tests: Sequence[tuple[str, PairedTest]], colour: str) -> Figure:
    """Draw one row a group: how much better one model is than another, in percent.

    Filled markers are differences unlikely to be chance. Groups in which the other model has less
    than BASIS of what it has in the first row are left out: their percentages would be thousands.
    """
    basis = BASIS * max((test.other for _, test in tests[:1]), default=0.0)
    rows = [
        (label, test)
        for label, test in reversed(tests)
        if test.relative is not None and test.other >= basis
    ]
    shares = [test.relative for _, test in rows if test.relative is not None]
    percent = [_scaled(share, 100) for share in shares]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [p.mean for p in percent],
        "y": [label for label, _ in rows],
        "marker": {
            "color": [colour if is_sure(test) else "@card" for _, test in rows],
            "size": 12,
            "line": {"color": colour, "width": 2.5},
        },
        "error_x": error_bars(percent, colour),
        "text": [
            f"{write_change(t)}<br>{write_change_interval(t)}<br>{write_p(t.p_value)}"
            for _, t in rows
        ],
        "hovertemplate": "%{y}<br>%{text}<extra></extra>",
    }
    layout = plain_layout(90 + ROW_PX * len(rows), xaxis={"ticksuffix": " %", "nticks": 7})
    layout["xaxis"] |= {"zeroline": True, "zerolinecolor": "@ink", "zerolinewidth": 1.5}
    layout["xaxis"] |= {"range": _in_view(percent)}
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "ticklabelstandoff": 8}
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def _in_view(figures: Sequence[Estimate]) -> list[float]:
    """Choose a range with every marker and most whiskers.

    A tiny group's would press all others onto the zero line.
    """
    means = np.array([f.mean for f in figures] or [0.0])
    lows = np.array([f.mean if f.low is None else f.low for f in figures] or [0.0])
    highs = np.array([f.mean if f.high is None else f.high for f in figures] or [0.0])
    reach = 3 * float(np.median(np.maximum(np.abs(lows), np.abs(highs))))
    low = max(min(float(lows.min()), 0.0), min(float(means.min()), -reach))
    high = min(max(float(highs.max()), 0.0), max(float(means.max()), reach))
    room = 0.06 * (high - low) or 1.0
    return [low - room, high + room]


def group_tests(
    comparison: Comparison, tests: Mapping[str, PairedTest], lift: bool
) -> list[tuple[str, PairedTest]]:
    """List tests: all shoppers first, then each group that the test could be made for."""
    found = [("all shoppers", tests[comparison.primary])] if comparison.primary in tests else []
    for kind, groups in comparison.groups.items():
        for group in groups:
            test = group.lift if lift else group.against_baseline
            if test is not None:
                found.append((label_group(kind, group), test))
    return found


def label_group(kind: str, group: ShopperGroup) -> str:
    """Label a group as ``friends 1-5``; activity bands have names of their own."""
    return escape(group.label if kind == "activity" else f"{kind}: {group.label}")


def trade_off(comparison: Comparison, across: str) -> Figure:
    """Draw accuracy against another quality, one marker a model."""
    styles, traces = style_of(comparison), []
    for model in ranked(comparison):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name_model(model),
                "x": [comparison.mean(model, across)],
                "y": [comparison.mean(model)],
                "marker": _marker(styles[model], 14),
                "cliponaxis": False,
                "hovertemplate": f"{name_model(model)}<br>%{{x:.4f}}, %{{y:.4f}}<extra></extra>",
            }
        )
    layout = plain_layout(
        300,
        xaxis={"title": axis_title(name_metric(across))},
        yaxis={"title": axis_title(name_metric(comparison.primary))},
    )
    layout["xaxis"] |= {"nticks": 5}
    layout["yaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": layout | {"showlegend": False}}


def recall_curves(comparison: Comparison) -> Figure:
    """Draw recall by the length of the list, one line a model."""
    styles, traces = style_of(comparison), []
    for model in ranked(comparison):
        curve, style = comparison.recall_curves[model], styles[model]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name_model(model),
                "x": list(range(1, len(curve) + 1)),
                "y": curve,
                "line": {"color": style["colour"], "dash": style["dash"], "width": style["width"]},
                "marker": _marker(style, 6),
                "hovertemplate": "%{y:.4f}",
            }
        )
    layout = plain_layout(
        420,
        xaxis={"title": axis_title("length of the list")},
        yaxis={"title": axis_title("recall")},
    )
    layout["yaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": layout | {"hovermode": "x unified"}}


def training_curve(epochs: Sequence[Mapping[str, Any]], best_epoch: int, value: str) -> Figure:
    """Draw a model's loss, or validation score, by epoch; a line marks the epoch that was kept."""
    known = [e for e in epochs if e.get(value) is not None]
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [e["epoch"] for e in known],
        "y": [e[value] for e in known],
        "line": {"color": "@ours", "width": 2.5},
        "marker": {"size": 5},
        "hovertemplate": "epoch %{x}<br>%{y:.4f}<extra></extra>",
    }
    name = "loss" if value == "loss" else "validation score"
    layout = plain_layout(
        300, xaxis={"title": axis_title("epoch")}, yaxis={"title": axis_title(name)}
    )
    layout["shapes"] = [
        {"type": "line", "xref": "x", "yref": "paper", "x0": best_epoch, "x1": best_epoch}
        | {"y0": 0, "y1": 1, "line": {"color": "@noties", "dash": "dot", "width": 2}}
    ]
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def bars(counts: Mapping[str, float], about: str) -> Figure:
    """Draw one horizontal bar a name, the longest on top."""
    rows = sorted(counts.items(), key=lambda row: row[1])
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [n for _, n in rows],
        "y": [escape(name) for name, _ in rows],
        "text": [f"{n:,.0f}" for _, n in rows],
        "textposition": "auto",
        "marker": {"color": "@ours"},
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
    }
    layout = plain_layout(
        90 + ROW_PX * len(rows), xaxis={"title": axis_title(escape(about)), "nticks": 6}
    )
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "ticklabelstandoff": 8}
    return {"data": [trace], "layout": layout | {"showlegend": False, "bargap": 0.35}}


def over_time(starts: Sequence[str], counts: Sequence[float]) -> Figure:
    """Draw how many events each stretch of time had."""
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(starts),
        "y": list(counts),
        "line": {"color": "@ours", "width": 2},
        "fill": "tozeroy",
        "fillcolor": "@wash",
        "hovertemplate": "%{x|%e %b %Y}<br>%{y:,} events<extra></extra>",
    }
    layout = plain_layout(300, yaxis={"title": axis_title("events"), "rangemode": "tozero"})
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def degrees(counts: Iterable[float], about: str) -> Figure:
    """Draw how many have each degree, on logarithmic scales, where degree 0 cannot stand."""
    points = [(degree, n) for degree, n in enumerate(counts) if degree and n]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [degree for degree, _ in points],
        "y": [float(n) for _, n in points],
        "marker": {"color": "@ours", "size": 7, "opacity": 0.75},
        "hovertemplate": "%{x:,}: %{y:,}<extra></extra>",
    }
    log = {"type": "log", "dtick": 1, "tickformat": "~s"}
    layout = plain_layout(
        300, xaxis={"title": axis_title(escape(about))}, yaxis={"title": axis_title("how many")}
    )
    layout["xaxis"] |= log
    layout["yaxis"] |= log
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def _scaled(figure: Estimate, factor: float) -> Estimate:
    low = None if figure.low is None else figure.low * factor
    high = None if figure.high is None else figure.high * factor
    return Estimate(figure.mean * factor, low, high)


def error_bars(figures: Sequence[Estimate], colour: str) -> dict[str, Any]:
    """Write intervals as Plotly draws them, around the means."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if f.high is None else f.high - f.mean for f in figures],
        "arrayminus": [0.0 if f.low is None else f.mean - f.low for f in figures],
        "color": colour,
        "thickness": 2,
        "width": 5,
    }


def _marker(style: Mapping[str, Any], size: int) -> dict[str, Any]:
    return {"color": style["colour"], "symbol": style["symbol"], "size": size}


def axis_title(text: str) -> dict[str, Any]:
    """Write the words beside an axis."""
    return {"text": text, "standoff": 14, "font": {"size": 13, "color": "@soft"}}


def plain_layout(height: int, **axes: dict[str, Any]) -> dict[str, Any]:
    """Make the layout that all figures share; ``xaxis`` and ``yaxis`` add to theirs."""
    plain = {"gridcolor": "@grid", "linecolor": "@line", "zeroline": False, "automargin": True}
    layout: dict[str, Any] = {"height": height, "margin": {"l": 16, "r": 24, "t": 16, "b": 16}}
    for name in ("xaxis", "yaxis"):
        layout[name] = plain | axes.get(name, {})
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    return layout
