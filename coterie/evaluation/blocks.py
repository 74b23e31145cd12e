"""Pieces of HTML that the report is put together from. Arguments are HTML already: escape first."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coterie.evaluation.plots import Figure

_PAGE = Path(__file__).parent / "page"


@dataclass
class Plots:
    """The figures of one page, by the id of the element that each is drawn in."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def add(self, figure: Figure, title: str, about: str = "") -> str:
        """Add a figure, and write the titled element that the page's script draws it in."""
        key = f"plot-{len(self.figures)}"
        self.figures[key] = figure
        return (
            f'<figure><figcaption><h3 id="{key}-title">{title}</h3>'
            f"<span>{about}</span></figcaption>"
            f'<div class="plot" data-figure="{key}" role="img" aria-labelledby="{key}-title"></div>'
            "</figure>"
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    small: str = ""
    """A smaller text below it."""
    css: str = ""


def table(head: Sequence[str], rows: Iterable[tuple[str, str, Sequence[Cell]]], about: str) -> str:
    """Write a table that scrolls sideways where there is no room.

    Args:
        head: Column headings, that of the row names first.
        rows: CSS class, name and cells of each row.
        about: What the table shows, for those who do not see it.
    """
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(
        f'<tr class="{css}"><th scope="row">{name}</th>{"".join(map(_cell, cells))}</tr>'
        for css, name, cells in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{about}"><table>'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    css = f' class="{cell.css}"' if cell.css else ""
    small = f"<small>{cell.small}</small>" if cell.small else ""
    return f"<td{css}>{cell.text}{small}</td>"


def card(label: str, figure: str, beside: str, css: str = "") -> str:
    """Write one headline figure."""
    return (
        f'<div class="card"><span class="label">{label}</span>'
        f'<span class="figure {css}">{figure}</span><span class="beside">{beside}</span></div>'
    )


def section(key: str, title: str, note: str, *parts: str) -> str:
    """Write a part of the page that can be linked to."""
    body = "\n".join(part for part in parts if part)
    return (
        f'<section id="{key}" aria-labelledby="{key}-heading">'
        f'<h2 id="{key}-heading">{title}</h2><p class="note">{note}</p>\n{body}</section>'
    )


def beside(*parts: str) -> str:
    """Put parts next to each other where there is room."""
    return f'<div class="two">{"".join(parts)}</div>'


def abreast(*parts: str) -> str:
    """Put several small parts next to each other where there is room."""
    return f'<div class="two many">{"".join(parts)}</div>'


def folded(summary: str, content: str) -> str:
    """Fold content away until it is asked for."""
    return f"<details><summary>{summary}</summary>{content}</details>"


def facts(pairs: Mapping[str, str]) -> str:
    """Write names and values as a list."""
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs.items())
    return f'<div class="card"><dl class="facts">{rows}</dl></div>'


def page(
    title: str,
    body: str,
    plots: Plots,
    more: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> str:
    """Write a whole HTML file that asks no other host for anything.

    Its security policy forbids loading, and runs the scripts of this page and no other, so that a
    name in the data that got through as HTML could still do nothing.

    Args:
        title: Of the file.
        body: HTML.
        plots: Figures of the body.
        more: Files of further scripts, in the folder ``page``.
        data: What these read, by the id of an element.
    """
    from plotly.offline import get_plotlyjs  # five megabytes of text: only when it is needed

    names = ("report.js", *more)
    scripts = [get_plotlyjs(), *((_PAGE / one).read_text(encoding="utf-8") for one in names)]
    held = {"figures": plots.figures, **(data or {})}
    embedded = "".join(
        f'<script id="{key}" type="application/json">{_embed(one)}</script>\n'
        for key, one in held.items()
    )
    run = "".join(f"<script>{one}</script>\n" for one in scripts)
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        f"base-uri 'none'; form-action 'none'; script-src {' '.join(map(_digest, scripts))}"
    )
    style = (_PAGE / "report.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
{embedded}{run}</body>
</html>
"""


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _embed(content: Any) -> str:
    """Write JSON that cannot end the script element that it stands in."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
