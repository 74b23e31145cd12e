"""The membership benchmark's results: tables, and the price of a bound as a picture."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from benchmarks.accuracy_chart import GRID, STYLE
from benchmarks.accuracy_figures import TITLES

EPSILONS: Final = ("none", "10", "3", "1")
"""Labels of bounds, the weakest first; ``none`` clips people and hides nothing."""
MODELS: Final = {"ease": "EASE", "social": "Social, small", "released": "Social, as released"}
UNBOUNDED: Final = ("popularity", "ease", "social")
"""Rows of the accuracy benchmark beside which the price stands."""
WIDTH, HEIGHT = 640, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 470, 16, 276
COLOURS: Final = ("#3b5bdb", "#e8590c", "#1098ad")

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""


def write_price(results: Results, accuracy: Results) -> str:
    """Write NDCG@20 on test by epsilon, a row a data set, beside models without a bound."""
    head = ["data", "popularity", "EASE", "Social", "clipped alone"]
    head += [f"epsilon {one}" for one in EPSILONS[1:]]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, title in _sets(results, "price"):
        theirs = accuracy["protocols"]["train+val"][name]
        cells = [f"{np.mean(theirs[one]['test']['ndcg@20']):.4f}" for one in UNBOUNDED]
        cells += [_price(results["sets"][name]["price"].get(one)) for one in EPSILONS]
        rows.append(_row([title, *cells]))
    return "\n".join(rows)


def write_attacks(results: Results) -> str:
    """Write what attacks reach against each model, a row a model and data set."""
    head = ["data", "release of", "people attacked", "AUC, simple", "AUC, shadow models"]
    head += ["members told at 1 % false alarms", "no attack over"]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, title in _sets(results, "membership"):
        cells = results["sets"][name]["membership"]
        for label, cell in sorted(cells.items(), key=lambda one: _place(one[0])):
            attacks = cell["attacks"]
            figures = [_interval(attacks[one]["auc"]) for one in ("simple", "shadow")]
            caught = _interval(attacks["shadow"]["caught"], percent=True)
            most = "-" if cell["most_auc"] is None else f"{cell['most_auc']:.3f}"
            people = f"{cell['attacked']:,} of {cell['people']:,}"
            rows.append(_row([title, _named(label), people, *figures, caught, most]))
    return "\n".join(rows)


def draw_price(results: Results, accuracy: Results) -> str:
    """Draw NDCG@20 by epsilon, as a part of what clipping alone reaches, a line a set, as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="NDCG@20 by epsilon, as a part of what clipping alone reaches">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(f'<path d="M{LEFT} {y}H{RIGHT}" stroke="{GRID}"/>')
        parts.append(
            f'<text class="n" x="{LEFT - 8}" y="{y + 5}" text-anchor="end">{share:.0%}</text>'
        )
    for place, label in enumerate(EPSILONS):
        said = "no noise" if label == "none" else label
        parts.append(
            f'<text class="n" x="{_x(place)}" y="{BOTTOM + 20}" text-anchor="middle">{said}</text>'
        )
    parts.append(f'<text class="s" x="{LEFT}" y="{BOTTOM + 44}">epsilon; dashed: popularity</text>')
    for (name, title), colour in zip(_sets(results, "price"), COLOURS, strict=False):
        cells = results["sets"][name]["price"]
        found = [(i, np.mean(cells[e]["test"])) for i, e in enumerate(EPSILONS) if e in cells]
        whole = found[0][1]
        line = " ".join(f"{_x(place)},{_y(one / whole)}" for place, one in found)
        popular = np.mean(accuracy["protocols"]["train+val"][name]["popularity"]["test"]["ndcg@20"])
        y = _y(popular / whole)
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
            f'<path d="M{LEFT} {y}H{RIGHT}" stroke="{colour}" stroke-dasharray="4 4"/>',
            f'<text class="n" x="{RIGHT + 10}" y="{_y(found[-1][1] / whole) + 5}" '
            f'style="fill:{colour}">{title} ({found[-1][1]:.3f})</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _sets(results: Results, part: str) -> list[tuple[str, str]]:
    there = results["sets"]
    return [(name, title) for name, title in TITLES.items() if part in there.get(name, {})]


def _price(cell: Mapping[str, Any] | None) -> str:
    """Write the mean over seeds of the noise, with the range of more than one value."""
    if cell is None:
        return "-"
    low, high = min(cell["test"]), max(cell["test"])
    mean = f"{np.mean(cell['test']):.4f}"
    return mean if low == high else f"{mean} ({low:.4f} to {high:.4f})"


def _interval(figures: list[float], percent: bool = False) -> str:
    mean, low, high = (f"{one:.1%}" if percent else f"{one:.3f}" for one in figures)
    return f"{mean} [{low}, {high}]"


def _named(label: str) -> str:
    bound = label.removeprefix("bounded ")
    if bound == label:
        return MODELS[label]
    return "clipped alone" if bound == "none" else f"bounded, epsilon {bound}"


def _place(label: str) -> tuple[int, int]:
    bound = label.removeprefix("bounded ")
    return (0, [*MODELS].index(label)) if bound == label else (1, EPSILONS.index(bound))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _x(place: int) -> float:
    return round(LEFT + 30 + place * (RIGHT - LEFT - 60) / (len(EPSILONS) - 1), 1)


def _y(share: float) -> float:
    return round(BOTTOM - min(share, 1.05) * (BOTTOM - TOP), 1)
