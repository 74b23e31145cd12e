"""The SQLite file of one machine's events and changed rows, opened by one at a time."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from coterie.data.locks import FileLocks

_WAIT_S: Final = 30.0
"""Seconds that others are waited for who open the file: making its tables takes milliseconds."""


def open_file(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    """Open a file that several processes share, or begin one.

    SQLite turns a file to its write-ahead log without waiting for who else does the same, and two
    who add a column both find it missing: so opening, and that alone, is done by one at a time.

    Args:
        path: Of the file; folders above it are made.
        prepare: Makes the tables that are missing.

    Raises:
        OSError: A folder cannot be made.
        sqlite3.Error: It is no SQLite file, or may not be written.
        UnavailableError: Others were opening it all the while, or no lock can be made beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLocks(path).lock("open", _WAIT_S):
        # Used by one thread at a time, but not always the one that opened it.
        opened = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        opened.execute("PRAGMA journal_mode = WAL")
        # An acknowledged event survives a power cut, not only a crash of ours.
        opened.execute("PRAGMA synchronous = FULL")
        prepare(opened)
    return opened
