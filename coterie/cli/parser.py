"""What can be typed: every command with its options, and an example in its help."""

import argparse
from typing import Final

import coterie
from coterie.cli import off_policy
from coterie.cli.behaviour_parser import add_behaviour
from coterie.cli.describe_parser import add_describe
from coterie.cli.experiment_parser import add_experiment
from coterie.cli.finetune_parser import add_finetune
from coterie.cli.keys_parser import add_keys
from coterie.cli.network_parser import add_network
from coterie.cli.options import Commands, Parser, add_command, count, count_or_none, minutes, share
from coterie.cli.pseudonyms_parser import add_pseudonyms
from coterie.cli.rollout_parser import add_rollout
from coterie.cli.suspects_parser import add_suspects
from coterie.cli.synthesise_parser import add_synthesise

MODELS: Final = (
    "social",
    "bounded",
    "social_linear",
    "sasrec",
    "gru4rec",
    "gatv2",
    "hgt",
    "lightgcn",
    "content",
    "ease",
    "item_knn",
    "popularity",
)
"""Names of ``coterie.models.MODELS``, spelt again so that help need not import torch."""
DATASETS: Final = ("beidian", "lastfm", "ciao", "douban_book", "split_csv")
"""Names of ``coterie.data.public.READERS``, likewise."""


def make_parser() -> Parser:
    """Make the parser of all commands; the chosen one's name is ``command``."""
    parser = Parser(
        prog="coterie",
        description="Product recommendations through the people a shopper knows.",
        epilog="Begin with: coterie simulate --out var/shop/raw",
    )
    parser.add_argument("--version", action="version", version=f"coterie {coterie.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _simulate,
        _inspect,
        _ingest,
        _forget,
        _content,
        add_describe,
        add_finetune,
        add_network,
        add_behaviour,
        add_synthesise,
        add_suspects,
        _tune,
        _train,
        _evaluate,
        _recommend,
        _serve,
        _report,
        _release,
        add_rollout,
        add_experiment,
        add_keys,
        add_pseudonyms,
    ):
        add(commands)
    return parser


def _simulate(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "simulate",
        "Make up a shop: shoppers who know each other, items, and what they did.",
        "coterie simulate --users 2000 --items 1500 --events 120000 --out var/shop/raw",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where its tables go")
    parser.add_argument("--users", type=count, default=2000, help="shoppers (%(default)s)")
    parser.add_argument("--items", type=count, default=1500, help="items (%(default)s)")
    parser.add_argument("--events", type=count, default=120_000, help="events (%(default)s)")
    parser.add_argument("--days", type=count, default=90, help="days (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same shop (%(default)s)")
    parser.add_argument("--pictures", action="store_true", help="paint a picture of each item")


def _inspect(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "inspect",
        "Look at any folder of tables: what each file seems to be. Writes a mapping for ingest.",
        "coterie inspect exports --out mapping.yaml",
    )
    parser.add_argument("folder", help="with CSV, JSON Lines or Parquet, in whatever form")
    parser.add_argument(
        "--out", default="mapping.yaml", metavar="FILE", help="the mapping (%(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="write over a mapping that is there")


def _ingest(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "ingest",
        "Check and clean the tables of a shop. Bad rows go to quarantine.parquet, with the reason.",
        "coterie ingest var/shop/raw --out var/shop/clean\n"
        "  coterie ingest exports --mapping mapping.yaml --out var/mine/clean\n"
        "  coterie ingest data/beidian --dataset beidian --out var/beidian/clean",
    )
    parser.add_argument("source", help="folder or s3:// URL with events, ties, items, users")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where clean tables go")
    parser.add_argument(
        "--dataset",
        choices=DATASETS,
        default="",
        help="SOURCE is this public set in its original form",
    )
    parser.add_argument(
        "--mapping",
        default="",
        metavar="FILE",
        help="says what the files of SOURCE are, where they are not those of the contract",
    )
    parser.add_argument(
        "--max-bad-share",
        type=share,
        default=0.05,
        metavar="SHARE",
        help="stop when more of a table's rows are bad (%(default)s)",
    )
    parser.add_argument(
        "--keep-days",
        type=float,
        default=0.0,
        metavar="DAYS",
        help="leave out events that are older; 0 keeps all (%(default)s)",
    )
    parser.add_argument(
        "--runner", choices=("native", "ray"), default="native", help="where Daft works"
    )


def _forget(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "forget",
        "Take a person out of tables in folders, and name files that still hold their id.",
        "coterie forget shopper-7 var/shop/raw var/shop/store var/shop/release",
    )
    parser.add_argument("user", help="their id, as tables write it")
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="of this machine")


def _content(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "content",
        "Encode what items say of themselves: texts, pictures, sounds. Again, only what is new.",
        "coterie content var/shop/clean --out var/shop/content --text default\n"
        "  coterie content var/shop/clean --out var/shop/content --image default "
        "--config 'fetch.roots=[\"var/shop/pictures\"]'",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder or URL of the vectors; kept"
    )
    for kind, others in (("text", ", a folder, or an https address"), ("image", " or a folder")):
        parser.add_argument(
            f"--{kind}", default="", metavar="PLACE", help=f"{kind} encoder: default{others}"
        )
    parser.add_argument("--audio", default="", choices=["default"], help="audio encoder")
    _add_config(
        parser,
        "what else of the parameter content of the pipelines, as text.prefix='query: '",
        of="of settings",
    )


def _add_content(parser: Parser, what: str) -> None:
    parser.add_argument(
        "--content", default="", metavar="FOLDER", help=f"vectors that coterie content left, {what}"
    )


def _tune(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "tune",
        "Search the best settings on validation. Goes on where an interrupted search stopped.",
        "coterie tune var/shop/clean --out var/shop/tuning --minutes 30",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="where trials, best.json and a page go"
    )
    parser.add_argument("--model", choices=MODELS, default="social", help="which (%(default)s)")
    parser.add_argument(
        "--trials", type=count, metavar="N", help="end after so many (30 if minutes are not given)"
    )
    parser.add_argument(
        "--minutes", type=minutes, metavar="M", help="end after so long, if that comes first"
    )
    parser.add_argument("--seed", type=count_or_none, default=0, help="of the search (%(default)s)")
    parser.add_argument(
        "--parallel", type=count, metavar="N", help="trials at once (one a GPU, or two cores)"
    )
    parser.add_argument("--gpu", action="store_true", help="one GPU for each trial")
    _add_config(parser, "what is set here is not searched")
    _add_content(parser, "for each trial")


def _add_config(parser: Parser, note: str, of: str = "of the model's settings") -> None:
    parser.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="SETTING",
        help=f"NAME=VALUE or a JSON file {of}, as loop.lr=0.002; {note}",
    )


def _train(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "train",
        "Fit a challenger and release it if it wins. Goes on where an interrupted run stopped.",
        "coterie train var/shop/clean --out var/shop/model",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the model goes")
    parser.add_argument("--model", choices=MODELS, default="social", help="which (%(default)s)")
    parser.add_argument(
        "--epochs", type=count, help="at most so many passes over the data (the model's own)"
    )
    parser.add_argument("--seed", type=int, help="of everything random (the model's own)")
    _add_config(parser, "such as the best.json of coterie tune")
    _add_content(parser, "for the model and its release")
    parser.add_argument(
        "--workers",
        type=count_or_none,
        default=0,
        help="Ray Train workers; 0 trains in this process (%(default)s)",
    )
    parser.add_argument("--gpu", action="store_true", help="one GPU for each worker")
    parser.add_argument(
        "--repurchase",
        nargs="+",
        default=["learned"],
        metavar="SETTING",
        help="when what was bought may be listed again: learned, never, or CATEGORY=DAYS ... "
        "(learned: median days between purchases, by category)",
    )
    parser.add_argument(
        "--release-version", metavar="VERSION", help="name of the release (date and time)"
    )
    parser.add_argument(
        "--min-gain",
        type=share,
        default=0.02,
        metavar="SHARE",
        help="NDCG@20 over popularity that a release needs on validation (%(default)s)",
    )
    off_policy.add_gate(parser)


def _evaluate(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "evaluate",
        "Fit models and compare them on the test part: metrics, intervals, groups, social lift.",
        "coterie evaluate var/shop/clean --out var/shop/evaluation --challenger var/shop/model",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the figures go")
    models = (*MODELS, "social_no_ties")
    which = f"of {', '.join(models)} (all but bounded, gatv2, hgt, gru4rec, sasrec)"
    parser.add_argument(
        "--models", nargs="+", choices=models, default=[], metavar="MODEL", help=which
    )
    parser.add_argument(
        "--challenger", metavar="FOLDER", help="what coterie train wrote: not trained again"
    )
    _add_content(parser, "the same that the challenger was trained with")
    off_policy.add_options(parser)


def _recommend(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "recommend",
        "Show one shopper's list, with the share of the score that each reason has; or write the "
        "lists of all shoppers to Parquet files.",
        "coterie recommend shopper-0042 --release var/shop/model --data var/shop/clean\n"
        "  coterie recommend --all --release var/shop/model --data var/shop/clean "
        "--out var/shop/lists -k 20",
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("user", metavar="USER", nargs="?", help="id of the shopper")
    who.add_argument("--all", action="store_true", help="all shoppers, into files")
    parser.add_argument(
        "--release", required=True, metavar="FOLDER", help="a release, or what coterie train wrote"
    )
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument(
        "--data", default="", metavar="CLEAN", help="folder that coterie ingest wrote"
    )
    known.add_argument(
        "--features",
        default="",
        metavar="FOLDER",
        help="with --all: folder or URL of the features step's rows, in place of --data",
    )
    parser.add_argument("-k", type=count, default=10, help="length of the list (%(default)s)")
    parser.add_argument(
        "--language", default="en", metavar="TAG", help="of the reasons, such as zh (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="for programs instead of people")
    parser.add_argument(
        "--out", default="", metavar="FOLDER", help="with --all: folder or URL of the lists"
    )
    parser.add_argument(
        "--rules", default="", metavar="FILE", help="with --all: the shop's rules, as serving has"
    )


def _serve(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "serve",
        "Serve lists over HTTP: fills a feature store from the data, then answers until Ctrl-C.",
        "coterie serve var/shop/model --data var/shop/clean --port 8000",
    )
    parser.add_argument("model", help="what coterie train wrote, or a release")
    parser.add_argument(
        "--data", required=True, metavar="CLEAN", help="folder that coterie ingest wrote"
    )
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (%(default)s)")
    parser.add_argument("--port", type=count, default=8000, help="to listen on (%(default)s)")
    parser.add_argument(
        "--state", metavar="FOLDER", help="for features and events; kept (MODEL/serving)"
    )
    parser.add_argument(
        "--storefront",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the page for people, which shows shoppers to whoever asks (on 127.0.0.1 alone)",
    )
    parser.add_argument(
        "--pictures",
        metavar="FOLDER",
        help="where relative names in image_uri begin: the page shows these files",
    )


def _release(commands: "Commands[Parser]") -> None:
    example = "coterie release diff v7 v8 --store var/shop/model/releases"
    about = "Look at releases: how one differs from another."
    actions = add_command(commands, "release", about, example).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    diff = add_command(
        actions,
        "diff",
        "Show how a release differs from what is live, as preflight sees it.",
        example,
        argparse.SUPPRESS,
    )
    diff.add_argument("live", metavar="LIVE", help="folder or URL of a release, or its version")
    diff.add_argument("canary", metavar="CANARY", help="the same, of what would be rolled out")
    diff.add_argument("--store", default="", metavar="STORE", help="where versions are looked up")
    diff.add_argument(
        "--limits",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=NUMBER",
        help="limits that differ from the usual ones, as in a rollout's plan",
    )
    diff.add_argument("--json", action="store_true", help="for programs")


def _report(commands: "Commands[Parser]") -> None:
    parser = add_command(
        commands,
        "report",
        "Draw an evaluation as one HTML file: metrics, groups, and the graph's own figures.",
        "coterie report var/shop/evaluation --data var/shop/clean --out var/shop/report.html",
    )
    parser.add_argument("evaluation", help="folder that coterie evaluate wrote")
    parser.add_argument(
        "--data", required=True, metavar="CLEAN", help="folder that coterie ingest wrote"
    )
    parser.add_argument("--out", metavar="FILE", help="EVALUATION/report.html if not given")
