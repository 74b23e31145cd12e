"""What can be typed after ``coterie describe``."""

from coterie.cli.options import Commands, Parser, add_command, count


def add_describe(commands: "Commands[Parser]") -> None:
    """Add ``coterie describe``."""
    parser = add_command(
        commands,
        "describe",
        "Let a language model say what items are: keywords, attributes, titles. Only what is new.",
        "coterie describe var/shop/clean --out var/shop/described --llm http://127.0.0.1:8001/v1 "
        "--llm-model qwen",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder of the descriptions; kept"
    )
    parser.add_argument(
        "--llm",
        required=True,
        metavar="PLACE",
        help="address up to /v1, whose key is COTERIE_LLM_KEY; or a folder of weights",
    )
    parser.add_argument("--llm-model", default="", metavar="NAME", help="what an API calls it")
    parser.add_argument(
        "--most", type=count, default=100_000, help="items to ask for in one run (%(default)s)"
    )
    parser.add_argument(
        "--tokens-per-hour", type=count, default=20_000_000, help="bound of cost (%(default)s)"
    )
