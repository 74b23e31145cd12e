"""From a clean folder to a filled feature store, and to what training may know."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from coterie.workflow.features import FOR_TEST, FOR_VALIDATION
from coterie.workflow.shop import Shop
from feature_repo.build import snapshots
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


def materialise(clean: str, folder: str, known: str, version: str) -> Materialised:
    """Register the features of a model version, fill both stores, and look back.

    Args:
        clean: Folder that ``ingest`` wrote.
        folder: Of the feature store: settings, registry, offline rows, online rows.
        known: Folder for what was known at the ends of training and of validation, one table each,
            asked of the store as of then. ``fit_challenger`` reads them.
        version: Of the model that will read the features.

    Raises:
        BadInputError: The clean folder is not clean, or its events cannot be split.
    """
    shop = Shop.open(clean)
    moments = snapshots(shop.dataset, shop.split)
    store = fill_store(folder, shop.dataset, moments, version)
    home = Path(known)
    home.mkdir(parents=True, exist_ok=True)
    for name, moment in zip((FOR_VALIDATION, FOR_TEST), moments, strict=False):
        table = known_at(store, version, shop.dataset.users.ids, moment.cutoff_ms)
        pq.write_table(table, home / name)
    now = moments[-1]
    return Materialised(len(shop.dataset.users), len(now.events), len(now.ties), now.cutoff_ms)
