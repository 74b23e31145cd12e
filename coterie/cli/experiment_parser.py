"""What can be typed after ``coterie experiment``."""

import argparse

from coterie.cli.options import Commands, Parser, add_command

METRICS = ("purchase_rate", "purchases", "revenue", "click_rate")
"""Spelt again so that ``--help`` need not wait for numpy; a test compares."""
GUARDRAILS = ("latency", "returns", "clicks", "shielded")


def add_experiment(commands: "Commands[Parser]") -> None:
    """Add ``coterie experiment`` with all of its actions."""
    parser = add_command(
        commands,
        "experiment",
        "Try releases or rules on a share of shoppers, and learn which earns more.",
        "coterie experiment start may --arms a=control b=rules:diverse --reason 'wider lists'\n"
        "  coterie experiment result may",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_start(actions)
    status = _action(actions, "status", "Show what runs, and what ran.", "")
    status.add_argument("name", nargs="?", help="of one experiment (all)")
    status.add_argument("--json", action="store_true", help="for programs")
    stop = _action(actions, "stop", "End an experiment.", "may --reason 'b is better'")
    stop.add_argument("name", help="of the experiment")
    _add_reason(stop)
    result = _action(actions, "result", "Show what an experiment has found so far.", "may")
    result.add_argument("name", help="of the experiment")
    result.add_argument(
        "--source",
        metavar="FOLDER",
        help="judge it here and now by the tables in this folder, and ask no app",
    )
    result.add_argument("--json", action="store_true", help="for programs")
    report = add_command(
        actions,
        "report",
        "Draw what recommendations earned, and whether lists narrow.",
        "coterie experiment report --source var/shop/events --out var/shop/earned.html",
        argparse.SUPPRESS,
    )
    report.add_argument(
        "--source", required=True, metavar="FOLDER", help="of exported tables, with experiments/"
    )
    report.add_argument("--out", required=True, metavar="FILE", help="the HTML file")


def _add_start(actions: "Commands[Parser]") -> None:
    start = _action(
        actions,
        "start",
        "Begin an experiment.",
        "may --arms a=release:v7 b=release:v8,rules:diverse --share .2 --reason 'new ties'",
    )
    start.add_argument("name", help="small letters, digits, - and _")
    shown = start.add_mutually_exclusive_group()
    shown.add_argument(
        "--arms",
        nargs="+",
        default=[],
        metavar="ARM=SHOWS",
        help="release:VERSION, rules:NAME, both with a comma between, control or popular; the "
        "others are held against the first",
    )
    shown.add_argument(
        "--interleave",
        nargs=2,
        metavar="ARM=SHOWS",
        help="in the place of --arms: each list is made of both, item by item",
    )
    shown.add_argument(
        "--holdout",
        type=float,
        metavar="SHARE",
        help="in the place of --arms: so many shoppers get popular items",
    )
    start.add_argument("--metric", choices=METRICS, default=METRICS[0], help="(%(default)s)")
    start.add_argument(
        "--guardrail",
        default="",
        metavar="NAMES",
        help=f"what may not get worse, commas between: {', '.join(GUARDRAILS)}",
    )
    start.add_argument("--share", type=float, default=0.2, help="of shoppers (%(default)s)")
    start.add_argument("--layer", default="main", help="whose shoppers it shares (%(default)s)")
    start.add_argument(
        "--by", choices=("shopper", "community"), default="shopper", help="drawn (%(default)s)"
    )
    start.add_argument(
        "--window-days",
        type=float,
        default=7.0,
        metavar="DAYS",
        help="from a shopper's first list to when their outcome is counted (%(default)s)",
    )
    start.add_argument("--alpha", type=float, default=0.05, help="false alarms (%(default)s)")
    _add_reason(start)


def _action(actions: "Commands[Parser]", name: str, about: str, example: str) -> Parser:
    parser = add_command(
        actions, name, about, f"coterie experiment {name} {example}".rstrip(), argparse.SUPPRESS
    )
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
    parser.add_argument("--reason", required=True, help="why: it is kept")
    parser.add_argument("--who", metavar="NAME", help="who you are (your login)")
