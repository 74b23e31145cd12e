"""Plots of a network as plain Plotly figures (dicts); see ``plots`` for colours."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from coterie.evaluation.phrases import escape
from coterie.evaluation.plots import ROW_PX, Figure, axis_title, plain_layout
from coterie.network.diffusion import Diffused
from coterie.network.layout import Picture
from coterie.network.spread import waves as spread_of
from coterie.network.study import NetworkStructure

COLOURS: Final = (
    "#3b78b5", "#d1762e", "#4f9a55", "#b84a4a", "#8a6bb8", "#8f6a52",
    "#cf79ab", "#7c8a2c", "#2f9aa8", "#b59a2b", "#5d6fb0", "#c2604f",
)  # fmt: skip
"""Of the largest communities; all others are grey."""
_GREY: Final = "#8d8b86"
_WAVES: Final = 12


def picture_data(
    picture: Picture, built: NetworkStructure, found: Diffused | None
) -> dict[str, Any]:
    """Tell the page's script who is drawn where, how, and who is reached when.

    No id of anybody is among it.
    """
    people = picture.people
    label = built.chosen.label[people]
    waves: list[list[int]] = []
    reached: list[int] = []
    if found is not None and found.seeds is not None:
        position = np.full(built.network.num_people, -1, np.int64)
        position[people] = np.arange(len(people))
        for wave in spread_of(found.cascade, found.seeds.people, seed=1)[:_WAVES]:
            drawn = position[wave]
            waves.append(drawn[drawn >= 0].tolist())
            reached.append(len(wave))
    return {
        "x": np.round(picture.place[:, 0], 4).tolist(),
        "y": np.round(picture.place[:, 1], 4).tolist(),
        "size": _sizes(picture, built, found),
        "colour": [COLOURS[one] if one < len(COLOURS) else _GREY for one in label.tolist()],
        "community": (label + 1).tolist(),
        "core": built.core[people].tolist(),
        "pairs": picture.pairs.tolist(),
        "waves": waves,
        "reached": reached,
    }


def _sizes(picture: Picture, built: NetworkStructure, found: Diffused | None) -> list[float]:
    """Make areas of dots grow with influence, or with acquaintances where none is known."""
    degree = built.network.degree.astype(np.float64)
    weight = degree if found is None else found.influence.given(built.network)
    weight = weight[picture.people]
    most = max(float(weight.max(initial=0.0)), 1e-9)
    sized: list[float] = np.round(1.6 + 7 * np.sqrt(weight / most), 1).tolist()
    return sized


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
