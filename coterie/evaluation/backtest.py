"""Week by week: what would have been recommended, against what shoppers then took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import mean
from typing import Any

from coterie.data.circle import EVERYBODY, CircleRule
from coterie.evaluation import blocks, plots
from coterie.evaluation.blocks import Cell, Plots
from coterie.evaluation.phrases import (
    escape,
    name_metric,
    name_model,
    write_interval,
    write_metric,
)
from coterie.evaluation.results import Comparison
from coterie.files import write_atomically
from coterie.offpolicy.estimators import ValueEstimate


@dataclass(frozen=True, slots=True)
class Week:
    """One week, foreseen from all before it."""

    start_ms: int
    """Its first moment, milliseconds since 1970, UTC."""
    events: int
    """Number of events that models had seen."""
    comparison: Comparison
    earned: Mapping[str, ValueEstimate] = field(default_factory=dict)
    """By model, what its lists would have earned in the place of those that were shown that week;
    none where no log was given, or the log tells too little of a model."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By model, why there is none."""

    @property
    def day(self) -> str:
        """Its first day, as 2026-01-31."""
        return datetime.fromtimestamp(self.start_ms / 1000, UTC).strftime("%Y-%m-%d")


def means(weeks: Sequence[Week], metric: str) -> dict[str, float]:
    """Average each model over weeks; every week counts the same."""
    models = weeks[0].comparison.models
    return {m: mean(week.comparison.mean(m, metric) for week in weeks) for m in models}


def write_backtest(weeks: Sequence[Week], out: str) -> None:
    """Draw the report.

    Args:
        weeks: At least one, oldest first, all of the same models.
        out: The HTML file.
    """
    write_atomically(out, render(weeks))


def render(weeks: Sequence[Week]) -> str:
    """Render the report as HTML."""
    first, drawn = weeks[0].comparison, Plots()
    k = max(first.ks)
    metrics = [first.primary, *(m for m in (f"recall@{k}",) if m != first.primary)]
    parts = [_part(weeks, metric, drawn) for metric in metrics]
    if any(week.earned or week.refused for week in weeks):
        parts.append(_earned(weeks))
    body = (
        f"<header>{_headline(weeks)}</header>\n<main>{''.join(parts)}{_method(weeks)}</main>\n"
        "<footer>Made by Coterie. This file loads nothing from anywhere.</footer>"
    )
    return blocks.page("Backtest", body, drawn)


def _headline(weeks: Sequence[Week]) -> str:
    first = weeks[0].comparison
    over = means(weeks, first.primary)
    best = max(over, key=lambda model: over[model])
    won = sum(plots.ranked(week.comparison)[0] == best for week in weeks)
    lead = (
        f"Over {len(weeks)} weeks from {weeks[0].day} on, <strong>{name_model(best)}</strong> "
        f"ranked best on average, and in {won} of them."
    )
    cards = [
        blocks.card(name_model(model), write_metric(first.primary, value), "mean over weeks")
        for model, value in sorted(over.items(), key=lambda one: -one[1])
    ]
    return (
        '<p class="eyebrow">Coterie backtest</p><h1>Past weeks, foreseen</h1>'
        f'<p class="lead">{lead}</p><div class="cards">{"".join(cards)}</div>'
    )


def _part(weeks: Sequence[Week], metric: str, drawn: Plots) -> str:
    models = list(weeks[0].comparison.models)
    figure = over_weeks(weeks, metric)
    rows = [(("", week.day, _cells(week, models, metric))) for week in weeks]
    over = means(weeks, metric)
    last = [Cell(write_metric(metric, over[model])) for model in models]
    rows.append(("ours", "mean", [*last, Cell(""), Cell("")]))
    head = ["week from", *map(name_model, models), "shoppers judged", "events known"]
    title = escape(name_metric(metric))
    return blocks.section(
        f"by-week-{metric.replace('@', '-')}",
        title,
        "Each week's figure with its interval; models had seen nothing of that week.",
        drawn.add(figure, f"{title} by week"),
        blocks.table(head, rows, f"{title} of each model, week by week"),
    )


def _cells(week: Week, models: Sequence[str], metric: str) -> list[Cell]:
    best = max(models, key=lambda model: week.comparison.mean(model, metric))
    figures = [week.comparison.models[model][metric] for model in models]
    cells = [
        Cell(
            write_metric(metric, figure.mean),
            write_interval(metric, figure),
            "top" if model == best else "",
        )
        for model, figure in zip(models, figures, strict=True)
    ]
    return [*cells, Cell(f"{week.comparison.num_shoppers:,}"), Cell(f"{week.events:,}")]


def _earned(weeks: Sequence[Week]) -> str:
    models = list(weeks[0].comparison.models)
    rows = [("", week.day, [_estimated(week, model) for model in models]) for week in weeks]
    why = sorted({one for week in weeks for one in week.refused.values()})
    return blocks.section(
        "earned",
        "What their lists would have earned",
        "Estimated from the lists that were shown that week, a list, with its interval: see "
        "docs/off-policy.md. " + escape(" ".join(f"{one}." for one in why)),
        blocks.table(
            ["week from", *map(name_model, models)], rows, "Estimated earnings a list, by week"
        ),
    )


def _estimated(week: Week, model: str) -> Cell:
    found = week.earned.get(model)
    if found is None:
        return Cell("too little overlap" if model in week.refused else "")
    return Cell(f"{found.value:.4f}", f"{found.low:.4f} to {found.high:.4f}")


def over_weeks(weeks: Sequence[Week], metric: str) -> plots.Figure:
    """Draw a line a model, a point a week, with intervals."""
    styles: Mapping[str, Mapping[str, Any]] = plots.style_of(weeks[0].comparison)
    days = [week.day for week in weeks]
    traces = []
    for model in weeks[0].comparison.models:
        style = styles[model]
        figures = [week.comparison.models[model][metric] for week in weeks]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name_model(model),
                "x": days,
                "y": [figure.mean for figure in figures],
                "error_y": plots.error_bars(figures, style["colour"]),
                "line": {
                    "color": style["colour"],
                    "dash": style["dash"],
                    "width": style["width"],
                },
                "marker": {"color": style["colour"], "symbol": style["symbol"], "size": 8},
                "hovertemplate": "%{x|%e %b %Y}<br>%{y:.4f}<extra>%{fullData.name}</extra>",
            }
        )
    layout = plots.plain_layout(
        380,
        xaxis={"title": plots.axis_title("week from"), "type": "date"},
        yaxis={"title": plots.axis_title(escape(name_metric(metric))), "rangemode": "tozero"},
    )
    return {"data": traces, "layout": layout | {"showlegend": True}}


def _method(weeks: Sequence[Week]) -> str:
    # A week's ties may all be mutual: the rule left nobody out there, and is not written down.
    rules = [CircleRule.from_json(week.comparison.circle) for week in weeks]
    drawn_on = next((rule for rule in rules if rule != EVERYBODY), EVERYBODY).in_words()
    return blocks.section(
        "method",
        "How it was measured",
        "For each week every model is fitted twice, as for a release: on all but the week before "
        "it, which chooses what is to be chosen, then on all before it. Judged are shoppers and "
        "items known by then, and each shopper's first liking of an item, or the next one of what "
        f"may be listed again. {escape(drawn_on)}.",
        blocks.facts(
            {
                "weeks": str(len(weeks)),
                "first": weeks[0].day,
                "last": weeks[-1].day,
                "items": f"{weeks[0].comparison.num_items:,}",
            }
        ),
    )
