"""The rules benchmark's results as tables."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

SETS: Final = {"lastfm": "LastFM", "ciao_time": "Ciao by time"}
SURE: Final = 0.01


def write_losses(results: Mapping[str, Any]) -> str:
    """Write a row for each set and rule, beside the lists without one."""
    rows = [
        "| data | rule | NDCG@20 | lost | places that changed | categories in 20 | distance |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *_losses(results["sets"])])


def _losses(sets: Mapping[str, Any]) -> Iterator[str]:
    for name, title in SETS.items():
        if name not in sets:
            continue
        plain = sets[name]["no rule"]
        yield f"| {title} | none | {plain['ndcg@20']:.4f} | | | {_variety(plain)}"
        for rule, found in sets[name]["rules"].items():
            sure = "" if found["p"] < SURE else ", by chance perhaps"
            yield (
                f"| {title} | {rule} | {found['ndcg@20']:.4f} | {found['lost']:.1%}{sure} "
                f"| {found['places changed']:.0%} | {_variety(found)}"
            )


def _variety(found: Mapping[str, Any]) -> str:
    return f"{found['categories']:.1f} | {found['distance']:.3f} |"


def write_chosen(results: Mapping[str, Any]) -> str:
    """Write what each weight of diversity took on validation."""
    rows = ["| data | weight | lost on validation | distance |", "|---|---|---|---|"]
    for name, title in SETS.items():
        found = results["sets"].get(name, {}).get("validation", {})
        for weight, one in found.get("diversity", {}).items():
            mark = " (chosen)" if float(weight) == found["chosen"] else ""
            rows.append(f"| {title} | {weight}{mark} | {one['lost']:.1%} | {one['distance']:.3f} |")
    return "\n".join(rows)


def write_latency(results: Mapping[str, Any]) -> str:
    """Write how long lists took."""
    rows = ["| list of 20, without reasons | mean | p50 | p99 |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {ms['mean']} ms | {ms['p50']} ms | {ms['p99']} ms |"
        for name, ms in results["latency"]["ms"].items()
    ]
    return "\n".join(rows)
