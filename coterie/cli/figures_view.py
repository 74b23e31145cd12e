"""How two releases differ, as a table in a terminal of 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

_MARKS: Final = {"good": "", "bad": "✗ over its limit", "overridden": "overridden", "unknown": ""}
_STYLES: Final = {"good": "", "bad": "bold red", "overridden": "yellow", "unknown": "dim"}


def figures_table(figures: Sequence[Mapping[str, Any]]) -> Table:
    """Draw figures with their limits, and mark what exceeds one.

    Args:
        figures: ``JudgedFigure`` as plain values.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("figure", no_wrap=True)
    for name in ("live", "canary", "value", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    for one in figures:
        style = _STYLES.get(one["verdict"], "")
        some = ", ".join(one["examples"]) if one["verdict"] in ("bad", "overridden") else ""
        mark = _MARKS.get(one["verdict"], "")
        table.add_row(
            Text(_clean(one["name"]), style=style),
            _side(one, "live"),
            _side(one, "canary"),
            Text(_number(one["value"], one["is_factor"]), style=style),
            ("≤ " if one["at_most"] else "≥ ") + _number(one["limit"], one["is_factor"]),
            Text(_clean(f"{mark}: {some}" if some else mark), style=style),
        )
    return table


def _side(one: Mapping[str, Any], side: str) -> str:
    return _number(one[side], one["of_numbers"])


def _number(value: float | None, plain: bool) -> str:
    if value is None:
        return "-"
    if not plain:
        return f"{100 * value:.3g} %"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _clean(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
