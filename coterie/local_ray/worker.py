"""What Ray runs as a worker where there is a template of them: it asks that for a fork of itself.

A script, which imports next to nothing, and lies beside the template's socket. Where the template
does not answer it becomes what Ray would have run.

It stands in for what sets a worker up before that as well, for which Ray imports itself: a third of
a second of a core each. Where there is something to set up, it becomes what Ray would have run.
"""

import json
import os
import socket
import sys

TYPE_CHECKING = False  # typing takes longer to import than all this
if TYPE_CHECKING:
    from typing import NoReturn

SOCKET = "template"
"""Name of the template's socket, in the script's folder."""
WORKER = "default_worker.py"
SETUP = "setup_worker.py"
"""What Ray runs as a worker, and before it."""
LANGUAGE = "--language"
ENVIRONMENT = "--serialized-runtime-env-context"
"""What a set-up is told besides the worker's arguments."""


def ask(address: str, arguments: list[str]) -> bool:
    """Ask a template for a worker with our arguments, environment and streams.

    Args:
        address: Path of the template's socket.
        arguments: Of the worker.

    Returns:
        Whether there is one.
    """
    folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all this
    told = {"arguments": arguments, "environment": dict(os.environ), "folder": folder}
    body = json.dumps(told).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as template:
            template.connect(address)
            socket.send_fds(template, [len(body).to_bytes(4, "big")], [1, 2])
            template.sendall(body)
            return template.recv(1) == b"+"
    except OSError:
        return False


def without_setup(arguments: list[str]) -> tuple[list[str], dict[str, str]] | None:
    """Take off what says how a worker is set up.

    Args:
        arguments: Of the set-up, after the worker's script.

    Returns:
        The worker's arguments, and variables for it; None where more is asked for than these.
    """
    told, rest = {}, []
    for one in arguments:
        name, _, value = one.partition("=")
        if name in {LANGUAGE, ENVIRONMENT}:
            told[name] = value
        else:
            rest.append(one)
    wanted = json.loads(told.get(ENVIRONMENT) or "{}")
    variables = wanted.pop("env_vars", None) or {}
    python = wanted.pop("py_executable", None) in {None, sys.executable}
    plain = python and not any(wanted.values()) and "$" not in "".join(variables.values())
    return (rest, variables) if plain and told.get(LANGUAGE) == "PYTHON" else None


def usual(name: str) -> str:
    """Find a script of those that Ray runs for its workers, without importing Ray."""
    from importlib.util import find_spec

    ray = find_spec("ray")
    assert ray is not None
    assert ray.submodule_search_locations is not None
    [folder] = ray.submodule_search_locations
    return f"{folder}/_private/workers/{name}"


def main(arguments: list[str]) -> None:
    """Be a worker, or what sets one up, which is told first what to run: this script."""
    given = arguments
    if arguments[:1] == [__file__]:
        plain = without_setup(arguments[1:])
        if plain is None:
            become(SETUP, arguments)
        given, variables = plain
        os.environ.update(variables)
    if not ask(f"{__file__.rpartition('/')[0]}/{SOCKET}", given):
        become(WORKER, given)


def become(script: str, arguments: list[str]) -> "NoReturn":
    """Run in our place what Ray would have run."""
    os.execv(sys.executable, [sys.executable, usual(script), *arguments])  # noqa: S606 - Ray's


if __name__ == "__main__":
    main(sys.argv[1:])
