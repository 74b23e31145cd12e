"""Plots of shoppers' behaviour as plain Plotly figures (dicts); see ``plots`` for colours."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coterie.evaluation.network_plots import COLOURS
from coterie.evaluation.phrases import escape
from coterie.evaluation.plots import Figure, axis_title, plain_layout

_ABSENT: Final = "#8d8b86"


def moves(segments: Mapping[str, Any]) -> Figure:
    """Draw who went from which segment to which in the last month, as bands."""
    names = [one["name"] for one in segments["chosen"]]
    k = len(names)
    last = segments["moves"][-1]
    before = [*names, "not there yet"]
    source, target, value = [], [], []
    for one in range(k + 1):
        for other in range(k):
            if last[one][other]:
                source.append(one)
                target.append(k + 1 + other)
                value.append(last[one][other])
    colours = [*(COLOURS[at % len(COLOURS)] for at in range(k)), _ABSENT]
    trace = {
        "type": "sankey",
        "arrangement": "snap",
        "node": {
            "label": [escape(name) for name in [*before, *names]],
            "color": [*colours, *colours[:k]],
            "pad": 14,
            "thickness": 16,
            "line": {"width": 0},
            "hovertemplate": "%{label}: %{value:,}<extra></extra>",
        },
        "link": {
            "source": source,
            "target": target,
            "value": value,
            "color": [_faint(colours[one]) for one in source],
            "hovertemplate": "%{source.label} → %{target.label}: %{value:,}<extra></extra>",
        },
    }
    return {"data": [trace], "layout": plain_layout(420) | {"showlegend": False}}


def stability(segments: Mapping[str, Any], least: float) -> Figure:
    """Draw how far fits agree by the number of segments; that which was chosen is filled."""
    numbers = [int(k) for k in segments["stability"]]
    chosen = len(segments["chosen"])
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": numbers,
        "y": list(segments["stability"].values()),
        "line": {"color": "@ours", "width": 2},
        "marker": {
            "size": [14 if k == chosen else 9 for k in numbers],
            "color": ["@ours" if k == chosen else "@card" for k in numbers],
            "line": {"color": "@ours", "width": 2},
        },
        "hovertemplate": "%{x} segments: %{y:.2f}<extra></extra>",
    }
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": least, "y1": least}
    layout = plain_layout(
        320,
        xaxis={"title": axis_title("number of segments"), "dtick": 1},
        yaxis={"title": axis_title("adjusted Rand index"), "range": [0, 1.05]},
    )
    layout["shapes"] = [line | {"line": {"color": "@soft", "dash": "dot", "width": 1.5}}]
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def tastes(segments: Mapping[str, Any]) -> Figure:
    """Draw shares of purchases by category and segment as a heat map."""
    chosen = segments["chosen"]
    categories = list(chosen[0]["tastes"])
    shares = [[one["tastes"][name] for name in categories] for one in chosen][::-1]
    trace = {
        "type": "heatmap",
        "x": [escape(name) for name in categories],
        "y": [escape(one["name"]) for one in chosen][::-1],
        "z": shares,
        "zmin": 0,
        "colorscale": [[0, "rgba(59,120,181,0.04)"], [1, "#3b78b5"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "texttemplate": "%{z:.0%}",
        "hovertemplate": "%{y}<br>%{x}: %{z:.1%}<extra></extra>",
    }
    layout = plain_layout(max(300, 100 + 44 * len(chosen)))
    layout["yaxis"] |= {"showgrid": False, "ticklabelstandoff": 8}
    layout["xaxis"] |= {"showgrid": False}
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def reliability(chances: Mapping[str, Any]) -> Figure:
    """Draw what was foreseen against what happened: on the diagonal, chances are as said."""
    shown = (
        ("@ours", "circle", "solid"),
        ("@best", "square", "dash"),
        ("@other", "diamond", "dot"),
    )
    highest = max(
        max(one["foreseen"], one["happened"])
        for scores in chances.values()
        for one in scores["reliability"]
    )
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0, highest],
            "y": [0, highest],
            "name": "as said",
            "line": {"color": "@soft", "width": 1.5, "dash": "dot"},
            "hoverinfo": "skip",
        }
    ]
    for (name, scores), (colour, symbol, dash) in zip(chances.items(), shown, strict=False):
        bins = scores["reliability"]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [one["foreseen"] for one in bins],
                "y": [one["happened"] for one in bins],
                "line": {"color": colour, "width": 2, "dash": dash},
                "marker": {"size": 8, "symbol": symbol},
                "hovertemplate": "foreseen %{x:.1%}, happened %{y:.1%}<extra></extra>",
            }
        )
    layout = plain_layout(
        360,
        xaxis={"title": axis_title("foreseen"), "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"title": axis_title("happened"), "tickformat": ".0%", "rangemode": "tozero"},
    )
    return {"data": traces, "layout": layout}


def demand(series: Mapping[str, Any], end_ms: int) -> Figure:
    """Draw a series' weeks, then what is forecast, with its interval if it has one."""
    end = datetime.fromtimestamp(end_ms / 1000, UTC)
    past = series["past"]
    before = [(end - timedelta(weeks=len(past) - at)).isoformat() for at in range(len(past))]
    after = [(end + timedelta(weeks=at)).isoformat() for at in range(len(series["expected"]))]
    # The forecast begins where the past ends, so that the line does not break.
    ahead, now = [before[-1], *after], [past[-1]]
    traces = [
        *(_band(ahead, now, series) if series["low"] else ()),
        _line(before, past, "bought", "@ink", {"width": 2}),
        _line(
            ahead, [*now, *series["expected"]], "expected", "@ours", {"width": 2.5, "dash": "dash"}
        ),
    ]
    layout = plain_layout(280, yaxis={"rangemode": "tozero"})
    return {"data": traces, "layout": layout | {"showlegend": False}}


def _band(
    ahead: Sequence[str], now: Sequence[float], series: Mapping[str, Any]
) -> list[dict[str, Any]]:
    return [
        _line(ahead, [*now, *series["high"]], "", "@ours", {"width": 0}),
        _line(ahead, [*now, *series["low"]], "interval", "@ours", {"width": 0})
        | {"fill": "tonexty", "fillcolor": "rgba(59,120,181,0.22)", "showlegend": True},
    ]


def _line(
    x: Sequence[str], y: Sequence[float], name: str, colour: str, line: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "name": name,
        "line": {"color": colour} | dict(line),
        "hovertemplate": "%{x|%e %b %Y}: %{y:,.0f}<extra></extra>" if name else None,
        "hoverinfo": None if name else "skip",
    }


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.35)"
