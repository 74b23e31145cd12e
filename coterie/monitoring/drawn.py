"""The dashboards as HTML files, drawn from a Prometheus: a look where there is no Grafana."""

import html
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from coterie.errors import UnavailableError
from coterie.http_client import HttpClient
from coterie.monitoring.panels import Dashboard, Panel, PanelQuery

TIMEOUT_S: Final = 15.0
POINTS: Final = 240
VARIABLES: Final = {"$__rate_interval": "30s", "$__interval": "15s", "$__range": "15m"}
"""Grafana's own, as they stand for a look at some minutes."""
UNITS: Final = {"percentunit": (".0%", ""), "s": (".3~s", "s"), "reqps": (".3~s", "/s")}
"""Grafana's unit to the format and the suffix of an axis."""
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<script>{plotly}</script><style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fafaf8 }}
main {{ display: grid; grid-template-columns: repeat(24, 1fr); gap: .75rem }}
h2 {{ grid-column: 1 / -1; margin: .75rem 0 0; font-size: 1rem }}
section {{ background: #fff; border: 1px solid #e5e3de; border-radius: 8px; padding: .6rem;
  min-width: 0 }}
h3 {{ margin: 0; font-size: .9rem }} p {{ margin: .1rem 0 .4rem; color: #666; font-size: .75rem }}
</style><h1>{title}</h1><p>{about}</p><main>{body}</main></html>
"""


def draw(prometheus: str, dashboards: tuple[Dashboard, ...], out: str, minutes: float) -> list[str]:
    """Write each dashboard as a page, and name the files.

    Args:
        prometheus: Base URL of the server.
        dashboards: What to draw.
        out: Folder.
        minutes: How far back from now.

    Raises:
        BadInputError: The server refused a query.
        UnavailableError: The server did not answer.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dashboard in dashboards:
        body = "".join(_sections(prometheus, dashboard, minutes))
        page = _PAGE.format(
            title=html.escape(dashboard.title),
            about=html.escape(dashboard.about),
            plotly=get_plotlyjs(),
            body=body,
        )
        path = folder / f"{dashboard.name}.html"
        path.write_text(page)
        paths.append(str(path))
    return paths


def _sections(prometheus: str, dashboard: Dashboard, minutes: float) -> Iterator[str]:
    for row in dashboard.rows:
        yield f"<h2>{html.escape(row.title)}</h2>"
        for panel in row.panels:
            figure = _figure(prometheus, panel, minutes).to_html(
                full_html=False, include_plotlyjs=False, config={"displayModeBar": False}
            )
            yield (
                f'<section style="grid-column: span {panel.width}"><h3>{html.escape(panel.title)}'
                f"</h3><p>{html.escape(panel.about)}</p>{figure}</section>"
            )


def _figure(prometheus: str, panel: Panel, minutes: float) -> go.Figure:
    figure = go.Figure()
    for query in panel.queries:
        for name, times, values in _series(prometheus, query, minutes):
            figure.add_scatter(
                x=times,
                y=values,
                name=name,
                mode="lines",
                stackgroup="1" if panel.stacked else None,
            )
    for value, color in panel.steps:
        if value is not None:
            figure.add_hline(y=value, line={"color": color, "dash": "dash", "width": 1})
    tick, suffix = UNITS.get(panel.unit, (".3~s", ""))
    figure.update_layout(
        height=panel.height * 30,
        margin={"l": 10, "r": 10, "t": 5, "b": 5},
        template="plotly_white",
        legend={"orientation": "h", "font": {"size": 10}, "y": -0.2, "yanchor": "top"},
        xaxis={"tickformat": "%H:%M:%S", "nticks": 4, "tickangle": 0},
        showlegend=True,
        yaxis={"rangemode": "tozero", "tickformat": tick, "ticksuffix": suffix, "automargin": True},
    )
    return figure


def _series(
    prometheus: str, query: PanelQuery, minutes: float
) -> Iterator[tuple[str, list[Any], list[float]]]:
    """Ask for a query: name, times and values of each of its lines."""
    expression = query.expr
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    now = time.time()
    asked = {
        "query": expression,
        "start": now - minutes * 60,
        "end": now,
        "step": max(1.0, minutes * 60 / POINTS),
    }
    answer = HttpClient(prometheus, TIMEOUT_S).get("/api/v1/query_range", **asked).checked()
    try:
        found = answer.json()["data"]["result"]
    except (KeyError, TypeError) as error:
        raise UnavailableError(f"{prometheus} is no Prometheus: it answers otherwise") from error
    for line in found:
        labels = {n: v for n, v in line["metric"].items() if n != "__name__"}
        name = query.legend or ", ".join(labels.values()) or line["metric"].get("__name__", "all")
        for label, value in labels.items():
            name = name.replace("{{" + label + "}}", value).replace("{{ " + label + " }}", value)
        times = [time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) for at, _ in line["values"]]
        yield name, times, [float(value) for _, value in line["values"]]
