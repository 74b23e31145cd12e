"""``coterie network``: what can be typed."""

from coterie.cli.options import Commands, Parser, add_command


def add_network(commands: "Commands[Parser]") -> None:
    """Add the command that looks at who knows whom."""
    parser = add_command(
        commands,
        "network",
        "Look at who knows whom: communities, who stands where, who moves whom. Writes columns of "
        "people and ties, figures and a page that names nobody.",
        "coterie network var/shop/clean --out var/shop/network",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="SETTING",
        help="NAME=VALUE or a JSON file of settings, as seeds=5; see docs/network.md",
    )
