"""The table of docs/rollout.md on pairs of harmless releases."""

from collections.abc import Mapping
from typing import Any

from benchmarks import slower_lists
from coterie.rollout.plan import SIGNALS


def write_table(results: Mapping[str, Any]) -> str:
    """Write the canary's share of pairs by signal, each change in both shops."""
    shops = list(results["shops"].values())
    changes = list(shops[0]["shares"])
    head = ["signal", *changes, "harmless"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, meant in SIGNALS.items():
        if not meant.paired or name == slower_lists.SIGNAL:
            continue
        cells = [
            ", ".join(_percent(shop["shares"][change].get(name)) for shop in shops)
            for change in changes
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {meant.harmless:.0%} |")
    return "\n".join(lines)


def write_shops(results: Mapping[str, Any]) -> str:
    """Say in a sentence what both shops are."""
    told = (
        f"{one['num_users']:,} shoppers, {one['num_items']:,} items, {one['num_friends']:.0f} ties "
        f"a shopper (seed {one['seed']})"
        for one in (shop["config"] for shop in results["shops"].values())
    )
    return f"The first figure is of a shop of {' and the second of one of '.join(told)}."


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
