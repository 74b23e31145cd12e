"""What parsers of commands are made of: one that says what is wrong in a line, and numbers."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """End with code 2, as argparse does, but without the usage before it."""
        self.exit(2, f"coterie: {message}; see {self.prog} --help\n")


Commands = argparse._SubParsersAction


def add_command(
    commands: "Commands[Parser]", name: str, about: str, example: str, debug: bool | str = False
) -> Parser:
    """Add a command with its description, an example and what every command takes."""
    parser = commands.add_parser(
        name,
        help=about.split(".")[0].lower()[0] + about.split(".")[0][1:],
        description=about,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--debug", action="store_true", default=debug, help="show the traceback of an error"
    )
    return parser


def count(text: str) -> int:
    """Read a whole number over 0."""
    number = count_or_none(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not over 0")
    return number


def count_or_none(text: str) -> int:
    """Read a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def minutes(text: str) -> float:
    """Read a number over 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number over 0")
    return number


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number
