"""What purchases tell of a canary in shadow: a table, and curves of power."""

import math
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.accuracy_chart import GRID, STYLE

WIDTH, HEIGHT = 640, 330
LEFT, RIGHT, TOP, BOTTOM = 52, 470, 16, 276
FIRST, LAST = 100, 20_000
COLOURS: Final = ("#c92a2a", "#e8590c", "#f08c00", "#3b5bdb", "#1098ad", "#868e96")
SHOWN: Final = (500, 1_000, 2_000, 5_000, 10_000, 20_000)
"""Shoppers who bought something: the table's columns."""


def write_table(results: Mapping[str, Any]) -> str:
    """Write what was found of each canary, and after how many purchases."""
    head = ["canary learned from", "NDCG@20", "missed by the canary alone, by stable alone"]
    head += [f"{at:,}" for at in SHOWN]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, one in _ranked(results):
        shares = [f"{100 * one['found'][str(at)]:.1f} %" for at in SHOWN]
        cells = [name, f"{100 * one['ndcg']:+.1f} %", "{} : {}".format(*one["missed"]), *shares]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_curves(results: Mapping[str, Any]) -> str:
    """Draw the share of rollouts that are found by purchases, a line a canary, as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Share of bad canaries found in shadow, by purchases">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(f'<path d="M{LEFT} {y}H{RIGHT}" stroke="{GRID}"/>')
        parts.append(
            f'<text class="n" x="{LEFT - 8}" y="{y + 5}" text-anchor="end">{share:.0%}</text>'
        )
    for at in (100, 1_000, 10_000):
        parts.append(
            f'<text class="n" x="{_x(at)}" y="{BOTTOM + 20}" text-anchor="middle">{at:,}</text>'
        )
    said = "shoppers who bought something by themselves"
    parts.append(f'<text class="s" x="{LEFT}" y="{BOTTOM + 44}">{said}</text>')
    placed: list[float] = []
    for (name, one), colour in zip(_ranked(results), COLOURS, strict=False):
        points = [(_x(int(at)), _y(share)) for at, share in one["found"].items()]
        points.sort()
        line = " ".join(f"{x},{y}" for x, y in points)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
        y = _free(points[-1][1], placed)
        placed.append(y)
        text = f"{name} ({100 * one['ndcg']:+.0f} %)"
        parts.append(
            f'<text class="n" x="{RIGHT + 10}" y="{y + 5}" style="fill:{colour}">{text}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ranked(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Order canaries, the worst first, and harmless ones last."""
    return sorted(results["canaries"].items(), key=lambda one: one[1]["ndcg"])


def _free(y: float, placed: list[float]) -> float:
    """Move a label down until it covers no other."""
    while any(abs(y - other) < 18 for other in placed):
        y += 2
    return y


def _x(at: int) -> float:
    share = math.log(at / FIRST) / math.log(LAST / FIRST)
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _y(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)
