"""Plots of a network as plain Plotly figures (dicts); see ``plots`` for colours."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from coterie.data.dataset import Ints
from coterie.evaluation.phrases import escape
from coterie.evaluation.plots import ROW_PX, Figure, axis_title, plain_layout
from coterie.network.diffusion import Diffused
from coterie.network.layout import Picture
from coterie.network.spread import waves
from coterie.network.study import NetworkStructure

COLOURS: Final = (
    "#3b78b5", "#d1762e", "#4f9a55", "#b84a4a", "#8a6bb8", "#8f6a52",
    "#cf79ab", "#7c8a2c", "#2f9aa8", "#b59a2b", "#5d6fb0", "#c2604f",
)  # fmt: skip
"""Of the largest communities; all others are grey."""
_GREY: Final = "#8d8b86"
_STEPS: Final = 12


def network(picture: Picture, built: NetworkStructure, found: Diffused | None) -> Figure:
    """Draw people where the picture has them."""
    people = picture.people
    label = built.chosen.label[people]
    size = _sizes(picture, built, found)
    x, y = (np.round(picture.place[:, axis], 4) for axis in (0, 1))
    traces = [_ties(picture, x, y), _people(label, built.core[people], size, x, y)]
    layout = plain_layout(720)
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"visible": False, "range": [-1.2, 1.2]}
    layout |= {"showlegend": False, "hovermode": "closest", "dragmode": "pan"}
    layout["yaxis"]["scaleanchor"] = "x"
    if found is not None and found.seeds is not None:
        steps = waves(found.cascade, found.seeds.people, seed=1)[:_STEPS]
        traces.append(_reached())
        layout["sliders"] = [_slider(steps, picture, x, y, built.network.num_people)]
    return {"data": traces, "layout": layout, "config": {"scrollZoom": True}}


def _sizes(picture: Picture, built: NetworkStructure, found: Diffused | None) -> list[float]:
    """Make areas of dots grow with influence, or with acquaintances where none is known."""
    degree = built.network.degree.astype(np.float64)
    weight = degree if found is None else found.influence.given(built.network)
    weight = weight[picture.people]
    most = max(float(weight.max(initial=0.0)), 1e-9)
    sized: list[float] = np.round(4 + 18 * np.sqrt(weight / most), 1).tolist()
    return sized


def _ties(picture: Picture, x: Any, y: Any) -> dict[str, Any]:
    left, right = picture.pairs.T

    def line(values: Any) -> list[float | None]:
        both = np.stack([values[left], values[right], np.full(len(left), np.nan)], axis=1).ravel()
        return [None if np.isnan(one) else one for one in both.tolist()]

    return {
        "type": "scatter",
        "mode": "lines",
        "x": line(x),
        "y": line(y),
        "line": {"color": "@other", "width": 0.6},
        "opacity": 0.35,
        "hoverinfo": "skip",
    }


def _people(label: Ints, core: Ints, size: list[float], x: Any, y: Any) -> dict[str, Any]:
    coloured = [COLOURS[one] if one < len(COLOURS) else _GREY for one in label.tolist()]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x.tolist(),
        "y": y.tolist(),
        "marker": {"color": coloured, "size": size, "opacity": 0.9, "line": {"width": 0}},
        "customdata": np.stack([label + 1, core], axis=1).tolist(),
        "hovertemplate": "community %{customdata[0]}, core %{customdata[1]}<extra></extra>",
    }


def _reached() -> dict[str, Any]:
    """Draw rings around who was reached; the slider fills it."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [],
        "y": [],
        "marker": {
            "color": "rgba(0,0,0,0)",
            "size": 13,
            "line": {"color": "@ink", "width": 2},
        },
        "hoverinfo": "skip",
    }


def _slider(
    steps: Sequence[Ints], picture: Picture, x: Any, y: Any, num_people: int
) -> dict[str, Any]:
    position = np.full(num_people, -1, np.int64)
    position[picture.people] = np.arange(len(picture.people))
    found = [{"label": "before", "method": "restyle", "args": [{"x": [[]], "y": [[]]}, [2]]}]
    reached: list[int] = []
    total = 0
    for number, wave in enumerate(steps):
        total += len(wave)
        rows = position[wave]
        reached = reached + rows[rows >= 0].tolist()
        args = [{"x": [x[reached].tolist()], "y": [y[reached].tolist()]}, [2]]
        name = "chosen" if number == 0 else f"wave {number}"
        found.append({"label": f"{name}: {total:,}", "method": "restyle", "args": args})
    return {
        "active": 0,
        "steps": found,
        "x": 0.05,
        "len": 0.9,
        "pad": {"t": 10},
        "currentvalue": {"prefix": "reached, ", "font": {"size": 14, "color": "@ink"}},
        "font": {"color": "@soft"},
        "bgcolor": "@line",
        "activebgcolor": "@ours",
        "bordercolor": "@line",
        "tickcolor": "@line",
    }


def columns(values: Sequence[float], across: str, up: str) -> Figure:
    """Draw one column a whole number, from 0."""
    trace = {
        "type": "bar",
        "x": list(range(len(values))),
        "y": [float(one) for one in values],
        "marker": {"color": "@ours"},
        "hovertemplate": "%{x}: %{y:,.3~g}<extra></extra>",
    }
    layout = plain_layout(300, xaxis={"title": axis_title(across)}, yaxis={"title": axis_title(up)})
    return {"data": [trace], "layout": layout | {"showlegend": False, "bargap": 0.2}}


def signed(values: Mapping[str, float]) -> Figure:
    """Draw one bar a name, to the left of 0 or to the right."""
    figure = _bars(values, ".2f")
    figure["layout"]["xaxis"] |= {"zeroline": True, "zerolinecolor": "@ink"}
    return figure


def shares(values: Mapping[str, float]) -> Figure:
    """Draw one bar a name, in per cent."""
    figure = _bars(values, ".1%")
    figure["layout"]["xaxis"] |= {"tickformat": ".0%", "rangemode": "tozero"}
    return figure


def _bars(values: Mapping[str, float], form: str) -> Figure:
    rows = list(values.items())[::-1]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in rows],
        "y": [escape(name) for name, _ in rows],
        "text": [format(value, form) for _, value in rows],
        "textposition": "auto",
        "marker": {"color": "@ours"},
        "hovertemplate": f"%{{y}}: %{{x:{form}}}<extra></extra>",
    }
    layout = plain_layout(max(300, 90 + ROW_PX * len(rows)), xaxis={"nticks": 6})
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "ticklabelstandoff": 8}
    return {"data": [trace], "layout": layout | {"showlegend": False, "bargap": 0.35}}


def growth(moments: Sequence[Mapping[str, float]], name: str) -> Figure:
    """Draw a figure of the network over time."""
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [datetime.fromtimestamp(m["ts_ms"] / 1000, UTC).isoformat() for m in moments],
        "y": [m[name] for m in moments],
        "line": {"color": "@ours", "width": 2},
        "hovertemplate": "%{x|%e %b %Y}<br>%{y:,.3~s}<extra></extra>",
    }
    layout = plain_layout(300, yaxis={"rangemode": "tozero"})
    return {"data": [trace], "layout": layout | {"showlegend": False}}
