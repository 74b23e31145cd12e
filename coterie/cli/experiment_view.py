"""How experiments look in a terminal of 80 columns."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from coterie.cli.rollout_view import clean


def experiments(told: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Draw what runs, and what ran."""
    if not told:
        return Text("there is no experiment", style="dim")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("experiment", "since", "share", "layer"):
        table.add_column(name, no_wrap=True)
    table.add_column("arms, and what is known", ratio=1)
    for one in told:
        runs = one["stopped_ms"] == 0
        both = "in one list: " if one["interleave"] else ""
        arms = both + "; ".join(
            f"{arm['name']} shows {arm['shows']}" + (" (stopped)" if arm["stopped"] else "")
            for arm in one["arms"]
        )
        found = one["result"]["verdict"] if one["result"] else "nothing is known yet"
        ended = "" if runs else f" Ended: {one['stopped_why']}."
        table.add_row(
            Text(clean(one["name"]), style="bold" if runs else "dim"),
            f"{datetime.fromtimestamp(one['started_ms'] / 1000):%m-%d %H:%M}",
            f"{100 * one['share']:.3g} %",
            clean(one["layer"]),
            Text(clean(f"{arms}. {found}.{ended}")),
        )
    return table


def result(told: Mapping[str, Any]) -> RenderableType:
    """Draw what an experiment has found so far."""
    parts: list[RenderableType] = [Text(clean(told["verdict"]), style="bold"), Text()]
    parts.append(_arms(told))
    parts += [Text(), _comparisons(told)]
    if told.get("earned"):
        parts += [Text(), _earned(told["earned"])]
    if told["guardrails"]:
        parts += [Text(), _guardrails(told)]
    real = [one for one in told["segments"] if one["real"]]
    if real:
        parts += [Text(), _segments(real)]
    notes = [f"e-value against the lot as it was meant: {told['mismatch']['e_value']:.2g}"]
    if told["variance_gone"]:
        notes.append(f"{100 * told['variance_gone']:.0f} % of the variance was known before")
    if told["switched"]:
        notes.append(f"{told['switched']} shoppers saw several arms, and count as of their first")
    return Group(*parts, Text(), Text("; ".join(notes), style="dim"))


def _arms(told: Mapping[str, Any]) -> Table:
    table = _table("arm", "shows", "shoppers", "windows over", "lists", told["metric"])
    for one in told["arms"]:
        mean = "-" if one["mean"] is None else f"{one['mean']:.4g}"
        table.add_row(
            Text(clean(one["name"]), style="red" if one["stopped"] else "bold"),
            clean(one["shows"]),
            f"{one['shoppers']:,}",
            f"{one['windows_over']:,}",
            f"{one['lists']:,}",
            mean,
        )
    return table


def _comparisons(told: Mapping[str, Any]) -> RenderableType:
    table = _table("against the first", "difference", "always-valid interval", "e-value")
    for one in told["comparisons"]:
        table.add_row(clean(one["arm"]), *_effect(one), f"{one['e_value']:.3g}")
    if not told.get("interleaved"):
        return table
    share = told["comparisons"][0]["share"]
    said = "nothing is credited yet" if share is None else f"{100 * share:.0f} % of credit is its"
    return Group(table, Text(f"Both arms are in each list; {said}", style="dim"))


def _earned(told: Mapping[str, Any]) -> RenderableType:
    table = _table("what recommendations earned", "held out", "more", "interval", "over all")
    for name, one in told["metrics"].items():
        base = "-" if one["base"] is None else f"{one['base']:.4g}"
        whole = "-"
        if one["whole_low"] is not None:
            whole = f"{one['whole_low']:+,.0f} to {one['whole_high']:+,.0f}"
        table.add_row(name.replace("_", " "), base, *_effect(one), whole)
    notes = [
        f"{100 * one['value']:.0f} % {said}" + _around(one)
        for name, said in _SHARES.items()
        if (one := told.get("shares", {}).get(name)) and one["value"] is not None
    ]
    return Group(table, Text("; ".join(notes), style="dim"))


_SHARES: Final = {
    "from_lists": "of purchases followed from a list",
    "by_friends": "of what led to these came from friends",
    "discovered": "of these were of something new to the shopper",
}


def _around(one: Mapping[str, Any]) -> str:
    return "" if one["low"] is None else f" ({100 * one['low']:.0f} to {100 * one['high']:.0f})"


def _guardrails(told: Mapping[str, Any]) -> Table:
    table = _table("guardrail", "arm", "ratio", "limit", "e-value")
    for one in told["guardrails"]:
        ratio = "-" if one["ratio"] is None else f"{one['ratio']:.3g}"
        table.add_row(
            Text(one["guardrail"], style="bold red" if one["breached"] else ""),
            clean(one["arm"]),
            f"{ratio}  {one['low']:.3g} to {one['high']:.3g}",
            f"{one['limit']:g}",
            f"{one['e_value']:.3g} of {one['breaches_at']:.0f}",
        )
    return table


def _segments(real: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("shoppers who", "arm", "difference", "always-valid interval")
    for one in real:
        table.add_row(clean(one["segment"]), clean(one["arm"]), *_effect(one))
    return table


def _effect(one: Mapping[str, Any]) -> tuple[str, str]:
    if one["low"] is None:
        return "-", "too few yet"
    share = one.get("relative")
    beside = "" if share is None else f" ({100 * share:+.1f} %)"
    return f"{one['difference']:+.4g}{beside}", f"{one['low']:+.4g} to {one['high']:+.4g}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name)
    return table
