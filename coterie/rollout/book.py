"""Where a rollout is written down: state with compare-and-swap, audit log, commands, lease.

A folder on a disk that all controllers share. A transition counts from the moment at which the
state that it leads to is written: audit lines are written before the state, and lines that no
state vouches for are dropped by the next writer.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from coterie.errors import BadInputError, UnavailableError
from coterie.files import write_atomically
from coterie.rollout.decide import Command, Verb
from coterie.rollout.plan import Plan, current_names
from coterie.rollout.standing import Look
from coterie.rollout.state import Phase, State, Transition

STATE: Final = "state.json"
AUDIT: Final = "audit.jsonl"
COMMANDS: Final = "commands.jsonl"
LOOKS: Final = "looks.jsonl"
LEASE: Final = "lease"
FORMAT: Final = 1
KEPT_LOOKS_BYTES: Final = 512 * 1024
"""About a thousand looks."""
_LONGEST_LINE: Final = 64 * 1024


class Book:
    """A folder; see the module."""

    def __init__(self, folder: str | Path):
        self._folder = Path(folder)

    def read(self) -> tuple[State, int]:
        """The state and its version, 0 before the first was written.

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
        """Write what follows from the state of ``version``; the new version.

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
        """All transitions, oldest first."""
        content = self._content()
        path = self._folder / AUDIT
        if content is None or not path.exists():
            return []
        with path.open("rb") as file:
            lines = file.read(int(content["audit_bytes"])).splitlines()
        return [read_transition(json.loads(line)) for line in lines]

    def note_look(self, look: Look) -> None:
        """Keep a look for the charts. Over the limit every other one goes, not the oldest."""
        path = self._folder / LOOKS
        with self._writing():
            length = _add_line(path, json.dumps(asdict(look)), sync=False)
            if length > KEPT_LOOKS_BYTES:
                lines = path.read_bytes().splitlines(keepends=True)
                write_atomically(path, b"".join(lines[len(lines) % 2 :: 2]))

    def looks(self) -> list[Look]:
        """Looks that were kept, oldest first."""
        path = self._folder / LOOKS
        if not path.exists():
            return []
        looks = []
        for line in path.read_bytes().splitlines():
            # One that a crash cut short is missed by nobody.
            with suppress(ValueError, TypeError, KeyError):
                content = json.loads(line)
                looks.append(Look(**{**content, "signals": current_names(content["signals"])}))
        return looks

    def command(self, command: Command) -> None:
        """Leave a command for the controller, who reads it within one loop, restarted or not.

        Raises:
            UnavailableError: The disk has no room; nothing was left.
        """
        with self._writing(), self._locked():
            _add_line(self._folder / COMMANDS, json.dumps(asdict(command)))

    def commands(self, state: State) -> list[Command]:
        """Commands that a state does not know of yet, oldest first."""
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
        """Whether this process alone may act, for as long as the context lasts.

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

    def _append(self, length: int, transitions: Sequence[Transition]) -> int:
        """Write audit lines after the first ``length`` bytes; the bytes then vouched for."""
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


def read_transition(content: Mapping[str, Any]) -> Transition:
    """Back from ``asdict``."""
    phases = {name: Phase(content[name]) for name in ("before", "after")}
    return Transition(**{**content, **phases})


def read_command(content: Mapping[str, Any]) -> Command:
    """Back from ``asdict``."""
    plan = content["plan"]
    read = {"verb": Verb(content["verb"]), "plan": None if plan is None else Plan.stored(plan)}
    return Command(**{**content, **read})


def _add_line(path: Path, text: str, sync: bool = True) -> int:
    """A line at the end, whole or not at all; the file's length then."""
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
