"""``images/Dockerfile`` taken apart: its stages, and the instructions of each.

As much of the language as that file speaks; anything else is an error.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final

DOCKERFILE: Final = Path(__file__).with_name("Dockerfile")
KNOWN: Final = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "SHELL",
    "FROM", "USER", "WORKDIR",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """From one ``FROM`` to the next."""

    name: str
    parent: str
    """Another stage, or an image that somebody else made."""
    instructions: list[tuple[str, str]] = field(default_factory=list)
    """Keyword and what follows, in order."""


def stages(text: str, arguments: Mapping[str, str]) -> dict[str, Stage]:
    """All stages, by name and in order.

    Raises:
        ValueError: There is an instruction that is not known here.
    """
    given: dict[str, str] = {}
    found: dict[str, Stage] = {}
    stage: Stage | None = None
    for keyword, rest in instructions(text):
        if keyword not in KNOWN:
            raise ValueError(f"{keyword} is not known here: teach images/dockerfile.py")
        if keyword == "FROM":
            parent, name = re.fullmatch(r"(\S+) AS (\w+)", rest).groups()  # type: ignore[union-attr]
            stage = found[name] = Stage(name, Template(parent).substitute(given))
        elif stage is None:
            given |= argument(rest, arguments)
        else:
            stage.instructions.append((keyword, rest))
    return found


def instructions(text: str) -> Iterator[tuple[str, str]]:
    r"""Keyword and what follows, without comments; lines that go on are one.

    >>> list(instructions("# to run\nRUN a \\\n  && b\nUSER 1"))
    [('RUN', 'a   && b'), ('USER', '1')]
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        if line.strip():
            keyword, _, rest = line.strip().partition(" ")
            yield keyword, rest.strip()


def argument(rest: str, given: Mapping[str, str]) -> dict[str, str]:
    """Take an ``ARG``: what is given wins over what stands there."""
    name, _, default = rest.partition("=")
    return {name: given.get(name, default)}


def pairs(rest: str) -> dict[str, str]:
    """Of an ``ENV``.

    >>> pairs('HOME=/home/x A="b c"')
    {'HOME': '/home/x', 'A': 'b c'}
    """
    return {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', rest)}


def words(rest: str) -> list[str]:
    """Read a command given as a list."""
    found: list[str] = json.loads(rest)
    return found


def mounts(rest: str) -> tuple[list[dict[str, str]], str]:
    """Split off the ``--mount`` options of a ``RUN``, and its command.

    >>> mounts("--mount=type=bind,from=build,source=/w,target=/w ls /w")
    ([{'type': 'bind', 'from': 'build', 'source': '/w', 'target': '/w'}], 'ls /w')
    """
    found = []
    while option := re.match(r"--mount=(\S+)\s+", rest):
        found.append(dict(part.split("=", 1) for part in option[1].split(",")))
        rest = rest[option.end() :]
    return found, rest
