"""When keys were last used: kept beside, a file a process, and where all processes of a service
see it; a key at most once a minute."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from coterie.errors import CoterieError
from coterie.files import write_atomically

EVERY_S: Final = 60.0
FOLDER: Final = "key-uses"
"""In the folder of state."""


class LastUses:
    """Notes of one process."""

    def __init__(
        self, folder: Path | None, share: Callable[[Mapping[str, float]], None] | None = None
    ) -> None:
        """Keep notes in a folder's file of this process, and share them with other processes.

        Args:
            folder: None: there is no file.
            share: Tells all notes, in a thread of its own; may raise errors of ours, after which
                they are told with the next ones. None: nobody is told.
        """
        self._file = folder / f"{os.getpid()}.json" if folder else None
        self._share, self._sharing = share, threading.Event()
        self._thread: threading.Thread | None = None
        self._times: dict[str, float] = {}
        self._written: dict[str, float] = {}

    def note(self, key_id: str, now: float) -> None:
        """Note that a key of ours was used; those that are none are never given here."""
        self._times[key_id] = now
        if now - self._written.get(key_id, -EVERY_S) >= EVERY_S:
            self._written[key_id] = now
            self.write()

    def write(self) -> None:
        """Write all notes; a disk that refuses hinders nobody from asking."""
        if self._file is not None and self._times:
            with suppress(OSError):
                write_atomically(self._file, json.dumps(self._times), durable=False)
        if self._share is not None:
            self._sharing.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._tell, name="key-uses", daemon=True)
                self._thread.start()

    def _tell(self) -> None:
        while True:
            self._sharing.wait()
            self._sharing.clear()
            with suppress(CoterieError):  # told with the next ones
                assert self._share is not None
                self._share(dict(self._times))


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
