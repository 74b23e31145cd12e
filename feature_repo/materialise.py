"""From a clean folder to a filled feature store, and to what training may know.

``python -m feature_repo.materialise CLEAN FOLDER --version VERSION`` does it by hand.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from coterie.errors import BadInputError, CoterieError
from coterie.progress import Progress, silent
from coterie.workflow.features import FOR_TEST, FOR_VALIDATION
from coterie.workflow.shop import CleanShop
from feature_repo.build import snapshots
from feature_repo.handover import HandedOver, SharedStore, hand_over
from feature_repo.store import fill_store, known_at


@dataclass(frozen=True, slots=True)
class Materialised:
    """What went into the store."""

    shoppers: int
    events: int
    """That the shoppers' lists were made from."""
    ties: int
    newest_ms: int
    """Moment of the online rows, milliseconds since 1970, UTC."""
    handed: HandedOver | None = None
    """What the store that serving reads took of it."""


def materialise(
    clean: str,
    folder: str,
    known: str,
    version: str,
    read_ms: int = 0,
    shared: SharedStore | None = None,
    told: Progress = silent,
) -> Materialised:
    """Register the features of a model version, fill both stores, and look back.

    Args:
        clean: Folder that ``ingest`` wrote.
        folder: Of the feature store: settings, registry, offline rows, and, without ``shared``,
            online rows.
        known: Folder for what was known at the ends of training and of validation, one table each,
            asked of the store as of then. ``fit_challenger`` reads them.
        version: Of the model that will read the features.
        read_ms: When the shop's tables were read, milliseconds since 1970, UTC.
        shared: The store that serving reads, where it is not this folder.
        told: How far it is.

    Raises:
        BadInputError: The clean folder is not clean, its events cannot be split, or ``shared`` is
            not as it should be.
        UnavailableError: A part of ``shared`` does not answer.
    """
    if shared:
        shared.check()
    shop = CleanShop.open(clean)
    moments = snapshots(shop.dataset, shop.split, read_ms)
    store = fill_store(folder, shop.dataset, moments, version, online=shared is None)
    home = Path(known)
    home.mkdir(parents=True, exist_ok=True)
    for name, moment in zip((FOR_VALIDATION, FOR_TEST), moments, strict=False):
        table = known_at(store, version, shop.dataset.users.ids, moment.cutoff_ms)
        pq.write_table(table, home / name)
    now = moments[-1]
    handed = hand_over(folder, shared, version, told) if shared else None
    users, events, ties = len(shop.dataset.users), len(now.events), len(now.ties)
    return Materialised(users, events, ties, now.cutoff_ms, handed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a store; 0, or why not: 2 the input is wrong, 75 a store did not answer."""
    parser = argparse.ArgumentParser(prog="python -m feature_repo.materialise", description=__doc__)
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("folder", help="of the feature store")
    parser.add_argument("--known", help="folder for what training may know (known/ in FOLDER)")
    parser.add_argument("--version", required=True, help="of the model that reads the features")
    options = parser.parse_args(arguments)
    known = options.known or f"{options.folder}/known"
    try:
        materialise(options.clean, options.folder, known, options.version)
    except CoterieError as error:
        print(f"coterie: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInputError) else 75
    except KeyboardInterrupt:
        print("coterie: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
