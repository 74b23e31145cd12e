"""The table of docs/rules.md on what exploring comes to over sixty days."""

from collections.abc import Mapping
from typing import Any


def write_table(results: Mapping[str, Any]) -> str:
    """Write what each way of exploring gives, beside greedy lists."""
    greedy = results["ways"][0]
    days = results["days"]
    lines = [
        f"| explored | share | clicks in {days} days | in the first week | in the last week | "
        f"regret against greedy, clicks | new items ever shown, of {results['new items']} | "
        "in a list of the last night by score alone | "
        "catalogue shown in the last week | NDCG against true taste |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for way in results["ways"]:
        is_greedy = way is greedy
        cells = [
            way["way"] if not is_greedy else "nothing",
            f"{way['share']:g}",
            f"{way['clicks']:,.0f}" + _change(way, greedy, "clicks", is_greedy),
            f"{way['clicks in the first week']:,.0f}"
            + _change(way, greedy, "clicks in the first week", is_greedy),
            f"{way['clicks in the last week']:,.0f}"
            + _change(way, greedy, "clicks in the last week", is_greedy),
            "" if is_greedy else f"{greedy['clicks'] - way['clicks']:+,.0f}",
            f"{way['new items shown']:.0%}",
            f"{way['new items found']:.0%}",
            f"{way['catalogue shown']:.0%}",
            f"{way['true ndcg']:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _change(way: Mapping[str, Any], greedy: Mapping[str, Any], name: str, is_greedy: bool) -> str:
    return "" if is_greedy else f" ({way[name] / greedy[name] - 1:+.1%})"
