"""``coterie behaviour``: what can be typed."""

from coterie.cli.options import Commands, Parser, add_command


def add_behaviour(commands: "Commands[Parser]") -> None:
    """Add the command that looks at what shoppers are like and may do."""
    parser = add_command(
        commands,
        "behaviour",
        "Look at shoppers: segments, who may buy, spend or stay away, and what will be bought. "
        "Writes columns of people, forecasts, figures and a page that names nobody.",
        "coterie behaviour var/shop/clean --out var/shop/behaviour",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="SETTING",
        help="NAME=VALUE or a JSON file of settings, as weeks=8; see docs/behaviour.md",
    )
