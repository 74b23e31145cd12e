"""What Ray starts in the place of its dashboard's agent: it is there, and goes with its parent.

A script of its own, which imports next to nothing.
"""

import os
import time


def wait_for_end_of(parent: int, every_s: float = 1.0) -> None:
    """Return when a process is no longer our parent."""
    while os.getppid() == parent:
        time.sleep(every_s)


if __name__ == "__main__":
    wait_for_end_of(os.getppid())
