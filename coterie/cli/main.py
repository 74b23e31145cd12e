"""From arguments to a command, and from its failure to one line and an exit code."""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Final

from coterie.cli.parser import make_parser
from coterie.errors import BadInputError, UnavailableError
from coterie.imports import expect_little_garbage

EXIT_BAD_INPUT: Final = 2
EXIT_UNAVAILABLE: Final = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""
EXIT_BUG: Final = 70
"""EX_SOFTWARE: nothing that the caller did."""
EXIT_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0, or why not: 2 the input is wrong, 75 something did not answer this time, 130
        interrupted, 70 a fault of ours.
    """
    expect_little_garbage()
    parser = make_parser()
    options, strange = parser.parse_known_args(arguments)
    if strange:
        command = " ".join([parser.prog, options.command, getattr(options, "action", "")]).strip()
        parser.exit(2, f"coterie: there is no {' '.join(strange)} here; see {command} --help\n")
    # Before Torch comes: threads that wait busily for each other made training twenty times slower
    # wherever somebody else had one of the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        _run(options)
        return 0
    except BadInputError as error:
        return _fail(error, EXIT_BAD_INPUT, options.debug)
    except UnavailableError as error:
        return _fail(error, EXIT_UNAVAILABLE, options.debug)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python must not complain while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("coterie: interrupted\n")
        return EXIT_INTERRUPTED
    except Exception as error:
        return _fail(error, EXIT_BUG, options.debug)


def _run(options: argparse.Namespace) -> None:
    # Only now: torch and its like take seconds, and help should take none.
    from coterie.cli import commands

    with warnings.catch_warnings():
        if not options.debug:
            # What libraries say to programmers is no news to a shop.
            warnings.simplefilter("ignore")
        getattr(commands, options.command)(options)


def _fail(error: Exception, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    line = " ".join(str(error).split()) or type(error).__name__
    if code == EXIT_BUG:
        line = f"{type(error).__name__}: {line} (a fault of Coterie's; --debug shows where)"
    sys.stderr.write(f"coterie: {line}\n")
    return code
