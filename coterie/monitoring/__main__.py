"""``python -m coterie.monitoring --out helm/coterie``: write dashboards and rules."""

import argparse
from collections.abc import Sequence

from coterie.monitoring.files import write_files


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, and say what."""
    parser = argparse.ArgumentParser(prog="python -m coterie.monitoring", description=__doc__)
    parser.add_argument("--out", default="helm/coterie", help="folder (%(default)s)")
    for path in write_files(parser.parse_args(arguments).out):
        print(path)


if __name__ == "__main__":
    main()
