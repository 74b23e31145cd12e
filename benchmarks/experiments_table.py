"""The tables of docs/experiments.md."""

from collections.abc import Mapping
from typing import Any


def write_alarms(results: Mapping[str, Any]) -> str:
    """Write how often a difference is claimed where there is none."""
    told = results["aa"]
    lines = [
        f"| way, over {told['experiments']:,} A/A experiments of {told['shoppers']:,} shoppers, "
        f"looked at {told['looks']} times | false alarms |",
        "|---|---|",
    ]
    lines += [f"| {name} | {share:.1%} |" for name, share in told["false"].items()]
    return "\n".join(lines)


def write_power(results: Mapping[str, Any]) -> str:
    """Write how often, and how soon, a real lift is seen."""
    lines = [
        "| lift of a rate of 6 % | shoppers planned for the usual test | it sees | interval sees, "
        "of as many | of twice that | median shoppers where seen | rollouts' e-values see, of "
        "twice | interval holds the truth at all looks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in results["power"]:
        ours, theirs = row["interval"], row["e-values of rollouts"]
        lines.append(
            f"| {row['lift']:.0%} | {row['planned']:,} | "
            f"{row['usual test at the planned size']:.0%} | {ours['by the planned size']:.0%} | "
            f"{ours['by twice that']:.0%} | {ours['median shoppers where seen']:,.0f} | "
            f"{theirs['by twice that']:.0%} | {row['interval holds the truth at all looks']:.1%} |"
        )
    return "\n".join(lines)


def write_sessions(results: Mapping[str, Any]) -> str:
    """Write how right the interval of revenue a session is."""
    first = results["sessions"][0]
    lines = [
        f"| lift, {first['experiments']:,} holdouts each, of {first['shoppers']:,} shoppers, "
        f"looked at {first['looks']} times | a difference is claimed | interval holds the "
        "truth at all looks | usual 95 % interval over sessions, looked at once, holds it |",
        "|---|---|---|---|",
    ]
    for row in results["sessions"]:
        usual = row["95 % interval over sessions, looked at once, holds it"]
        lines.append(
            f"| {row['lift']:.0%} | {row['claims a difference']:.1%} | "
            f"{row['holds the truth at all looks']:.1%} | {usual:.1%} |"
        )
    return "\n".join(lines)


def write_friends(results: Mapping[str, Any]) -> str:
    """Write what estimates make of shoppers who talk."""
    lines = [
        "| word of a friend's purchase makes a listener buy | true difference | drawn and judged | "
        "mean estimate | off by | usual 95 % interval covers | interval of all looks covers |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["friends"]:
        for way in (name for name, told in row.items() if isinstance(told, dict)):
            told = row[way]
            lines.append(
                f"| {row['swayed']:.0%} | {row['truth']:.4f} | {way} | "
                f"{told['mean estimate']:.4f} | {told['off by, share of the truth']:+.0%} | "
                f"{told['95 % interval of one look covers']:.1%} | "
                f"{told['interval of all looks covers']:.1%} |"
            )
    return "\n".join(lines)


def write_cost(results: Mapping[str, Any]) -> str:
    """Write what impressions take."""
    told = results["cost"]
    return "\n".join(
        [
            "| what | cost |",
            "|---|---|",
            f"| on the disk, an item shown | {told['bytes a row']:.1f} bytes |",
            f"| on the disk, a list of 20 | {told['bytes a list of 20']:.0f} bytes |",
            "| on the disk, a million lists a day, all kept, a year | "
            f"{told['GB a year of a million lists a day, all kept']:.0f} GB |",
            f"| in a request | {told['us of a request']:.1f} µs |",
            f"| in the thread beside it, a list | {told['us a list to write']:.0f} µs |",
            f"| to judge an experiment by {told['rows']:,} rows | {told['s to judge']:.1f} s |",
            "| to say what recommendations earned, of a holdout with as many | "
            f"{told['s to say what was earned']:.1f} s |",
        ]
    )


def write_exploring(results: Mapping[str, Any]) -> str:
    """Write what a list takes that may explore beside one that may not."""
    return _lists(results["exploring"])


def write_interleaving(results: Mapping[str, Any]) -> str:
    """Write what a list of two releases takes beside one of one."""
    return _lists(results["interleaving"])


def _lists(told: Mapping[str, Any]) -> str:
    lines = [
        f"| a list of 20, of {told['items']:,} items, without reasons | mean, ms of a core | "
        "99th percentile |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {ms['mean']:.2f} | {ms['p99']:.2f} |" for name, ms in told["ms"].items()]
    return "\n".join(lines)


def write_run(results: Mapping[str, Any]) -> str:
    """Write by which commands the tables were made, and where."""
    whole = "python -m benchmarks.experiments"
    later = {name: c for name, c in results.get("commands", {}).items() if c != whole}
    beside = "".join(f" ({name}: `{command}`)" for name, command in later.items())
    return f"`{whole}`{beside}, seed {results['seed']}, {results['machine']}"
