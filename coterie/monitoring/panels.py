"""Dashboards as plain values, in the form of Grafana 10 and later."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from coterie import metric_names

SCHEMA_VERSION: Final = 39
"""Of Grafana 10.4; later ones read it."""
WIDTH: Final = 24
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
Kind = Literal["timeseries", "stat", "bargauge"]
Steps = Sequence[tuple[float | None, str]]
"""Colours from a value on; the first value is None."""
FINE: Final[Steps] = ((None, "green"),)


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One PromQL expression and the name of its lines."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture."""

    title: str
    about: str
    """What it means, and what to think of it; shown beside the title."""
    queries: Sequence[PanelQuery]
    unit: str = "short"
    """Of Grafana's: s, percentunit, reqps, ..."""
    kind: Kind = "timeseries"
    steps: Steps = FINE
    """Where values begin to be bad; drawn as lines in a time series."""
    width: int = 8
    height: int = 8
    stacked: bool = False
    most: float | None = None
    """Top of the axis."""
    named: bool = False
    """Whether a stat shows the name of its line in the place of its value."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page."""

    name: str
    """Of its file; its uid is made of it, so that links stay good."""
    title: str
    about: str
    rows: Sequence[Row]
    span: str = "now-6h"
    tags: Sequence[str] = field(default=("coterie",))

    @property
    def panels(self) -> Iterator[Panel]:
        """All of them."""
        return (panel for row in self.rows for panel in row.panels)

    def as_json(self) -> dict[str, Any]:
        """Make what Grafana reads."""
        return {
            "uid": f"coterie-{self.name}",
            "title": self.title,
            "description": self.about,
            "tags": list(self.tags),
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "timezone": "browser",
            "time": {"from": self.span, "to": "now"},
            "templating": {"list": [_DATASOURCE]},
            "annotations": {"list": [_ROLLBACKS]},
            "links": [_LINK],
            "panels": list(_laid_out(self.rows)),
        }


_DATASOURCE: Final = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
    "refresh": 1,
}
_BACK: Final = f'{metric_names.ROLLOUT_STATE}{{phase="rolled_back"}}'
ROLLBACKS: Final = f"max({_BACK}) > max({_BACK} offset 1m)"
_ROLLBACKS: Final = {
    "name": "Rollbacks",
    "datasource": SOURCE,
    "enable": True,
    "expr": ROLLBACKS,
    "iconColor": "red",
    "titleFormat": "Rolled back",
}
_LINK: Final = {
    "title": "Coterie",
    "type": "dashboards",
    "tags": ["coterie"],
    "asDropdown": True,
    "keepTime": True,
    "includeVars": True,
}


def _laid_out(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Lay panels out from left to right, then down."""
    y, number = 0, 1
    for row in rows:
        yield _heading(row.title, number, y)
        y, x, number, tallest = y + 1, 0, number + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                y, x, tallest = y + tallest, 0, 0
            yield _drawn(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            x, number, tallest = x + panel.width, number + 1, max(tallest, panel.height)
        y += tallest


def _heading(title: str, number: int, y: int) -> dict[str, Any]:
    position = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "gridPos": position, "collapsed": False,
            "panels": []}  # fmt: skip


def _drawn(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in panel.steps],
        },
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["color"] = {"mode": "palette-classic"}
        defaults["custom"] = _lines(panel)
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind] | ({"textMode": "name"} if panel.named else {}),
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "range": panel.kind == "timeseries",
                "instant": panel.kind != "timeseries",
            }
            for n, query in enumerate(panel.queries)
        ],
    }


def _lines(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if len(panel.steps) > 1 else "off"},
    }


_REDUCED: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[dict[Kind, dict[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _REDUCED,
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
    },
    "bargauge": {
        "reduceOptions": _REDUCED,
        "displayMode": "basic",
        "orientation": "horizontal",
        "showUnfilled": True,
    },
}
