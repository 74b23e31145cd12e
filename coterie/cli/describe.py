"""``coterie describe``: what items are, said by a language model."""

import argparse
import os

from coterie.cli import show
from coterie.errors import BadInputError
from coterie.llm.endpoint import KEY_VARIABLE
from coterie.llm.models import open_model, read_key
from coterie.progress import bar
from coterie.workflow.describe import ASKED_S, describe_catalogue


def describe(options: argparse.Namespace) -> None:
    """Describe a catalogue, but for what its folder has already.

    Raises:
        BadInputError: There is no such model, it refuses, or the folder is not clean.
        UnavailableError: The model does not answer.
    """
    key = read_key(os.environ.get(KEY_VARIABLE, ""), os.environ.get(f"{KEY_VARIABLE}_FILE", ""))
    model = open_model(
        options.llm, options.llm_model, key, lambda _: None, ASKED_S, options.tokens_per_hour
    )
    if model is None:
        raise BadInputError("no language model is named: give --llm an address, or a folder")
    with bar() as progress:
        found = describe_catalogue(options.clean, options.out, model, options.most, progress)
    show.say(found.in_words())
    show.say(f"Put {options.out}/items.parquet in the place of the shop's items, and ingest.")
