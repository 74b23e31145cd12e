"""What can be typed after ``coterie pseudonyms``."""

import argparse
from typing import Final

from coterie.cli.options import Commands, Parser, add_command

_ABOUT: Final = {
    "rotate": "Add a new key to a file of keys, or begin one. Keys of before stay, and are needed.",
    "of": "Print the pseudonyms of ids, to find whom an answer or a log names.",
    "renew": "Bring files that the event consumer exported to the newest key.",
}
_EXAMPLES: Final = {
    "rotate": "--file pseudonyms.keys",
    "of": "shopper-0042 --file pseudonyms.keys",
    "renew": "var/shop/raw --file pseudonyms.keys",
}


def add_pseudonyms(commands: "Commands[Parser]") -> None:
    """Add ``coterie pseudonyms`` with all of its actions."""
    parser = add_command(
        commands,
        "pseudonyms",
        "Make and rotate the keys that turn people's ids into pseudonyms, and look pseudonyms up.",
        "coterie pseudonyms rotate --file pseudonyms.keys\n"
        "  coterie pseudonyms of shopper-0042 --file pseudonyms.keys",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    made = {name: _action(actions, name) for name in _ABOUT}
    made["of"].add_argument("ids", nargs="*", metavar="ID", help="as the shop has it")
    made["of"].add_argument(
        "--ids",
        dest="file_of_ids",
        default="",
        metavar="FILE",
        help="of ids, one a line; - is standard input",
    )
    made["renew"].add_argument("folder", metavar="FOLDER", help="or URL of the tables")


def _action(actions: "Commands[Parser]", name: str) -> Parser:
    example = f"coterie pseudonyms {name} {_EXAMPLES[name]}"
    parser = add_command(actions, name, _ABOUT[name], example, argparse.SUPPRESS)
    parser.add_argument(
        "--file", metavar="FILE", help="of pseudonym keys (COTERIE_PSEUDONYM_KEY_FILE)"
    )
    return parser
