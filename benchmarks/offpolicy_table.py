"""The tables of docs/off-policy.md on how far estimates are from the truth."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_HEAD: Final = ("bias", "RMSE", "width", "coverage")


def write_lists(results: Mapping[str, Any], world: str) -> str:
    """Write one world's estimates of lists, in logs of two lengths."""
    found = results[world]
    logs = found["logs"]
    names = [f"{log['lists']:,} lists" for log in logs]
    earned = (
        f"The candidate earns {found['truth']:.4f} a list, the logging policy "
        f"{found['logging policy']:.4f}; {results['runs']} logs of {results['shoppers']} "
        "shoppers each."
    )
    return "\n".join([earned, "", *_rows(logs, names)])


def write_bandit(results: Mapping[str, Any]) -> str:
    """Write the estimates of single places, and how they differ from another library's."""
    found = results["open bandit"]
    logs = found["logs"]
    lines = [*_rows(logs, [f"{log['impressions']:,} impressions" for log in logs])]
    theirs = found.get("difference from obp 0.5.7")
    if theirs:
        worst = max(theirs.values())
        lines += [
            "",
            f"The Open Bandit Pipeline's own IPS, SNIPS and DR differ by at most {worst:.0e}.",
        ]
    return "\n".join(lines)


def write_pseudo_inverse(results: Mapping[str, Any]) -> str:
    """Write both forms of the pseudo-inverse."""
    found = results["pseudo-inverse"]
    return "\n".join(_rows([found], [f"{found['lists']:,} lists"]))


def _rows(logs: list[Mapping[str, Any]], names: list[str]) -> Iterator[str]:
    heads = [f"{what}, {name}" for name in names for what in _HEAD]
    yield f"| estimate | {' | '.join(heads)} |"
    yield "|---|" + "---|" * len(heads)
    for name in logs[0]["estimates"]:
        cells = []
        for log in logs:
            one = log["estimates"][name]
            cells += [
                f"{one['bias']:+.1%}",
                f"{one['rmse']:.1%}",
                f"{one['width']:.0%}",
                f"{one['coverage']:.1%}",
            ]
        yield f"| {name.replace('_', '-')} | {' | '.join(cells)} |"
