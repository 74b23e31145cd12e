"""Where a replica's time goes, from samples of its stack: a small flame graph, and stages."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

STAGES: Final = (
    ("features", ("gather (serving/lists/list_maker", "gather (serving/lists/shopper_features")),
    ("list made", ("make (serving/lists/list_maker",)),
    ("router", ("answer (serving/rollouts/router",)),
    ("body", ("model_dump_json", "as_json (", "recommend (serving/api/routes")),
    ("app", ("__call__ (serving/api/middleware",)),
)
"""What part of a request a stack is in: the first that names one of its functions."""
REST: Final = "Ray Serve and the server"
IDLE: Final = ("select (selectors", "poll (", "wait (threading", "main_loop (ray")
"""Who waits is not at work, whatever the sampler says."""
WIDTH, ROW, LEAST = 1000, 15, 0.006
_COLOURS: Final = {"serving/": "#e8a33d", "coterie/": "#d9694f", "feature_repo/": "#e8a33d"}


def stacks(raw: Path) -> Iterator[tuple[list[str], int]]:
    """Read stacks of the thread that answers, outermost frame first, and how often each was."""
    for line in raw.read_text().splitlines():
        frames, _, number = line.rpartition(" ")
        parts = [
            part.rpartition(":")[0] + ")" if ":" in part else part for part in frames.split(";")
        ]
        if not any(one in parts[-1] for one in IDLE):
            yield parts, int(number)


def stages(raw: Path) -> dict[str, float]:
    """Divide the samples among stages, in shares of 1."""
    counts: Counter[str] = Counter()
    for frames, number in stacks(raw):
        whole = ";".join(frames)
        counts[_stage(whole)] += number
    every = sum(counts.values()) or 1
    return {name: counts[name] / every for name in (*(name for name, _ in STAGES), REST)}


def _stage(stack: str) -> str:
    return next((name for name, parts in STAGES if any(one in stack for one in parts)), REST)


@dataclass
class _Node:
    number: int = 0
    below: "dict[str, _Node]" = field(default_factory=dict)


def draw(raw: Path, picture: Path) -> None:
    """Draw a flame graph without what is below half a percent; the outermost frame is on top."""
    root = _Node()
    for frames, number in stacks(raw):
        root.number += number
        node = root
        for frame in frames:
            node = node.below.setdefault(frame, _Node())
            node.number += number
    boxes = list(_boxes(root, 0.0, 0, root.number or 1))
    height = (max((depth for _, _, depth, _ in boxes), default=0) + 1) * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="9">'
    ]
    for left, width, depth, name in boxes:
        colour = next((c for part, c in _COLOURS.items() if f"({part}" in name), "#cfd6dd")
        shown = name[: int(width / 4.8)] if width > 20 else ""
        lines.append(
            f'<g><title>{escape(name)}: {width / WIDTH:.1%}</title><rect x="{left:.1f}" '
            f'y="{depth * ROW}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
            f'<text x="{left + 2:.1f}" y="{depth * ROW + 10}">{escape(shown)}</text></g>'
        )
    picture.write_text("\n".join([*lines, "</svg>\n"]))


def _boxes(
    node: _Node, left: float, depth: int, every: int
) -> Iterator[tuple[float, float, int, str]]:
    for name, below in sorted(node.below.items()):
        width = WIDTH * below.number / every
        if width >= WIDTH * LEAST:
            yield left, width, depth, name
            yield from _boxes(below, left, depth + 1, every)
        left += width
