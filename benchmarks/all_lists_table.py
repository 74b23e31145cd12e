"""The tables of docs/performance.md, of what ``benchmarks.all_lists`` found."""

from collections.abc import Mapping
from typing import Any


def write_whole(found: Mapping[str, Any]) -> str:
    """Write what all lists of some numbers of shoppers cost, beside lists one by one."""
    alone = found["one by one"]
    lines = [
        "| shoppers | CPU a list, µs | without reading and summing up | lists a second and core | "
        "peak memory, MB | files, MB |",
        "|---|---|---|---|---|---|",
        *(
            f"| {int(num):,} | {row['cpu us a list']} | "
            f"{row['cpu us a list, once all is read and summed up']} | "
            f"{row['lists a second of one core']:,} | {row['peak MB']:,} | {row['MB of files']} |"
            for num, row in found["shoppers"].items()
        ),
        f"| one by one, as served, features in memory | {alone['cpu us a list']:,} | | "
        f"{1e6 / alone['cpu us a list']:,.0f} | | |",
    ]
    return "\n".join(lines)


def write_stages(found: Mapping[str, Any]) -> str:
    """Write what each stage of a list costs, in a thread that works alone."""
    lines = ["| stage | CPU a list, µs |", "|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {us:.0f} |" for what, us in found["stages"].items())])
