"""When keys were last used: kept beside, a file a process, written at most once a minute."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from coterie.files import write_atomically

EVERY_S: Final = 60.0
FOLDER: Final = "key-uses"
"""In the folder of state."""


class LastUses:
    """Notes of one process."""

    def __init__(self, folder: Path | None) -> None:
        """Keep notes in a folder's file of this process; nowhere if None."""
        self._file = folder / f"{os.getpid()}.json" if folder else None
        self._times: dict[str, float] = {}
        self._next = 0.0

    def note(self, key_id: str, now: float) -> None:
        """Note that a key of ours was used; those that are none are never given here."""
        self._times[key_id] = now
        if now >= self._next:
            self._next = now + EVERY_S
            self.write()

    def write(self) -> None:
        """Write all notes; a disk that refuses hinders nobody from asking."""
        if self._file is not None and self._times:
            with suppress(OSError):
                write_atomically(self._file, json.dumps(self._times), durable=False)


def last_uses(state: str | Path) -> dict[str, float]:
    """Read when each key was last used, as far as processes with a folder of state have noted it.

    Args:
        state: Folder of the app's state.

    Returns:
        Unix time by the key's id; up to a minute behind, and without keys that nobody used.
    """
    found: dict[str, float] = {}
    for file in Path(state, FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, AttributeError, TypeError):
            for key_id, at in json.loads(file.read_bytes()).items():
                found[key_id] = max(found.get(key_id, 0.0), min(float(at), time.time()))
    return found
