"""The table and picture of docs/off-policy.md on what ten nights of learning from lists do."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.accuracy_chart import GRID, STYLE

_NIGHTS: Final = (1, 5, 10)
_FIGURES: Final = {
    "clicks": ("clicks", ",.0f"),
    "ndcg": ("NDCG against true taste", ".3f"),
    "gini": ("Gini of what is shown", ".2f"),
    "covered": ("catalogue shown", ".0%"),
}


def write_table(results: Mapping[str, Any]) -> str:
    """Write what lists were like after some nights, and clicks of all."""
    nights = [f"night {night}" for night in _NIGHTS]
    lines = [
        f"| events count | figure | {' | '.join(nights)} | all {results['loops']} nights |",
        "|---|---|" + "---|" * (len(nights) + 1),
    ]
    for way, found in results["ways"].items():
        for name, (title, form) in _FIGURES.items():
            values = found[name]
            whole = sum(values) if name == "clicks" else sum(values) / len(values)
            cells = [format(values[night - 1], form) for night in _NIGHTS]
            lines.append(f"| {way} | {title} | {' | '.join(cells)} | {format(whole, form)} |")
    return "\n".join(lines)


_WIDTH, _HEIGHT, _TOP, _BOTTOM = 840, 300, 46, 244
_PANELS: Final = {"gini": (60, "Gini of what is shown"), "ndcg": (480, "NDCG against true taste")}
_SPAN: Final = 300
_COLOURS: Final = ("#8a5a00", "#1f5fbf")


def draw_loops(results: Mapping[str, Any]) -> str:
    """Draw how lists change night by night, a line a way of learning, as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-label="How unequally items are shown, and how lists please, night by night">',
        f"<style>{STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for name, (left, title) in _PANELS.items():
        parts.append(f'<text class="h" x="{left}" y="24">{title}</text>')
        for tick in (0.4, 0.6, 0.8):
            y = _height(tick)
            parts.append(f'<path d="M{left} {y}h{_SPAN}" stroke="{GRID}"/>')
            parts.append(
                f'<text class="n" x="{left - 8}" y="{y + 5}" text-anchor="end">{tick:.1f}</text>'
            )
        for (way, found), colour in zip(results["ways"].items(), _COLOURS, strict=True):
            step = _SPAN / (results["loops"] - 1)
            points = [(left + step * at, _height(one)) for at, one in enumerate(found[name])]
            line = " ".join(f"{x:.1f},{y}" for x, y in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
            )
            y = points[-1][1] + (-10 if way == "as they come" else 22)
            parts.append(
                f'<text class="n" x="{left + _SPAN}" y="{y}" text-anchor="end" '
                f'style="fill:{colour}">{way}</text>'
            )
        nights = f"night 1 to {results['loops']}"
        parts.append(f'<text class="s" x="{left}" y="{_BOTTOM + 34}">{nights}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _height(value: float) -> float:
    """Place a value from .4 to .9."""
    return round(_BOTTOM - (value - 0.4) / 0.5 * (_BOTTOM - _TOP), 1)
