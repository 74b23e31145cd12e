"""What Ray runs as a worker where there is a template of them: it asks that for a fork of itself.

A script, which imports next to nothing, and lies beside the template's socket. Where the template
does not answer it becomes what Ray would have run.
"""

import json
import os
import socket
import sys

SOCKET = "template"
"""Name of the template's socket, in the script's folder."""


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


def usual_worker() -> str:
    """Find the script that Ray runs as a worker, without importing Ray."""
    from importlib.util import find_spec

    ray = find_spec("ray")
    assert ray is not None
    assert ray.submodule_search_locations is not None
    [folder] = ray.submodule_search_locations
    return f"{folder}/_private/workers/default_worker.py"


if __name__ == "__main__":
    given = sys.argv[1:]
    if not ask(f"{__file__.rpartition('/')[0]}/{SOCKET}", given):
        os.execv(sys.executable, [sys.executable, usual_worker(), *given])  # noqa: S606 - Ray's
