"""The page of what recommendations earned, and of whether lists narrow; it names nobody."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from coterie.evaluation import blocks
from coterie.evaluation.blocks import Cell, Plots
from coterie.evaluation.phrases import escape
from coterie.evaluation.plots import ROW_PX, Figure, error_bars, plain_layout
from coterie.evaluation.significance import Estimate
from coterie.files import write_atomically

METRICS: Final = {
    "purchase_rate": "conversion",
    "purchases": "purchases a shopper",
    "revenue": "revenue a shopper",
    "revenue_a_session": "revenue a session",
    "discoveries": "items new to them, a shopper",
}
SHARES: Final = {
    "from_lists": "purchases that followed from a list",
    "by_friends": "of these, brought by friends",
    "discovered": "of these, new to the shopper",
}
_BOTH: Final = {"shown": ("@ours", "circle", "solid"), "bought": ("@other", "square", "dash")}


def write_earned_report(figures: Mapping[str, Any], path: str | Path) -> None:
    """Write a self-contained page; it is drawn by the reader's browser, offline.

    Args:
        figures: As ``workflow.earned.earned_figures`` gives them.
        path: Of the HTML file; replaced when it is whole.
    """
    drawn = Plots()
    parts = [_holdout(told, number, drawn) for number, told in enumerate(figures["holdouts"])]
    parts.append(_loop(figures["loop"], drawn))
    links = "".join(f'<a href="#{key}">{name}</a>' for (key, name), _ in parts)
    lead = (
        "What shoppers with recommendations do more than those of a holdout, who get popular "
        "items, and whether lists come to show the same few things. The page names nobody."
        if figures["holdouts"]
        else "No shoppers are held out, so nothing says what recommendations earn: begin with "
        "coterie experiment start NAME --holdout .02. The page names nobody."
    )
    body = (
        '<header><p class="eyebrow">Coterie</p><h1>What recommendations earned</h1>'
        f'<p class="lead">{lead}</p>{_cards(figures)}<nav aria-label="Contents">{links}</nav>'
        "</header>\n<main><noscript><p>Plots need JavaScript; the figures also stand in tables."
        f"</p></noscript>{''.join(text for _, text in parts)}</main>\n"
        "<footer>Made by Coterie. This file loads nothing from anywhere.</footer>"
    )
    write_atomically(path, blocks.page("What recommendations earned", body, drawn))


def _cards(figures: Mapping[str, Any]) -> str:
    cards = []
    for told in figures["holdouts"][:1]:
        for name in ("purchase_rate", "revenue_a_session"):
            one = told["metrics"][name]
            if one["low"] is not None:
                css = "good" if one["low"] > 0 else "bad" if one["high"] < 0 else ""
                beside = f"{one['low']:+.3g} to {one['high']:+.3g}"
                cards.append(
                    blocks.card(f"{METRICS[name]}, more", f"{one['difference']:+.3g}", beside, css)
                )
        share = told["shares"]["from_lists"]
        if share["low"] is not None:
            cards.append(blocks.card(SHARES["from_lists"], *_share(share)))
    change = figures["loop"]["change"]["shown"]
    if change is not None:
        beside = f"{_percent(change['low'] - 1)} to {_percent(change['high'] - 1)}"
        cards.append(
            blocks.card(
                "overlap of lists since the first week", _percent(change["value"] - 1), beside
            )
        )
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def _holdout(told: Mapping[str, Any], number: int, drawn: Plots) -> tuple[tuple[str, str], str]:
    named = (f"holdout-{number + 1}", f"Against the holdout {escape(told['name'])}")
    note = (
        f"{told['held_out']:,} shoppers whose window of {told['window_s'] / 86_400:g} days is over "
        f"got popular items, {told['with_lists']:,} recommendations, by lot. Intervals hold at "
        f"every look, all of them together with a chance of {_percent(1 - told['alpha_of_all'])}. "
        "Filled: surely more, or surely less."
    )
    rows = [("", METRICS[name], _cells(one)) for name, one in told["metrics"].items()]
    head = ("", "holdout", "more with recommendations", "over all who have them")
    parts = [blocks.table(head, rows, "what recommendations earned")]
    relative = {
        METRICS[name]: Estimate(
            *(100 * one[key] for key in ("relative", "relative_low", "relative_high"))
        )
        for name, one in told["metrics"].items()
        if one.get("relative") is not None
    }
    figures = []
    if relative:
        about = "per cent of what the holdout does"
        figures.append(drawn.add(_rows(relative, 0.0), "How much more", about))
    shares = {
        SHARES[name]: Estimate(*(100 * one[key] for key in ("value", "low", "high")))
        for name, one in told["shares"].items()
        if one["low"] is not None
    }
    if shares:
        about = "per cent, shoppers with recommendations"
        figures.append(drawn.add(_rows(shares, None), "Where purchases came from", about))
    if figures:
        parts.append(blocks.beside(*figures))
    listed = [
        ("", SHARES[name], [Cell(value, small), Cell(f"{one['of']:,}")])
        for name, one in told["shares"].items()
        for value, small in [_share(one)]
    ]
    table = blocks.table(("", "share", "of purchases"), listed, "where purchases came from")
    parts.append(blocks.folded("Shares as a table", table))
    return named, blocks.section(*named, note, _stack(parts))


def _cells(one: Mapping[str, Any]) -> list[Cell]:
    base = Cell("-" if one["base"] is None else f"{one['base']:.4g}")
    if one["low"] is None:
        return [base, Cell("too few yet"), Cell("-")]
    whole = f"{one['whole_low']:+,.0f} to {one['whole_high']:+,.0f}"
    around = f"{one['low']:+.4g} to {one['high']:+.4g}"
    return [
        base,
        Cell(f"{one['difference']:+.4g}", around),
        Cell(f"{one['whole_difference']:+,.0f}", whole),
    ]


def _share(one: Mapping[str, Any]) -> tuple[str, str]:
    if one["value"] is None:
        return "-", "nothing is known"
    around = "" if one["low"] is None else f"{_percent(one['low'])} to {_percent(one['high'])}"
    return _percent(one["value"]), around


def _rows(values: Mapping[str, Estimate], zero: float | None) -> Figure:
    """Draw one row a name with its interval; filled where it does not hold ``zero``."""
    rows = list(values.items())[::-1]
    sure = [
        zero is None
        or not (one.low is not None and one.high is not None)
        or not one.low <= zero <= one.high
        for _, one in rows
    ]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [one.mean for _, one in rows],
        "y": [escape(name) for name, _ in rows],
        "marker": {
            "color": ["@ours" if one else "@card" for one in sure],
            "size": 12,
            "line": {"color": "@ours", "width": 2.5},
        },
        "error_x": error_bars([one for _, one in rows], "@ours"),
        "hovertemplate": "%{y}: %{x:.3~g} %<extra></extra>",
    }
    layout = plain_layout(90 + ROW_PX * len(rows), xaxis={"ticksuffix": " %", "nticks": 6})
    layout["xaxis"] |= {"rangemode": "tozero"}
    if zero is not None:
        layout["xaxis"] |= {"zeroline": True, "zerolinecolor": "@ink", "zerolinewidth": 1.5}
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "ticklabelstandoff": 8}
    return {"data": [trace], "layout": layout | {"showlegend": False}}


def _loop(loop: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named = ("loop", "Do lists narrow?")
    note = (
        "A model learns from what its lists led to, so what is shown much may be shown more and "
        f"more. {_narrowing(loop['change']['shown'])} The first plot says how narrow lists are: so "
        "many items, were they all shown alike, would give two shoppers as much in common. Popular "
        "is the tenth of items that was bought most in the four weeks before; where lists show "
        "more of it than is bought, they push what sells anyway."
    )
    parts = []
    weeks = loop["weeks"]
    if weeks:
        alike = drawn.add(_lines(weeks, "alike", ""), "As if so many items were shown", "by week")
        popular = drawn.add(_lines(weeks, "popular", ".0%"), "Share of popular items", "by week")
        parts.append(blocks.beside(alike, popular))
        listed = [
            ("", _day(one["start_ms"]), [*_told(one["shown"]), *_told(one["bought"])])
            for one in weeks
        ]
        head = (
            "week from",
            "shoppers",
            "shown alike",
            "popular",
            "buyers",
            "bought alike",
            "popular",
        )
        parts.append(blocks.folded("As a table", blocks.table(head, listed, "lists by week")))
    listed = [
        ("", escape(one["name"]), [Cell(_day(one["start_ms"])), *_told(one["shown"])])
        for one in loop["releases"]
    ]
    columns = ("release", "from", "shoppers", "shown alike", "popular")
    parts.append(blocks.table(columns, listed, "lists by release"))
    return named, blocks.section(*named, note, _stack(parts))


def _narrowing(change: Mapping[str, float] | None) -> str:
    if change is None:
        return "Whether they do is not known yet: that takes two whole weeks of 50 shoppers."
    said = f"{_percent(abs(change['value'] - 1))} {'more' if change['value'] > 1 else 'less'}"
    around = f"{_percent(change['low'] - 1)} to {_percent(change['high'] - 1)}"
    whole = (
        f"lists of two shoppers had {said} in common in the last week than in the first ({around})"
    )
    if change["low"] > 1:
        return f"They do: {whole}."
    if change["high"] < 1:
        return f"They do not, they widen: {whole}."
    return f"Nothing shows that they do: {whole}."


def _told(one: Mapping[str, Any]) -> list[Cell]:
    alike = "-" if one["alike"] is None else f"{one['alike']:,.0f}"
    popular = "-" if one["popular"] is None else _percent(one["popular"])
    return [Cell(f"{one['shoppers']:,}"), Cell(alike), Cell(popular)]


def _lines(weeks: Sequence[Mapping[str, Any]], figure: str, form: str) -> Figure:
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": [_day(one["start_ms"]) for one in weeks],
            "y": [one[name][figure] for one in weeks],
            "line": {"color": colour, "width": 2.5, "dash": dash},
            "marker": {"size": 8, "symbol": symbol},
            "hovertemplate": f"%{{x}}: %{{y:{form or ',.3~g'}}} {name}<extra></extra>",
        }
        for name, (colour, symbol, dash) in _BOTH.items()
    ]
    layout = plain_layout(320, yaxis={"rangemode": "tozero"})
    if form:
        layout["yaxis"] |= {"tickformat": form}
    return {"data": traces, "layout": layout}


def _stack(parts: Sequence[str]) -> str:
    return f'<div class="stack">{"".join(parts)}</div>'


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
