"""The table of docs/rules.md on new items that are explored."""

from collections.abc import Mapping
from typing import Any


def write_table(results: Mapping[str, Any]) -> str:
    """Write what each share gives new items, and takes of the others."""
    lines = [
        "| share | lists with one, of "
        + f"{results['shoppers']:,} | impressions of a new item | never shown, of "
        + f"{results['new items']} | clicks on them | NDCG@20 of the others | lost |",
        "|---|---|---|---|---|---|---|",
    ]
    plain = results["days"][0]["ndcg@20"]
    for day in results["days"]:
        found = day["ndcg@20"]
        lost = f"{1 - found / plain:.1%}" if day["share"] else ""
        lines.append(
            f"| {day['share']:g} | {day['explored']:,.0f} | {day['impressions an item']:.1f} | "
            f"{day['items never shown']:.1f} | {day['clicks']:.0f} | {found:.4f} | {lost} |"
        )
    return "\n".join(lines)
