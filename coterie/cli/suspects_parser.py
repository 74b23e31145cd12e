"""``coterie suspects``: what can be typed."""

from coterie.cli.options import Commands, Parser, add_command


def add_suspects(commands: "Commands[Parser]") -> None:
    """Add the command that looks for accounts made to push items."""
    parser = add_command(
        commands,
        "suspects",
        "Look for fake accounts that push an item together. Writes whom to look at, and a file "
        "that withholds them once it is handed in with the shop's users. Changes nothing itself.",
        "coterie suspects var/shop/clean --out var/shop/suspects",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the files go")
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="SETTING",
        help="NAME=VALUE or a JSON file of settings, as fewest=10; see docs/attacks.md",
    )
