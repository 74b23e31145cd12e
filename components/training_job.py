"""What a RayJob runs: ``python -m components.training_job URL``."""

import os
import sys

from components.progress import print_progress
from coterie.errors import CoterieError
from coterie.imports import expect_little_garbage
from coterie.workflow.remote import awaited, fit_sent


def main(url: str) -> int:
    """Fit what was sent there; 1, and why, where it cannot."""
    expect_little_garbage()
    try:
        with awaited(url, _give_up):
            fit_sent(url, print_progress)
    except CoterieError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    return 0


def _give_up() -> None:
    """End at once, whatever other threads do: the cluster goes with us."""
    print("nobody waits for this any more", flush=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
