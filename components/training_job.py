"""What a RayJob runs: ``python -m components.training_job URL``."""

import sys

from components.progress import printed
from coterie.errors import CoterieError
from coterie.workflow.remote import fit_sent


def main(url: str) -> int:
    """Fit what was sent there; 1, and why, where it cannot."""
    try:
        fit_sent(url, printed)
    except CoterieError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
