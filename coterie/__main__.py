"""``python -m coterie`` does what ``coterie`` does, wherever programs are."""

import sys

from coterie.cli import main

if __name__ == "__main__":
    sys.exit(main())
