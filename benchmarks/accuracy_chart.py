"""The accuracy benchmark's one chart: each model against the best baseline, with intervals."""

import math
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.accuracy_figures import (
    PROTOCOL,
    TITLES,
    Cells,
    best_baseline,
    ndcg,
    quote_shoppers,
)
from coterie.evaluation.phrases import name_model

INK: Final = "#212529"
SOFT: Final = "#495057"
GRID: Final = "#dee2e6"
ROWS: Final = {
    "social": ("social", "#3b5bdb", "circle"),
    "social_no_ties": ("social, no ties", "#e8590c", "diamond"),
    "lightgcn_ties": ("LightGCN, ties", "#868e96", "triangle"),
    "item_knn": ("item kNN", "#868e96", "square"),
}
"""What is drawn of each set, where it was measured: its words, colour and symbol."""
WIDTH: Final = 540
LEFT, RIGHT = 166, 466
TITLE, ROW, GAP = 30, 24, 10
TOP, BOTTOM = 8, 74
STYLE: Final = (
    f"text{{font-family:system-ui,sans-serif;font-size:15px;fill:{INK}}} "
    f".h{{font-weight:600}} .s{{fill:{SOFT}}} .n{{fill:{SOFT};font-size:14px}}"
)


def draw_chart(results: Mapping[str, Any]) -> str:
    """Draw NDCG@20 over that of the best baseline, a block of rows a data set, as SVG."""
    sets = results["protocols"][PROTOCOL]
    scale = _Scale.over([test for cells in sets.values() for test in _tests(cells).values()])
    parts, y = [], TOP
    for name, cells in sets.items():
        parts += _head(name, cells, quote_shoppers(results, name), y)
        y += TITLE
        for row, test in _tests(cells).items():
            parts += _row(row, ndcg(cells[row]), test, scale, y + ROW // 2)
            y += ROW
        y += GAP
    return "\n".join([*_frame(y + BOTTOM), *_axis(scale, y), *parts, "</svg>"]) + "\n"


def _tests(cells: Cells) -> dict[str, Mapping[str, Any]]:
    best = best_baseline(cells)
    return {row: cells[row]["against"][best] for row in ROWS if row in cells}


class _Scale:
    """Percent to pixels."""

    def __init__(self, low: int, high: int):
        self.ticks = range(low, high + 1, 20)
        self._low, self._high = low, high

    @classmethod
    def over(cls, tests: list[Mapping[str, Any]]) -> "_Scale":
        """Make room for every interval, to full steps of the grid."""
        ends = [100 * end for test in tests for end in test["relative"]]
        return cls(20 * math.floor(min(ends) / 20), 20 * math.ceil(max(ends) / 20))

    def __call__(self, percent: float) -> float:
        share = (percent - self._low) / (self._high - self._low)
        return round(LEFT + share * (RIGHT - LEFT), 1)


def _frame(height: int) -> list[str]:
    about = (
        "Relative difference in NDCG@20 to the best baseline, with 95 % bootstrap intervals, of "
        "the social model with and without ties, LightGCN with ties and item kNN on six data sets. "
        "The same figures stand in the tables of the page."
    )
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title desc">',
        '<title id="title">NDCG@20 over the best baseline</title>',
        f'<desc id="desc">{about}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]


def _axis(scale: _Scale, bottom: int) -> list[str]:
    parts = []
    for tick in scale.ticks:
        colour, width = (INK, 1.5) if tick == 0 else (GRID, 1)
        parts.append(
            f'<path d="M{scale(tick)} {TOP} V{bottom}" stroke="{colour}" stroke-width="{width}"/>'
        )
        text = f"{tick:+d} %" if tick else "0"
        parts.append(_text(scale(tick), bottom + 20, text, "s", "middle"))
    parts.append(
        _text(
            WIDTH / 2, bottom + 44, "NDCG@20 over the best baseline, 95 % interval", "s", "middle"
        )
    )
    told = "filled: the interval leaves out 0; on the right: NDCG@20"
    return [*parts, _text(WIDTH / 2, bottom + 64, told, "n", "middle")]


def _head(name: str, cells: Cells, shoppers: str, y: int) -> list[str]:
    best = str(best_baseline(cells))
    about = f"{shoppers} shoppers; {name_model(best)}"
    # A band behind the words: the grid would run through them.
    return [
        f'<rect x="0" y="{y}" width="{WIDTH}" height="{TITLE - 4}" fill="#f1f3ff"/>',
        _text(8, y + 19, TITLES.get(name, name), "h"),
        _text(RIGHT, y + 19, about, "s", "end"),
        _text(WIDTH - 6, y + 19, f"{ndcg(cells[best]):.4f}", "s", "end"),
    ]


def _row(row: str, figure: float, test: Mapping[str, Any], scale: _Scale, y: int) -> list[str]:
    words, colour, symbol = ROWS[row]
    mean, low, high = (100 * end for end in test["relative"])
    left, right, x = scale(low), scale(high), scale(mean)
    fill = colour if low > 0 or high < 0 else "#ffffff"
    return [
        _text(LEFT - 12, y + 5, words, "s", "end"),
        f'<path d="M{left} {y} H{right} M{left} {y - 5} V{y + 5} M{right} {y - 5} V{y + 5}" '
        f'fill="none" stroke="{colour}" stroke-width="2"/>',
        f'<path d="{_symbol(symbol, x, y)}" fill="{fill}" stroke="{colour}" stroke-width="2"/>',
        _text(WIDTH - 6, y + 5, f"{figure:.4f}", "h" if row == "social" else "s", "end"),
    ]


def _symbol(symbol: str, x: float, y: float) -> str:
    if symbol == "circle":
        return f"M{x - 6} {y} a6 6 0 1 0 12 0 a6 6 0 1 0 -12 0 z"
    if symbol == "diamond":
        return f"M{x} {y - 7} l7 7 l-7 7 l-7 -7 z"
    if symbol == "triangle":
        return f"M{x} {y - 6} l6 11 h-12 z"
    return f"M{x - 5} {y - 5} h10 v10 h-10 z"


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{words}</text>'
