"""Where a rollout is written down: state with compare-and-swap, audit log, commands, lease.

A folder on a disk that all controllers share. A transition counts from the moment at which the
state that it leads to is written: audit lines are written before the state, and lines that no
state vouches for are dropped by the next writer.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

from coterie.errors import BadInputError, UnavailableError
from coterie.files import write_atomically
from coterie.rollout.commands import Command
from coterie.rollout.history import Snapshot
from coterie.rollout.state import State, Transition
from coterie.rollout.stored import command_json, read_command, read_snapshot, read_transition

STATE: Final = "state.json"
AUDIT: Final = "audit.jsonl"
COMMANDS: Final = "commands.jsonl"
SNAPSHOTS: Final = "snapshots.jsonl"
OLD_SNAPSHOTS: Final = "looks.jsonl"
"""What the version before called them."""
LEASE: Final = "lease"
FORMAT: Final = 1
KEPT_SNAPSHOTS_BYTES: Final = 512 * 1024
"""About a thousand snapshots."""
_LONGEST_LINE: Final = 64 * 1024


class Lease(Protocol):
    """True for as long as its holder alone may act: ask before each act."""

    def __bool__(self) -> bool:
        """Tell whether the holder may act at this moment."""


class RolloutStore(Protocol):
    """Where a rollout is written down: a folder here, ConfigMaps and a Lease in a cluster."""

    def read(self) -> tuple[State, int]:
        """Read the state and its version, 0 before the first was written."""

    def write(self, state: State, version: int, transitions: Sequence[Transition] = ()) -> int:
        """Write what follows from the state of ``version``, and give the new version.

        Raises:
            UnavailableError: Somebody else wrote meanwhile: read again, and decide anew.
        """

    def history(self) -> list[Transition]:
        """Read the transitions, oldest first."""

    def command(self, command: Command) -> None:
        """Leave a command for the controller, who reads it within one loop, restarted or not."""

    def commands(self, state: State) -> list[Command]:
        """Read the commands that a state does not know of yet, oldest first."""

    def forget_commands(self, state: State) -> None:
        """Drop commands that were carried out: called once the state that says so is written."""

    def lease(self) -> AbstractContextManager[Lease]:
        """Take the lease, by which one process alone acts for as long as the context lasts."""


class FileRolloutStore:
    """A folder; see the module."""

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)

    def read(self) -> tuple[State, int]:
        """Read the state and its version, 0 before the first was written.

        Raises:
            BadInputError: The file is damaged or of another format.
        """
        content = self._content()
        if content is None:
            return State(), 0
        try:
            return State.from_json(content["state"]), int(content["version"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"{self._folder / STATE} holds no rollout ({error})") from error

    def write(self, state: State, version: int, transitions: Sequence[Transition] = ()) -> int:
        """Write what follows from the state of ``version``, and give the new version.

        Raises:
            UnavailableError: Somebody else wrote meanwhile: read again, and decide anew. Or the
                disk has no room: what was written before stays.
        """
        with self._writing(), self._locked():
            content = self._content() or {"version": 0, "audit_bytes": 0}
            if content["version"] != version:
                raise UnavailableError(
                    f"the rollout was written by another controller (version {content['version']}, "
                    f"expected {version}): read it again"
                )
            length = self._append(int(content["audit_bytes"]), transitions)
            written = {
                "format": FORMAT,
                "version": version + 1,
                "audit_bytes": length,
                "state": state.as_json(),
            }
            write_atomically(self._folder / STATE, json.dumps(written))
        return version + 1

    def history(self) -> list[Transition]:
        """Read all transitions, oldest first."""
        content = self._content()
        path = self._folder / AUDIT
        if content is None or not path.exists():
            return []
        with path.open("rb") as file:
            lines = file.read(int(content["audit_bytes"])).splitlines()
        return [read_transition(json.loads(line)) for line in lines]

    def note_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot for the charts. Over the limit every other one goes, never the first."""
        path = self._folder / SNAPSHOTS
        with self._writing():
            if self._snapshots_file() != path:
                self._snapshots_file().rename(path)
            length = _add_line(path, json.dumps(asdict(snapshot)), sync=False)
            if length > KEPT_SNAPSHOTS_BYTES:
                lines = path.read_bytes().splitlines(keepends=True)
                kept = [lines[0], *lines[1 + len(lines) % 2 :: 2]]
                write_atomically(path, b"".join(kept))

    def snapshots(self) -> list[Snapshot]:
        """Read the snapshots that were kept, oldest first."""
        path = self._snapshots_file()
        if not path.exists():
            return []
        snapshots = []
        for line in path.read_bytes().splitlines():
            # One that a crash cut short is missed by nobody.
            with suppress(ValueError, TypeError, AttributeError, KeyError):
                snapshots.append(read_snapshot(json.loads(line)))
        return snapshots

    def command(self, command: Command) -> None:
        """Leave a command for the controller, who reads it within one loop, restarted or not.

        Raises:
            UnavailableError: The disk has no room; nothing was left.
        """
        with self._writing(), self._locked():
            _add_line(self._folder / COMMANDS, json.dumps(command_json(command)))

    def commands(self, state: State) -> list[Command]:
        """Read the commands that a state does not know of yet, oldest first."""
        path = self._folder / COMMANDS
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        # A line that a crash cut short was never acknowledged.
        found = [read_command(json.loads(line)) for line in lines if line.endswith("}")]
        return [one for one in found if one.id not in state.done_commands]

    def forget_commands(self, state: State) -> None:
        """Drop commands that were carried out: called once the state that says so is written."""
        with self._writing(), self._locked():
            left = self.commands(state)
            text = "".join(json.dumps(asdict(one)) + "\n" for one in left)
            write_atomically(self._folder / COMMANDS, text)

    @contextmanager
    def lease(self) -> Iterator[bool]:
        """Take the lease, by which one process alone acts for as long as the context lasts.

        The kernel frees the lock of a process that dies.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / LEASE).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _content(self) -> dict[str, Any] | None:
        path = self._folder / STATE
        if not path.exists():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError as error:
            raise BadInputError(f"{path} is damaged ({error})") from error
        if content.get("format") != FORMAT:
            raise BadInputError(f"{path} has format {content.get('format')}, known is {FORMAT}")
        return content

    def _snapshots_file(self) -> Path:
        """Find the file of snapshots, which may still have the name that it had before."""
        path, old = self._folder / SNAPSHOTS, self._folder / OLD_SNAPSHOTS
        return old if old.exists() and not path.exists() else path

    def _append(self, length: int, transitions: Sequence[Transition]) -> int:
        """Write audit lines after the first ``length`` bytes, and give the length then."""
        path = self._folder / AUDIT
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(length)
            file.seek(length)
            for transition in transitions:
                file.write(json.dumps(asdict(transition)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnavailableError(
                f"cannot write the rollout down in {self._folder}: {error}; "
                "make room there, or see to its rights"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _add_line(path: Path, text: str, sync: bool = True) -> int:
    """Write a line at a file's end, whole or not at all, and give the file's length then."""
    line = f"{text}\n".encode()
    # A buffer would be written once more on closing, behind what was taken back.
    with path.open("a+b", buffering=0) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - _LONGEST_LINE))
        tail = file.read()
        # What a crash or a full disk cut short would take the new line along.
        whole = length - len(tail) + tail.rfind(b"\n") + 1
        if whole < length:
            file.truncate(whole)
        if file.write(line) < len(line):
            file.truncate(whole)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if sync:
            os.fsync(file.fileno())
        return whole + len(line)
