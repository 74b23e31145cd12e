"""All lists of a shop, made by threads and written part by part."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import torch

from coterie.all_lists.everyone import Everyone
from coterie.all_lists.lists import BlockLists, ListsWanted
from coterie.all_lists.output import PartWriter, new_lists, part_name, write_manifest
from coterie.data.circle import CircleRule
from coterie.progress import Progress, silent
from coterie.release.bundle import Release

PART: Final = 100_000
"""Shoppers of a file, at most: some tens of megabytes."""
_GROUP: Final = 16
"""Blocks of a row group."""
_WHAT: Final = "lists"


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    shoppers: int
    files: int
    release: str


def make_all_lists(
    release: Release,
    everyone: Everyone,
    wanted: ListsWanted,
    rule: CircleRule,
    out: str,
    told: Progress = silent,
    threads: int = 0,
    per_file: int = PART,
) -> Made:
    """Make everybody's list, and put the files in the place of those that are there.

    Args:
        release: Whose lists.
        everyone: Whom they are for.
        wanted: What is asked for.
        rule: Whom lists draw on, as ``everyone`` was made with it.
        out: Folder or URL: ``lists-00000.parquet`` and on, with the columns of ``lists.LISTS``, and
            ``lists.json``.
        told: How many are made.
        threads: How many make lists; as many as there are cores if 0.
        per_file: Shoppers of a file, at most.

    Raises:
        BadInputError: ``out`` holds other things, or the release makes no lists.
        UnavailableError: The disk or store refused.
    """
    lists, total = BlockLists(release, everyone, wanted, told), len(everyone)
    parts = [(n, first) for n, first in enumerate(range(0, max(total, 1), per_file))]
    with new_lists(out) as folder, threads_alone(threads) as pool:
        for number, first in parts:
            stop = min(first + per_file, total)
            write_part(lists, PartWriter(folder, number), first, stop, pool, told)
        files = {part_name(n): min(first + per_file, total) - first for n, first in parts}
        write_manifest(folder, manifest(release, wanted, rule, files))
    return Made(total, len(parts), release.version)


@dataclass(frozen=True, slots=True)
class Threads:
    """Who makes lists in this process."""

    pool: ThreadPoolExecutor
    blocks: int
    """Blocks that are made, or wait to be written, at once."""


def write_part(
    lists: BlockLists,
    writer: PartWriter,
    first: int,
    stop: int,
    pool: Threads,
    told: Progress = silent,
) -> None:
    """Make and write the lists of some shoppers; blocks side by side, a few of them in memory."""
    with writer.open() as file:
        waiting: list[pa.Table] = []
        done = first
        for table in _in_order(lists, first, stop, pool):
            waiting.append(table)
            done += table.num_rows
            if len(waiting) == _GROUP or done == stop:
                file.write_table(pa.concat_tables(waiting))
                waiting = []
            told(_WHAT, done, len(lists.everyone))


def _in_order(lists: BlockLists, first: int, stop: int, pool: Threads) -> Iterator[pa.Table]:
    """Make blocks in the threads of a pool, and yield them in the order of shoppers."""
    running: deque[Future[pa.Table]] = deque()
    most, size = pool.blocks, lists.block
    try:
        for start in range(first, stop, size):
            if len(running) == most:
                yield running.popleft().result()
            running.append(pool.pool.submit(lists.table, start, min(start + size, stop)))
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def manifest(
    release: Release, wanted: ListsWanted, rule: CircleRule, files: dict[str, int]
) -> dict[str, Any]:
    """Say what lists are: of which release, when and how they were made, and in which files."""
    return {
        "release": release.version,
        "digest": release.digest,
        "made_at": datetime.fromtimestamp(wanted.now_ms / 1000, UTC).isoformat(timespec="seconds"),
        "k": wanted.k,
        "rules": wanted.rules.digest,
        "circle": rule.as_json(),
        "shoppers": sum(files.values()),
        "files": files,
    }


def num_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads_alone(threads: int = 0) -> Iterator[Threads]:
    """Open threads that each work alone, as many as there are cores if 0: blocks side by side wait
    for each other less than parts of one product would."""
    threads = threads or num_cores()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, "lists", torch.set_num_threads, (1,)) as pool:
            # One more block than there are threads: none waits for what is written.
            yield Threads(pool, threads + 1)
    finally:
        torch.set_num_threads(before)
