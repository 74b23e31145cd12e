"""The table of docs/rollout.md on what harmless releases answer."""

from collections.abc import Mapping
from typing import Any

from coterie.rollout.figures import FIGURES
from coterie.rollout.plan import SIGNALS


def write_table(results: Mapping[str, Any]) -> str:
    """Write by signal what is live, and the least and the most of releases trained anew."""
    shops = results["shops"]
    cells = (
        f"{one['config']['num_users']:,} shoppers: live, trained anew" for one in shops.values()
    )
    head = ["signal", *cells, "harmless"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name in next(iter(next(iter(shops.values()))["shares"].values())):
        cells = (_cell(one["shares"], name) for one in shops.values())
        lines.append(f"| `{name}` | {' | '.join(cells)} | {SIGNALS[name].harmless:.0%} |")
    return "\n".join(lines)


def write_run(results: Mapping[str, Any]) -> str:
    """Say of how many releases and answers it is."""
    shops = list(results["shops"].values())
    num = len(shops[0]["shares"]) - 1
    return (
        f"Each of {num} releases, trained anew with three other seeds or on 7 and 30 days less, "
        f"gave {results['requests']:,} answers in each shop (`{results['command']}`)."
    )


def write_roles(results: Mapping[str, Any]) -> str:
    """Say how far from live's the parts of scores are, at most."""
    found = [one for shop in results["shops"].values() for one in shop["figures"].values()]
    traded = max(one["roles_traded"] for one in found)
    agree = min(one["kinds_agree"] for one in found)
    most, least = (FIGURES[name].limit for name in ("roles_traded", "kinds_agree"))
    return (
        f"Of the {len(found)} releases above that were trained anew, beside what is live, "
        f"`roles_traded` is {traded:.1%} at most (limit {most:.0%}) and `kinds_agree` "
        f"{agree:.1%} at least (limit {least:.0%})."
    )


def _cell(shares: Mapping[str, Mapping[str, float]], name: str) -> str:
    live = shares["live"][name]
    others = [one[name] for release, one in shares.items() if release != "live"]
    return f"{live:.1%}, {min(others):.1%} to {max(others):.1%}"
