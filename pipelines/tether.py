"""``python -m pipelines.tether PARENT PROGRAM ...``: become PROGRAM, and end when PARENT does.

However the parent ends: where it is killed, it cannot end its children itself. Linux alone has
this; elsewhere the program just runs.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Never returns."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):  # it ended before we asked to be told
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 (our own program)


if __name__ == "__main__":
    main()
