"""Where a rollout in a cluster is written down: two ConfigMaps, a Lease, and Events.

State, audit lines and whose rollout store it is lie in one ConfigMap: one write brings all or none.
Its ``resourceVersion`` is the state's version. A ConfigMap holds one MiB: the last transitions are
kept there, and each is also sent out as an Event when it is written.
"""

import json
import os
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from coterie.cluster.api import CONFIG_MAPS, Cluster, ConflictError, Object, logger
from coterie.cluster.lease import ClusterLease
from coterie.cluster.stated import Install
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.commands import Command
from coterie.rollout.state import Phase, State, Transition
from coterie.rollout.store import FORMAT
from coterie.rollout.stored import command_json, read_command, read_transition

STATE: Final = "state.json"
AUDIT: Final = "audit.jsonl"
INSTALL: Final = "install.json"
KEPT_LINES: Final = 200
KEPT_BYTES: Final = 256 << 10
"""A line with all signals has 2 kB, a state 40 kB and 300 bytes a replica: far from a MiB."""
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


class ClusterRolloutStore:
    """As :class:`coterie.rollout.store.FileRolloutStore`, for all who reach the same namespace.

    ConfigMaps that are there, though empty, are as good as none: so a chart may make them, and the
    controller needs no right to.
    """

    def __init__(self, cluster: Cluster, name: str, holder: str = ""):
        """Take the RayService's ``name``, and a ``holder`` that tells controllers apart."""
        self._cluster = cluster
        self._state, self._commands = f"{name}-rollout", f"{name}-rollout-commands"
        self._holder = holder or f"{os.uname().nodename}-{uuid.uuid4().hex[:8]}"

    def read(self) -> tuple[State, int]:
        """Read the state and its version, 0 before there is a ConfigMap.

        Raises:
            BadInputError: The ConfigMap holds no state of ours.
            UnavailableError: The API did not answer.
        """
        state, _, version = self.look()
        return state, version

    def look(self) -> tuple[State, Install | None, int]:
        """Read the state, whose install it is of, and the version of both.

        Raises:
            BadInputError: The ConfigMap holds no state of ours.
            UnavailableError: The API did not answer.
        """
        found = self._cluster.find(CONFIG_MAPS, self._state)
        if found is None:
            return State(), None, 0
        return self._read(found), self._install(found), _version(found)

    def write(
        self,
        state: State,
        version: int,
        transitions: Sequence[Transition] = (),
        install: Install | None = None,
    ) -> int:
        """Write what follows from the state of ``version``, and why, and give the new version.

        ``install`` is written along; None leaves it as it is.

        Raises:
            UnavailableError: Somebody else wrote meanwhile: read again, and decide anew. Or the API
                did not answer: whether it was written, reading tells.
        """
        data = {STATE: _compact({"format": FORMAT, "state": state.as_json()})}
        if install:
            data[INSTALL] = json.dumps({"format": FORMAT, **install.as_json()})
        try:
            if transitions:
                data[AUDIT] = _shortened([*self._lines(version), *map(_line, transitions)])
            written = self._put(data, version)
        except ConflictError as error:
            raise UnavailableError(
                f"the rollout was written by another controller (expected version {version}): "
                f"read it again ({error})"
            ) from error
        for transition in transitions:
            self._announce(written, transition)
        return _version(written)

    def history(self) -> list[Transition]:
        """Read the last transitions, oldest first.

        Raises:
            BadInputError: A line is damaged.
        """
        found = self._cluster.find(CONFIG_MAPS, self._state)
        try:
            return [read_transition(json.loads(line)) for line in _audit(found)]
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"ConfigMap {self._state}: {AUDIT} is damaged ({error})") from error

    def command(self, command: Command) -> None:
        """Leave a command for the controller; commands left at the same time do not meet.

        Raises:
            BadInputError: Its id cannot be a key.
            UnavailableError: The API did not answer: the same command may be left again.
        """
        if not _KEY.fullmatch(command.id):
            raise BadInputError(
                f"command id {command.id!r}: use up to 253 letters, digits, dots, dashes"
            )
        found = self._cluster.find(CONFIG_MAPS, self._commands)
        # Keys have no order: the time tells which command came first, whoever's node took it.
        text = json.dumps({**command_json(command), "at": self._cluster.clock()})
        data = {"data": {command.id: text}}
        if found is None:
            try:
                self._cluster.create(CONFIG_MAPS, self._commands, data)
            except ConflictError:
                logger.info("ConfigMap %s was made by another", self._commands)
            else:
                return
        self._cluster.patch(CONFIG_MAPS, self._commands, data)

    def commands(self, state: State) -> list[Command]:
        """Read the commands that a state does not know of yet, oldest first.

        What is no command is taken out, so that a slip of ``kubectl`` stops nobody.
        """
        found = self._cluster.find(CONFIG_MAPS, self._commands)
        read: list[tuple[float, Command]] = []
        for key, text in _data(found).items():
            try:
                content = json.loads(text)
                at = float(content.pop("at"))
                read.append((at, read_command(content)))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                assert found is not None
                self._refuse(found, key, f"{type(error).__name__}: {error}")
        read.sort(key=lambda one: (one[0], one[1].id))
        return [one for _, one in read if one.id not in state.done_commands]

    def forget_commands(self, state: State) -> None:
        """Drop commands that were carried out: called once the state that says so is written."""
        found = self._cluster.find(CONFIG_MAPS, self._commands)
        done = _data(found).keys() & set(state.done_commands)
        if done:
            self._cluster.patch(CONFIG_MAPS, self._commands, {"data": dict.fromkeys(done)})

    def lease(self) -> ClusterLease:
        """Take the lease: it is true whenever this process alone may act; ask before each act.

        It is renewed until the context ends, and taken as soon as it is free.
        """
        return ClusterLease(self._cluster, self._state, self._holder)

    def _read(self, found: Object) -> State:
        text = _data(found).get(STATE)
        if text is None:
            return State()
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, known is {FORMAT}")
            return State.from_json(content["state"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"ConfigMap {self._state} holds no rollout ({error})") from error

    def _install(self, found: Object) -> Install | None:
        text = _data(found).get(INSTALL)
        if text is None:
            return None
        try:
            return Install.from_json(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(
                f"ConfigMap {self._state}: {INSTALL} is damaged ({error!r}); without that key the "
                "rollout store is taken to be of this install"
            ) from error

    def _lines(self, version: int) -> list[str]:
        """Read the audit lines as they were at a version."""
        found = self._cluster.find(CONFIG_MAPS, self._state)
        if (0 if found is None else _version(found)) != version:
            raise ConflictError(f"ConfigMap {self._state} has another version")
        return _audit(found)

    def _put(self, data: dict[str, str], version: int) -> Object:
        if version == 0:
            return self._cluster.create(CONFIG_MAPS, self._state, {"data": data})
        return self._cluster.patch(CONFIG_MAPS, self._state, {"data": data}, str(version))

    def _announce(self, written: Object, transition: Transition) -> None:
        said = (
            f"{transition.before} to {transition.after} by {transition.who}: {transition.why} "
            f"(canary {transition.canary[:12] or 'none'} at {transition.weight:.0%})"
        )
        back = transition.after in (Phase.ROLLING_BACK, Phase.DATA_UNAVAILABLE, Phase.INCONCLUSIVE)
        self._cluster.tell(written, "Rollout", said, warning=back)

    def _refuse(self, found: Object, key: str, why: str) -> None:
        """Take out what is no command, unless somebody mends it at this very moment."""
        said = f"{key} in ConfigMap {self._commands} is no command, and was dropped ({why})"
        logger.warning("%s", said)
        version = str(_version(found))
        try:
            self._cluster.patch(CONFIG_MAPS, self._commands, {"data": {key: None}}, version)
        except ConflictError:
            return
        self._cluster.tell(found, "CommandRefused", said, warning=True)


def _version(found: Object) -> int:
    return int(found["metadata"]["resourceVersion"])


def _data(found: Object | None) -> dict[str, Any]:
    return (found or {}).get("data") or {}


def _audit(found: Object | None) -> list[str]:
    return list(_data(found).get(AUDIT, "").splitlines())


def _line(transition: Transition) -> str:
    return json.dumps(asdict(transition))


def _compact(content: dict[str, Any]) -> str:
    """Write without blanks: of a thousand replicas' counts these are a tenth, and a ConfigMap holds
    a megabyte."""
    return json.dumps(content, separators=(",", ":"))


def _shortened(lines: Iterable[str]) -> str:
    """Keep as many of the last lines as there is room for."""
    kept: list[str] = []
    length = 0
    for line in reversed([*lines][-KEPT_LINES:]):
        length += len(line) + 1
        if kept and length > KEPT_BYTES:
            break
        kept.append(line)
    return "".join(f"{line}\n" for line in reversed(kept))
