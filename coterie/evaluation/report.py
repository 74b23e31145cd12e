"""The report: one HTML file that says how good the lists are, for whom, and how sure that is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coterie.errors import BadInputError
from coterie.evaluation import blocks, plots, sections
from coterie.evaluation.blocks import Plots
from coterie.evaluation.phrases import escape, name_model, write_number
from coterie.evaluation.results import Comparison
from coterie.files import write_atomically


def report(
    comparisons: Comparison | Sequence[Comparison],
    figures: Mapping[str, Any],
    path: str | Path,
    *,
    shop: Mapping[str, Any] | None = None,
    training: Mapping[str, Mapping[str, Any]] | None = None,
    title: str | None = None,
) -> None:
    """Write a self-contained report; it is drawn by the reader's browser, offline.

    Args:
        comparisons: One or several (the same shop by another split, say), the first in front.
        figures: Of the graph, by name: numbers go to a table, arrays are degree counts (entry d:
            how many have degree d). ``graph.figures`` has both.
        path: Of the HTML file; replaced when it is whole.
        shop: Events by kind and over time; see ``shop.shop_figures``.
        training: Model to its training history as JSON (``epochs``, ``best_epoch``).
        title: Of the page; the data set's name if none is given.

    Raises:
        BadInputError: There is no comparison.
    """
    listed = [comparisons] if isinstance(comparisons, Comparison) else list(comparisons)
    if not listed:
        raise BadInputError("a report needs at least one comparison")
    write_atomically(path, render(listed, figures, shop or {}, training or {}, title))


def render(
    comparisons: Sequence[Comparison],
    figures: Mapping[str, Any],
    shop: Mapping[str, Any],
    training: Mapping[str, Mapping[str, Any]],
    title: str | None,
) -> str:
    """Render the report as text; arguments as in :func:`report`."""
    drawn = Plots()
    first, named = comparisons[0], escape(title or comparisons[0].name)
    parts: list[tuple[str, str, str]] = []
    for number, comparison in enumerate(comparisons):
        prefix = "" if number == 0 else f"split{number + 1}-"
        suffix = "" if len(comparisons) == 1 else f" ({escape(comparison.name)})"
        parts += sections.of_comparison(comparison, drawn, prefix, suffix)
    parts += _training(training, drawn)
    parts += _data(figures, shop, drawn)
    parts.append(("method", "How it was measured", sections.method(first)))
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, _ in parts)
    body = (
        f"<header>{sections.headline(first, named)}"
        f'<nav aria-label="Contents">{links}</nav></header>\n<main>'
        "<noscript><p>Plots need JavaScript; the numbers of every model also stand in tables.</p>"
        f"</noscript>{''.join(content for _, _, content in parts)}</main>\n"
        "<footer>Made by Coterie. This file loads nothing from anywhere.</footer>"
    )
    return blocks.page(f"{named}: evaluation report", body, drawn)


def _training(
    training: Mapping[str, Mapping[str, Any]], drawn: Plots
) -> list[tuple[str, str, str]]:
    found = []
    for model, history in training.items():
        epochs, best = history["epochs"], history.get("best_epoch", 0)
        for value, what in (("score", "validation score"), ("loss", "training loss")):
            if any(e.get(value) is not None for e in epochs):
                figure = plots.training_curve(epochs, best, value)
                about = f"{len(epochs)} epochs; the dotted line is epoch {best}, which was kept"
                found.append(drawn.add(figure, f"{name_model(model)}: {what}", about))
    if not found:
        return []
    note = "Training stops when validation no longer gets better; the best epoch is kept."
    return [
        (
            "training",
            "Training",
            blocks.section("training", "Training", note, blocks.beside(*found)),
        )
    ]


def _data(
    figures: Mapping[str, Any], shop: Mapping[str, Any], drawn: Plots
) -> list[tuple[str, str, str]]:
    numbers = {k: v for k, v in figures.items() if np.ndim(v) == 0}
    counts = {k: np.asarray(v).tolist() for k, v in figures.items() if np.ndim(v) == 1}
    found = []
    if shop.get("events_by_kind"):
        note = "What shoppers did, and when. Lists are judged by what was taken, not by views."
        found.append(
            ("events", "Events", blocks.section("events", "Events", note, _shop(shop, drawn)))
        )
    if figures:
        note = "Who knows whom, and whether people who know each other take the same things."
        named = {_name(key): write_number(value) for key, value in numbers.items()}
        shown = [
            drawn.add(plots.degrees(n, _name(key)), _capital(_name(key)), "both scales logarithmic")
            for key, n in counts.items()
        ]
        content = blocks.section(
            "graph",
            "The graph",
            note,
            f'<div class="stack">{blocks.facts(named) if named else ""}'
            f"{blocks.beside(*shown) if shown else ''}</div>",
        )
        found.append(("graph", "The graph", content))
    return found


def _shop(shop: Mapping[str, Any], drawn: Plots) -> str:
    kinds = drawn.add(plots.bars(shop["events_by_kind"], "events"), "Events by kind")
    if not shop.get("events_over_time"):
        return kinds
    figure = plots.over_time(shop["starts"], shop["events_over_time"])
    return blocks.beside(kinds, drawn.add(figure, "Events over time"))


def _name(key: str) -> str:
    words = escape(key.replace("_", " "))
    return words.replace(" p90", ", 90th percentile").replace(" median", ", median")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
