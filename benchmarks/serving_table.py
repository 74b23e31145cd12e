"""What ``benchmarks.serving`` found, for docs/performance.md and docs/operations-sizing.md."""

import math
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

Found = Mapping[str, Any]
NAMES: Final = {"plain": "without reasons", "explained": "with reasons"}
STORES: Final = {"sqlite": "SQLite", "redis": "Redis"}
CODES: Final = {"before": "before", "now": "now"}
GROUPS: Final = ("replicas", "haproxy", "ray serve", "ray", "controller", "event sink")
SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
LISTS_A_DAY: Final = 5
BUSIEST_HOUR: Final = 0.1
SPARE: Final = 1 / 3
LEAST: Final = 2
"""Replicas: one may fail."""
CPU_MONTH, GIB_MONTH = 0.05 * 730, 0.006 * 730
"""Dollars on demand, of a CPU and of a GiB."""
POD_GIB: Final = 4
REST_CPUS: Final = 4
"""Head, controller and Redis, beside the workers."""
REST_GIB: Final = 8


def write_lists(found: Found) -> str:
    """Write lists a second, their times and their processor time, beside the reference."""
    peak = found["reference"]["closed"]["a_second"]
    lines = [
        "| | lists/s, lowest to highest | of the constant body | p50, p99 at half of it, ms | "
        "CPU a list, ms | of it replicas |",
        "|---|---|---|---|---|---|",
        _lists("a constant body of the same size", found["reference"], peak),
    ]
    lines += [_lists(name, row, peak) for name, row in _rows(found)]
    return "\n".join(lines)


def _rows(found: Found) -> Iterator[tuple[str, Found]]:
    for code, said in CODES.items():
        for store, called in STORES.items():
            for kind, what in NAMES.items():
                row = found.get(code, {}).get(store, {}).get(kind)
                if row:
                    yield f"{said}, {called}, {what}", row


def _lists(name: str, row: Found, peak: float) -> str:
    rates, half, cpu = row["rates"], row["at_half"], row["cpu_ms_a_list"]
    middle = statistics.median(rates)
    whole = sum(ms for group, ms in cpu.items() if group != "load generator")
    return (
        f"| {name} | {middle:,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) | {middle / peak:.0%} "
        f"| {half['p50_ms']:.1f}, {half['p99_ms']:.1f} | {whole:.2f} | {cpu['replicas']:.2f} |"
    )


def write_stages(found: Found) -> str:
    """Write where a replica's time goes, stage by stage; nothing where that was not sampled."""
    columns = {
        f"{said}, {what}": stages[kind]
        for code, said in CODES.items()
        if (stages := found.get(code, {}).get("sqlite", {}).get("stages"))
        for kind, what in NAMES.items()
    }
    if not columns:
        return "Not sampled in this run."
    lines = [
        "| ms of a replica a list | " + " | ".join(columns) + " |",
        "|---" * len(columns) + "|---|",
    ]
    for stage in next(iter(columns.values())):
        values = " | ".join(f"{column[stage]:.2f}" for column in columns.values())
        lines.append(f"| {stage} | {values} |")
    return "\n".join(lines)


def write_pictures(images: Path) -> str:
    """Show the flame graphs that were drawn of lists without reasons."""
    drawn = [
        f"![Stacks of a replica {said}](images/{name})"
        for code, said in CODES.items()
        if (images / (name := f"serving-{code}-plain.svg")).exists()
    ]
    return "\n\n".join(drawn) or "None were drawn in this run."


def write_live(found: Found) -> str:
    """Write what lists and events do to each other."""
    lines = [
        "| | lists/s answered of 100, p99 ms | events/s answered of 2,000, receipt p50, p99 ms | "
        "event to list p50, p99 ms | lists that did not know |",
        "|---|---|---|---|---|",
    ]
    for code, said in CODES.items():
        for store, called in STORES.items():
            live = found.get(code, {}).get(store, {}).get("live")
            if not live:
                continue
            if "failed" in live:
                lines.append(f"| {said}, {called} | not borne: {live['failed'][:60]} | | | |")
                continue
            lists, receipts, known = live["lists"], live["receipts"], live["event_to_list"]
            lines.append(
                f"| {said}, {called} | {lists['a_second']:.0f}, {lists['p99_ms']:,.0f} "
                f"| {receipts['events_a_second']:,}, {receipts['p50_ms']:,.0f}, "
                f"{receipts['p99_ms']:,.0f} | {known['p50_ms']:,.0f}, {known['p99_ms']:,.0f} "
                f"| {known['lists_that_did_not_know']} of {known['probes']} |"
            )
    return "\n".join(lines)


def write_memory(found: Found) -> str:
    """Write what processes take, what they share divided among them."""
    lines = ["| MB, shared pages divided | " + " | ".join(GROUPS) + " |"]
    lines.append("|---" * (len(GROUPS) + 1) + "|")
    for code, said in CODES.items():
        taken = found.get(code, {}).get("sqlite", {}).get("pss_mb")
        if taken:
            values = " | ".join(f"{taken.get(group, 0):,}" for group in GROUPS)
            lines.append(f"| {said}, {found['replicas']} replicas | {values} |")
    return "\n".join(lines)


def write_sizes(found: Found) -> str:
    """Write how many pods serve how many shoppers, with reasons, and what they cost."""
    row = found["now"].get("redis", found["now"]["sqlite"])["explained"]
    cpu = row["cpu_ms_a_list"]
    whole = sum(ms for group, ms in cpu.items() if group != "load generator") / 1000
    lines = [
        "| shoppers in a day | lists/s at the busiest hour | CPUs busy | worker pods of 2 CPUs, "
        f"{POD_GIB} GiB | dollars a month, with head, controller and Redis |",
        "|---|---|---|---|---|",
    ]
    for shoppers in SIZES:
        rate = shoppers * LISTS_A_DAY * BUSIEST_HOUR / 3600
        busy = rate * whole
        pods = max(LEAST, math.ceil(busy / (1 - SPARE) / 2))
        dollars = (2 * pods + REST_CPUS) * CPU_MONTH + (POD_GIB * pods + REST_GIB) * GIB_MONTH
        lines.append(
            f"| {shoppers:,} | {rate:,.0f} | {busy:.2f} | {pods} | ~{round(dollars, -1):,.0f} |"
        )
    return "\n".join(lines)


def write_run(found: Found) -> str:
    """Write how it was measured."""
    told, versions = found["machine"], found["versions"]
    return (
        f"`{found['command']}`: {told['cpus']} CPUs ({told['machine']}), load at the start "
        f"{told['load']:.1f}; Python {versions['python']}, Ray {versions['ray']}, FastAPI "
        f"{versions['fastapi']}, Feast {versions['feast']}; {found['items']:,} items, "
        f"{found['shoppers']:,} shoppers, {found['replicas']} replicas, seed {found['seed']}, "
        f"commit {found['now']['commit']}"
        + (f", before: {found['before']['commit']}." if "before" in found else ".")
    )
