"""``coterie pseudonyms``: the keys that make pseudonyms of people's ids, and what they make."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from coterie.cli import show
from coterie.data.ids import normal_id
from coterie.data.pseudonyms import (
    FILE_VARIABLE,
    VARIABLE,
    PseudonymKeys,
    add_key,
)
from coterie.errors import BadInputError

STANDARD_INPUT: Final = "-"


def rotate(options: argparse.Namespace) -> None:
    """Add a new key to a file; the first one where there is none."""
    file = options.file or os.environ.get(FILE_VARIABLE, "")
    if not file:
        raise BadInputError(f"which file of keys? Name it with --file, or in {FILE_VARIABLE}")
    keys = add_key(file)
    show.say(f"Key {keys.name} is the newest of {len(keys):,} in {file}: keep that file, all of it")


def of(options: argparse.Namespace) -> None:
    """Print pseudonyms: one alone, of several each after its id."""
    keys = _keys(options)
    if bool(options.ids) == bool(options.file_of_ids):
        raise BadInputError("whose pseudonyms? Name ids, or a file of them with --ids")
    if len(options.ids) == 1:
        print(keys.of(normal_id(options.ids[0])))
        return
    for user_id in map(normal_id, options.ids or _lines(options.file_of_ids)):
        print(f"{user_id}\t{keys.of(user_id)}")


def renew(options: argparse.Namespace) -> None:
    """Bring exported files to the newest key."""
    from coterie.privacy.renew import renew

    keys = _keys(options)
    num = renew(options.folder, keys)
    show.say(f"{num:,} exported files in {options.folder} were brought to key {keys.name}")


ACTIONS: Final = {"rotate": rotate, "of": of, "renew": renew}


def _keys(options: argparse.Namespace) -> PseudonymKeys:
    keys = PseudonymKeys.given("", options.file) if options.file else PseudonymKeys.read(os.environ)
    if not keys:
        raise BadInputError(
            f"there is no pseudonym key: name a file with --file, or set {VARIABLE} or "
            f"{FILE_VARIABLE}"
        )
    return keys


def _lines(file: str) -> Iterator[str]:
    if file == STANDARD_INPUT:
        yield from _whole(sys.stdin)
        return
    try:
        with Path(file).open(encoding="utf-8") as lines:
            yield from _whole(lines)
    except OSError as error:
        raise BadInputError(f"cannot read {file}: {error.strerror}") from error


def _whole(lines: Iterable[str]) -> Iterator[str]:
    return (text for line in lines if (text := line.strip()))
