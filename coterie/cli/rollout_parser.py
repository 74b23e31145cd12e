"""What can be typed after ``coterie rollout``."""

import argparse
from typing import Final

from coterie.cli.options import Commands, Parser, add_command, count


def add_rollout(commands: "Commands[Parser]") -> None:
    """Add ``coterie rollout`` with all of its actions."""
    parser = add_command(
        commands,
        "rollout",
        "Roll a release out, watch it, and step in. Asks the app that serves the shop.",
        "coterie rollout start v8 --reason 'better on validation' --wait\n  coterie rollout status",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = _action(actions, "start", "Begin to roll a release out.", "v8 --reason 'new ties'")
    start.add_argument("release", help="version, or folder in the store")
    start.add_argument(
        "--plan",
        nargs="+",
        action="extend",
        default=[],
        metavar="SETTING",
        help='NAME=VALUE or a JSON file: step_s=60 weights=[0.1,0.5] signals={"failures":1.2}',
    )
    start.add_argument(
        "--override",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIGURE",
        help="figures of preflight that may exceed their limits, such as titles_changed; or all",
    )
    start.add_argument(
        "--wait", action="store_true", help="until it has ended; code 2 if rolled back"
    )
    _add_reason(start)
    status = _action(actions, "status", "Show how it stands, until it has ended.", "--once")
    status.add_argument("--once", action="store_true", help="show it once")
    status.add_argument("--json", action="store_true", help="once, for programs")
    for verb, about in _COMMANDS.items():
        _add_reason(_action(actions, verb, about, "--reason 'looks odd'"))
    free = _action(
        actions,
        "unquarantine",
        "Let a release that was rolled back be started again.",
        "v8 --reason 'the node was broken'",
    )
    free.add_argument("release", help="version, folder in the store, or digest")
    _add_reason(free)
    history = _action(actions, "history", "Show what happened, and why.", "--limit 50")
    history.add_argument("--limit", type=count, default=20, help="how many (%(default)s)")
    history.add_argument("--json", action="store_true", help="with the evidence, for programs")
    explain = _action(
        actions,
        "explain",
        "Which release was live at a time, for this shopper, and why?",
        "14:03 --user shopper-0042",
    )
    explain.add_argument("at", help="14:03 (today), or 2026-01-31T14:03, with an offset or without")
    explain.add_argument("--user", metavar="USER", help="id of a shopper")
    explain.add_argument("--json", action="store_true", help="for programs")


_COMMANDS: Final = {
    "pause": "Hold the weight where it is. Signals are judged all the same.",
    "resume": "Go on after a hold, or approve what waits for it.",
    "promote": "Make the canary stable now, whatever is still to come.",
    "rollback": "Put everybody back on stable, and the canary into quarantine.",
    "freeze": "Let nothing move by itself.",
    "unfreeze": "Let the rollout move by itself again.",
}


def _action(actions: "Commands[Parser]", name: str, about: str, example: str) -> Parser:
    # Who says --debug before the action has said it: no default here may take it back.
    debug = argparse.SUPPRESS
    parser = add_command(actions, name, about, f"coterie rollout {name} {example}", debug)
    # Else --token SECRET would be taken for --token-file, and the secret be shown in an error.
    parser.allow_abbrev = False
    parser.add_argument(
        "--url", metavar="URL", help="where the app answers (COTERIE_URL, or http://127.0.0.1:8000)"
    )
    parser.add_argument(
        "--token-file", metavar="FILE", help="holds the app's token (COTERIE_ADMIN_TOKEN)"
    )
    return parser


def _add_reason(parser: Parser) -> None:
    parser.add_argument("--reason", required=True, help="why: it is kept in the audit log")
    parser.add_argument("--who", metavar="NAME", help="who you are (your login)")
