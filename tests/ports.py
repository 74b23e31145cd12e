"""Ports that a test's own servers may listen on."""

import errno
import random
import socket

# None that systems lend to outgoing connections: one of those is taken by somebody else before a
# server that takes seconds to start listens on it.
QUIET = range(10_000, 32_768)


def free_port():
    """Find a port that nobody listens on."""
    while True:
        try:
            with socket.create_server(("127.0.0.1", random.choice(QUIET))) as free:
                return free.getsockname()[1]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
