"""Become a program that ends when its parent does, however the parent ends: where it is killed, it
cannot end its children itself. Linux alone has this; elsewhere the program just runs.

    python -m pipelines.die_with_parent PARENT PROGRAM ARGUMENTS ...
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Replace this process by the program; never returns."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):  # it ended before we asked to be told
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 (our own program)


if __name__ == "__main__":
    main()
