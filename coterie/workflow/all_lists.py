"""The step from a release to the lists of all shoppers at once."""

import time
from dataclasses import dataclass, field

from coterie.all_lists.everyone import Everyone
from coterie.all_lists.feature_tables import read_everyone
from coterie.all_lists.lists import ListsWanted
from coterie.all_lists.make import Made, make_all_lists
from coterie.data.circle import CircleRule
from coterie.data.load import load_dataset
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.progress import Progress, silent
from coterie.recommend.rules import MAX_BYTES, NO_RULES, ListRules, read_rules
from coterie.release.bundle import Release, load_release
from coterie.workflow.start import find_start


@dataclass(frozen=True, slots=True)
class AllListsSettings:
    """How everybody's lists are made."""

    k: int = 20
    """Items of a list, at most."""
    rules: str = ""
    """File or URL with the shop's rules; empty: there are none."""
    circle: CircleRule = field(default_factory=CircleRule)
    """Whom lists draw on: as in serving."""


def list_everyone(
    release: str,
    out: str,
    settings: AllListsSettings,
    features: str = "",
    clean: str = "",
    told: Progress = silent,
) -> Made:
    """Make the lists of all shoppers, as serving would answer at this moment, and write them.

    Args:
        release: Folder or URL of a release.
        out: Folder or URL of the lists.
        settings: How they are made.
        features: Folder or URL of the offline rows of the features step; or
        clean: folder that ``ingest`` wrote, of which features are made in memory.
        told: How far it is.

    Raises:
        BadInputError: An input is missing or does not fit the others; ``out`` holds other things.
        UnavailableError: A store does not answer.
    """
    if bool(features) == bool(clean):
        raise BadInputError("lists are made from features or from clean tables: name one of them")
    wanted = ListsWanted(settings.k, _rules(settings.rules), int(time.time() * 1000))
    found = load_release(release)
    everyone = _everyone(found, settings.circle, wanted.now_ms, features, clean, told)
    return make_all_lists(found, everyone, wanted, settings.circle, out, told)


def released(store: str, wanted: str) -> str:
    """Find the folder of the release whose lists are made.

    Args:
        store: Folder or URL of releases.
        wanted: A version, or ``champion``; see ``start.find_start``.

    Raises:
        BadInputError: There is no such release.
        UnavailableError: The store does not answer.
    """
    if not store or not wanted:
        raise BadInputError("lists need release_store and listed: name the releases, and which one")
    folder = find_start(store, wanted)
    if not folder:
        raise BadInputError(f"{store} holds no release yet: train one first")
    return folder


def _everyone(
    release: Release, circle: CircleRule, now_ms: int, features: str, clean: str, told: Progress
) -> Everyone:
    if features:
        return read_everyone(features, release, circle, now_ms, told)
    return Everyone.of_dataset(load_dataset(clean), release, circle, now_ms)


def _rules(address: str) -> ListRules:
    if not address:
        return NO_RULES
    fs, path = open_store(address)
    try:
        with reaching(address), fs.open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadInputError(
            f"{address} is no file: name the rules that COTERIE_RULES has"
        ) from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{address} is no UTF-8: save it as that") from error
    return read_rules(text, address)
