"""Tables of docs/behaviour.md, written from the benchmark's file."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from coterie.behaviour.forecast import LEVELS

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
_ASKED: Final = {
    "buys_7d": "buys within 7 days",
    "buys_30d": "buys within 30 days",
    "leaves_30d": "stays away for 30 days",
}

_LEARNERS: Final = ("both together", "boosted trees", "linear", "as before")


def write_chances(results: Results) -> str:
    """Write AUC and Brier of each learner, by shop and question."""
    rows = [
        ["shop", "asked", "did", "learner", "AUC", "Brier", "off by"],
        ["---"] * 7,
    ]
    for shop, found in results["shops"].items():
        for name, asked in _ASKED.items():
            one = found["chances"][name]
            if isinstance(one, str):
                rows.append([shop, asked, "-", one, "-", "-", "-"])
                continue
            for at, (learner, scores) in enumerate(_in_order(one["chances"])):
                first = at == 0
                rows.append(
                    [
                        shop if first else "",
                        asked if first else "",
                        f"{100 * one['happened']:.1f} %" if first else "",
                        learner,
                        _within(scores["auc"], 3),
                        _within(scores["brier"], 4),
                        f"{scores['calibration_error']:.3f}",
                    ]
                )
    return _table(rows)


def write_amounts(results: Results) -> str:
    """Write how good the expected value is."""
    rows = [["shop", "learner", "mean error", "rank correlation", "sum, of what came"]]
    rows.append(["---"] * 5)
    for shop, found in results["shops"].items():
        one = found["chances"]["value_30d"]
        if isinstance(one, str):
            continue
        for at, (learner, scores) in enumerate(_in_order(one["amounts"])):
            rows.append(
                [
                    shop if at == 0 else "",
                    learner,
                    _within(scores["mean_error"], 2),
                    f"{scores['rank']:.3f}",
                    f"{scores['total_ratio']:.2f}",
                ]
            )
    return _table(rows)


def write_demand(results: Results) -> str:
    """Write MASE and coverage by shop and level."""
    rows = [
        [
            "shop",
            "level",
            "series",
            "MASE, reconciled",
            "seasonal naive",
            "better on",
            "weeks in interval",
            "chosen",
        ]
    ]
    rows.append(["---"] * 8)
    for shop, found in results["shops"].items():
        for at, level in enumerate(found["demand"]):
            rows.append(
                [
                    shop if at == 0 else "",
                    level["level"],
                    f"{level['series']}",
                    f"{level['mase']['reconciled']:.2f}",
                    f"{level['mase']['seasonal naive']:.2f}",
                    f"{100 * level['better']['reconciled']:.0f} %",
                    f"{100 * level['coverage']:.0f} %",
                    level["chosen"],
                ]
            )
    return _table(rows)


def write_intervals(results: Results) -> str:
    """Write how many weeks intervals hold, and how wide they are, by the rule before and now."""
    rows = [
        ["shop", "level", "series", "ends", "held, before", "held", "of the last", "width, before"]
    ]
    rows[0].append("width")
    rows.append(["---"] * 9)
    for shop, found in results["intervals"].items():
        for at, level in enumerate(LEVELS):
            told = found["levels"][level]
            before, now = told["before"], told["now"]
            rows.append(
                [
                    shop if at == 0 else "",
                    level,
                    str(told["series"]),
                    str(found["ends"]),
                    *(f"{100 * one:.0f} %" for one in (before["held"], now["held"], now["last"])),
                    *(_width(one["width"]) for one in (before, now)),
                ]
            )
    return _table(rows)


def _width(share: float) -> str:
    # Where next to nothing is foreseen, an interval is any number of times as wide.
    return f"{100 * share:.0f} %" if share < 10 else "over 1,000 %"


def write_segments(results: Results) -> str:
    """Write how stable each number of segments is."""
    shops = results["shops"]
    numbers = sorted({int(k) for one in shops.values() for k in one["stability"]})
    rows = [["shop", *map(str, numbers), "chosen"], ["---"] * (len(numbers) + 2)]
    for shop, found in shops.items():
        cells = [found["stability"].get(str(k)) for k in numbers]
        rows.append(
            [
                shop,
                *("-" if cell is None else f"{cell:.2f}" for cell in cells),
                str(len(found["segments"])),
            ]
        )
    return _table(rows)


def write_newcomers(results: Results) -> str:
    """Write NDCG@20 of newcomers by way to rank items."""
    rows = [["set", "newcomers", "popular", "recent", "rising"], ["---"] * 5]
    for name, found in results["newcomers"].items():
        cells = [f"{found['popular']['ndcg@20']:.4f}"]
        for way in ("recent", "rising"):
            one = found[way]
            low, high = one["gain"]
            cells.append(f"{one['ndcg@20']:.4f} ({low:+.4f} to {high:+.4f}; {one['setting']})")
        rows.append([name, f"{found['people']}", *cells])
    return _table(rows)


def write_scale(results: Results) -> str:
    """Write CPU seconds by stage, and memory."""
    found = results["scale"]
    head = f"{found['events']:,} events, {found['shoppers']:,} shoppers"
    rows = [["", head], ["---", "---"]]
    rows += [[stage, f"{seconds:.1f} s"] for stage, seconds in found["stages"].items()]
    rows.append(["**all**", f"**{found['cpu_s']:.1f} s**"])
    rows.append(
        [
            "memory, highest (after reading the tables)",
            f"{found['peak_gib']:.2f} GiB ({found['of_which_reading_gib']:.2f})",
        ]
    )
    return _table(rows)


def write_hops(results: Results) -> str:
    """Write what an epoch of LightGCN costs with hops as torch has them, and as they are."""
    rows = [["set", "CPU s an epoch, torch's", "ours", "times faster"], ["---"] * 4]
    for name, found in results.items():
        before, after = found["torch"]["epoch_s"], found["ours"]["epoch_s"]
        rows.append([name, f"{before:.1f}", f"{after:.1f}", f"{before / after:.1f}"])
    return _table(rows)


def _in_order(scores: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, scores[name]) for name in _LEARNERS if name in scores]


def _within(interval: Mapping[str, float], digits: int) -> str:
    mean, low, high = (f"{interval[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
