"""The tables of docs/language.md, of what ``benchmarks.language`` found."""

from collections.abc import Mapping
from typing import Any


def write_guards(results: Mapping[str, Any]) -> str:
    """Write what guards caught, as Markdown."""
    names = {"en": "English", "zh": "Chinese"}
    rows = [
        row
        for language, one in results["inventions"].items()
        for row in (
            (f"inventions caught, {names[language]}", f"{one['caught']} of {one['planted']}"),
            (f"good rephrasings passed, {names[language]}", f"{one['passed']} of {one['good']}"),
        )
    ]
    orders = results["injections"]
    rows += [
        ("orders given to a model that obeys", f"{orders['orders']}"),
        ("of these, that changed a reason", f"{orders['changed_reasons']}"),
        ("of these, that changed what was searched for", f"{orders['changed_searches']}"),
    ]
    lines = ["| what | measured |", "|---|---|", *(f"| {what} | {found} |" for what, found in rows)]
    return "\n".join(lines)


def write_costs(results: Mapping[str, Any]) -> str:
    """Write what calls take, as Markdown: tokens, seconds, and what a million cost."""
    lines = [
        "| a call | tokens in, out | p50 (p95), s | the client, ms | a million calls, M tokens |",
        "|---|---|---|---|---|",
    ]
    for name, one in results["calls"].items():
        lines.append(
            f"| {name} | {one['tokens_in']}, {one['tokens_out']} | {one['p50_s']:.2f} "
            f"({one['p95_s']:.2f}) | {one['client_ms_p50']:.1f} | {one['tokens_in']} in, "
            f"{one['tokens_out']} out |"
        )
    items = results["catalogue"]
    lines.append(
        f"| an item of the catalogue (of {items['items']}) | {items['tokens_in']:.0f}, "
        f"{items['tokens_out']:.0f} | | | {items['tokens_in']:.0f} in, {items['tokens_out']:.0f} "
        "out |"
    )
    return "\n".join(lines)
