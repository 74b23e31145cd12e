"""``python -m coterie.monitoring --out helm/coterie``: write dashboards and rules.

With ``--draw http://PROMETHEUS:9090`` the dashboards are drawn as HTML files instead.
"""

import argparse
import sys
from collections.abc import Sequence

from coterie.errors import CoterieError
from coterie.monitoring.dashboards import DASHBOARDS
from coterie.monitoring.files import write_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Write dashboards and rules, say which files, and give the exit status."""
    about = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m coterie.monitoring", description=about)
    parser.add_argument("--out", default="helm/coterie", help="folder (%(default)s)")
    parser.add_argument("--draw", metavar="URL", help="a Prometheus to draw the dashboards from")
    parser.add_argument("--minutes", type=float, default=10.0, help="to draw (%(default)s)")
    asked = parser.parse_args(arguments)
    try:
        for path in _written(asked):
            print(path)
    except CoterieError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _written(asked: argparse.Namespace) -> Sequence[str]:
    if not asked.draw:
        return [str(path) for path in write_files(asked.out)]
    # Plotly takes a second to import.
    from coterie.monitoring.drawn import draw

    return draw(asked.draw, DASHBOARDS, asked.out, asked.minutes)


if __name__ == "__main__":
    sys.exit(main())
