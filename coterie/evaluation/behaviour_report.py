"""The page of shoppers' behaviour: segments, chances, forecasts; it names nobody."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from coterie.evaluation import behaviour_plots, blocks
from coterie.evaluation.blocks import Cell, Plots
from coterie.evaluation.phrases import escape
from coterie.files import write_atomically

_SERIES: Final = 12
"""Categories that are drawn, the most bought first."""
_WORDS: Final = {
    "days_since_event": "days since there",
    "active_days_30": "days there of 30",
    "purchases": "purchases",
    "value_a_purchase": "paid a purchase",
    "days_known": "days known",
}
_TITLES: Final = {
    "buys_7d": "Who buys within 7 days",
    "buys_30d": "Who buys within 30 days",
    "value_30d": "What they spend within 30 days",
    "leaves_30d": "Who stays away for 30 days",
}


def write_behaviour_report(figures: Mapping[str, Any], path: str | Path) -> None:
    """Write a self-contained page; it is drawn by the reader's browser, offline.

    Args:
        figures: As ``figures.behaviour_figures`` gives them.
        path: Of the HTML file; replaced when it is whole.
    """
    drawn, size = Plots(), figures["size"]
    parts = [
        _segments(figures, drawn),
        _moves(figures["segments"], drawn),
        _foreseen(figures["foreseen"], drawn),
        _demand(figures["demand"], figures["settings"]["coverage"], drawn),
    ]
    shown = [part for part in parts if part[1]]
    links = "".join(f'<a href="#{key}">{name}</a>' for (key, name), _ in shown)
    lead = (
        f"{size['shoppers']:,} shoppers, {size['purchases']:,} purchases in {size['days']:,} days. "
        "The page names nobody."
    )
    body = (
        '<header><p class="eyebrow">Coterie</p><h1>Shoppers\' behaviour</h1>'
        f'<p class="lead">{lead}</p>{_cards(figures)}<nav aria-label="Contents">{links}</nav>'
        "</header>\n<main><noscript><p>Plots need JavaScript; the figures also stand in "
        f"behaviour.json.</p></noscript>{''.join(text for _, text in shown)}</main>\n"
        "<footer>Made by Coterie. This file loads nothing from anywhere.</footer>"
    )
    write_atomically(path, blocks.page("Shoppers' behaviour", body, drawn))


def _cards(figures: Mapping[str, Any]) -> str:
    segments = figures["segments"]
    chosen = segments["chosen"]
    found = segments["stability"].get(str(len(chosen)))
    cards = [
        blocks.card("segments", f"{len(chosen)}", f"stability {found:.2f}" if found else ""),
    ]
    for name, label in (("buys_30d", "buy within 30 days"), ("leaves_30d", "may stay away")):
        one = figures["foreseen"].get(name, {})
        if one.get("now_mean") is not None:
            auc = next(iter(one["chances"].values()))["auc"]["mean"]
            cards.append(blocks.card(label, _percent(one["now_mean"]), f"foreseen; AUC {auc:.2f}"))
    demand = figures["demand"]
    if "series" in demand:
        everything = demand["series"][0]
        cards.append(
            blocks.card(
                "purchases next week",
                f"{everything['expected'][0]:,.0f}",
                f"{everything['low'][0]:,.0f} to {everything['high'][0]:,.0f}"
                if everything["low"]
                else "no interval",
            )
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _segments(figures: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named, segments = ("segments", "Segments"), figures["segments"]
    whole = sum(one["shoppers"] for one in segments["chosen"])
    rows = [
        (
            "",
            escape(one["name"]),
            [
                Cell(str(one["number"])),
                Cell(f"{one['shoppers']:,}", _percent(one["shoppers"] / max(whole, 1))),
                *(Cell(f"{one['means'][name]:,.1f}") for name in _WORDS),
            ],
        )
        for one in segments["chosen"]
    ]
    note = (
        "Shoppers who are alike in how lately and how often they come, how much they buy, what "
        "they pay and what of. There are as many groups as fits on different shoppers still "
        "find alike: 1, fully; 0, as chance does. A group keeps its number from one run to the "
        "next where most of its people stay."
    )
    columns = ("segment", "number", "shoppers", *_WORDS.values())
    table = blocks.table(columns, rows, "segments of shoppers")
    least = figures["settings"]["least_stability"]
    shown = [
        drawn.add(behaviour_plots.stability(segments, least), "How many?", "agreement of fits"),
        drawn.add(behaviour_plots.tastes(segments), "What they buy", "share of purchases"),
    ]
    return named, blocks.section(*named, note, table, *shown)


def _moves(segments: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named = ("moves", "Who moves")
    if not segments["moves"]:
        return named, ""
    names = [escape(one["name"]) for one in segments["chosen"]]
    last = segments["moves"][-1]
    rows = []
    for at, name in enumerate(names):
        whole = max(sum(last[at]), 1)
        rows.append(("", name, [Cell(_percent(last[at][to] / whole)) for to in range(len(names))]))
    note = (
        "Left, where shoppers were thirty days ago; right, where they are now, by the same "
        "centres. The table tells the same in shares of each row."
    )
    figure = drawn.add(behaviour_plots.moves(segments), "The last thirty days")
    table = blocks.table(("from, to", *names), rows, "moves between segments")
    return named, blocks.section(*named, note, figure, blocks.folded("As a table", table))


def _foreseen(foreseen: Mapping[str, Any], drawn: Plots) -> tuple[tuple[str, str], str]:
    named = ("foreseen", "What they may do")
    note = (
        "Learned at earlier days and measured at a later one, on shoppers as they were known then. "
        "AUC: of two shoppers, one who did and one who did not, how often the first had the higher "
        "chance. Brier: mean squared distance of chance and what came. On the dotted line, chances "
        "happen as often as they say. 95 % intervals over shoppers."
    )
    parts = []
    for name, one in foreseen.items():
        title = _TITLES.get(name, name)
        if "left_out" in one:
            parts.append(f"<p>{title}: not foreseen, {escape(one['left_out'])}.</p>")
        elif one["chances"]:
            parts.append(blocks.beside(_chances(one, title), _plot(one, title, drawn)))
        else:
            parts.append(_amounts(one, title))
    return named, blocks.section(*named, note, *parts)


def _plot(one: Mapping[str, Any], title: str, drawn: Plots) -> str:
    return drawn.add(behaviour_plots.reliability(one["chances"]), title, "are chances as said?")


def _chances(one: Mapping[str, Any], title: str) -> str:
    rows = [
        (
            "ours" if at == 0 else "",
            escape(name),
            [
                Cell(f"{scores['auc']['mean']:.3f}", _range(scores["auc"], 3)),
                Cell(f"{scores['brier']['mean']:.4f}", _range(scores["brier"], 4)),
                Cell(f"{scores['calibration_error']:.3f}"),
            ],
        )
        for at, (name, scores) in enumerate(one["chances"].items())
    ]
    about = f"{one['shoppers']:,} shoppers, {_percent(one['happened'])} did"
    table = blocks.table(("", "AUC", "Brier", "off by"), rows, title)
    return f"<figure><figcaption><h3>{title}</h3><span>{about}</span></figcaption>{table}</figure>"


def _amounts(one: Mapping[str, Any], title: str) -> str:
    rows = [
        (
            "ours" if at == 0 else "",
            escape(name),
            [
                Cell(f"{scores['mean_error']['mean']:,.2f}", _range(scores["mean_error"], 2)),
                Cell(f"{scores['rank']:.3f}"),
                Cell(f"{scores['total_ratio']:.2f}"),
            ],
        )
        for at, (name, scores) in enumerate(one["amounts"].items())
    ]
    about = f"{one['shoppers']:,} shoppers, {one['happened']:,.2f} on average"
    head = ("", "mean error", "rank correlation", "sum foreseen, of what came")
    table = blocks.table(head, rows, title)
    return f"<figure><figcaption><h3>{title}</h3><span>{about}</span></figcaption>{table}</figure>"


def _demand(
    demand: Mapping[str, Any], coverage: float, drawn: Plots
) -> tuple[tuple[str, str], str]:
    named = ("demand", "What will be bought")
    if "left_out" in demand:
        return named, blocks.section(*named, f"Not forecast: {escape(demand['left_out'])}.")
    rows = []
    for level in demand["levels"]:
        ours, naive = level["mase"]["reconciled"], level["mase"]["seasonal naive"]
        rows.append(
            (
                "",
                level["level"],
                [
                    Cell(f"{level['series']:,}"),
                    Cell(f"{ours:.2f}"),
                    Cell(f"{naive:.2f}"),
                    Cell(_percent(level["better"]["reconciled"])),
                    Cell("not known" if level["coverage"] is None else _percent(level["coverage"])),
                    Cell(level["chosen"]),
                ],
            )
        )
    head = ("level", "series", "MASE", "of seasonal naive", "better on", "in interval", "by")
    note = (
        "Purchases a week; what is expected of categories is the sum of what is expected of items. "
        "MASE is the mean error as a share of the usual step from week to week, on the last weeks, "
        "as they were forecast before. "
    ) + (
        f"No band is drawn: {escape(demand['no_interval'])}."
        if demand["no_interval"]
        else f"The band is to hold {coverage:.0%} of weeks; it is made of {demand['windows']} "
        "backtests, and the table says how many weeks it held in the last."
    )
    order = sorted(demand["series"][1:], key=lambda one: -sum(one["past"]))[:_SERIES]
    shown = [
        drawn.add(behaviour_plots.demand(one, demand["end_ms"]), escape(one["name"]))
        for one in [demand["series"][0], *order]
    ]
    table = blocks.table(head, rows, "how good forecasts were")
    return named, blocks.section(*named, note, table, shown[0], blocks.abreast(*shown[1:]))


def _range(interval: Mapping[str, float], digits: int) -> str:
    return f"{interval['low']:.{digits}f} to {interval['high']:.{digits}f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
