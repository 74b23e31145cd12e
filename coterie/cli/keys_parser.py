"""What can be typed after ``coterie keys``."""

import argparse
from typing import Final

from coterie.access.scopes import Scope
from coterie.cli.options import Commands, Parser, add_command, count

_ABOUT: Final = {
    "create": "Make a key. It is shown once, and is nowhere else.",
    "list": "Show which keys there are, what they open, and when they were last used.",
    "rotate": "Make a new key in the place of one, which ends a while later.",
    "revoke": "Let a key, and all that it stands behind, open nothing any more.",
    "token": "Make a token of an hour at most that opens one shopper's lists alone.",
    "link": "Make a link that begins a session in a browser, within ten minutes.",
}
_EXAMPLES: Final = {
    "create": "--file keys.json --name shop --scopes lists:read events:write",
    "list": "--file keys.json --state var/serving",
    "rotate": "0a1b2c3d --file keys.json --overlap-hours 24",
    "revoke": "0a1b2c3d --file keys.json",
    "token": "0a1b2c3d --file keys.json --user shopper-0042",
    "link": "0a1b2c3d --file keys.json --url http://127.0.0.1:8000",
}


def add_keys(commands: "Commands[Parser]") -> None:
    """Add ``coterie keys`` with all of its actions."""
    parser = add_command(
        commands,
        "keys",
        "Make, list, rotate and revoke the keys that open the app: the file that COTERIE_KEYS "
        "names, or a copy of what the chart's secret holds.",
        "coterie keys create --file keys.json --name shop --scopes lists:read events:write\n"
        "  coterie keys list --file keys.json",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    made = {name: _action(actions, name) for name in _ABOUT}
    made["create"].add_argument("--name", required=True, help="who will have it, for people")
    made["create"].add_argument(
        "--scopes", nargs="+", required=True, metavar="SCOPE", help=f"of {', '.join(Scope)}"
    )
    made["create"].add_argument(
        "--days", type=count, metavar="N", help="after which it ends (never)"
    )
    made["list"].add_argument(
        "--state", metavar="FOLDER", default="", help="of the app: when each was last used"
    )
    made["list"].add_argument(
        "--log",
        metavar="URL",
        default="",
        help="of the app's event log in Redis: when each was last used on any machine "
        "(COTERIE_EVENT_LOG, with COTERIE_EVENT_LOG_PASSWORD)",
    )
    made["list"].add_argument("--json", action="store_true", help="for programs")
    for name in ("rotate", "revoke", "token", "link"):
        made[name].add_argument("key", metavar="ID", help="of the key, as list shows it")
    made["rotate"].add_argument(
        "--overlap-hours",
        type=float,
        default=24.0,
        metavar="H",
        help="how long the old one still opens what it did (%(default)s)",
    )
    made["token"].add_argument("--user", required=True, metavar="USER", help="id of the shopper")
    made["token"].add_argument(
        "--minutes", type=count, default=15, metavar="M", help="how long it lasts (%(default)s)"
    )
    made["link"].add_argument(
        "--url", metavar="URL", default="http://127.0.0.1:8000", help="of the app (%(default)s)"
    )


def _action(actions: "Commands[Parser]", name: str) -> Parser:
    example = f"coterie keys {name} {_EXAMPLES[name]}"
    parser = add_command(actions, name, _ABOUT[name], example, argparse.SUPPRESS)
    parser.add_argument("--file", metavar="FILE", help="of keys (COTERIE_KEYS)")
    return parser
