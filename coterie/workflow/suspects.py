"""The suspects step: from clean tables to accounts that look made to push items."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from coterie.attacks.detector import DetectorConfig, Suspects, find_suspects
from coterie.data.dataset import Dataset, TrainingSet
from coterie.data.load import load_dataset
from coterie.data.parquet import write_table
from coterie.files import write_atomically
from coterie.workflow.config_values import read_config
from coterie.workflow.settings import change

SUSPECTS_FILE: Final = "suspects.parquet"
WITHHELD_FILE: Final = "withheld.csv"
FIGURES_FILE: Final = "suspects.json"


def read_suspects_settings(*given: str) -> DetectorConfig:
    """Read what differs from the defaults: JSON, NAME=VALUE, or the address of a file of JSON.

    Raises:
        BadInputError: A name is unknown, a value is refused, or there is no such file.
        UnavailableError: A store does not answer.
    """
    said = [one for one in given if one.strip()]
    changes: Mapping[str, Any] = read_config(*said) if said else {}
    settings: DetectorConfig = change(DetectorConfig(), changes)
    return settings


def list_suspects(clean: str, out: str, settings: DetectorConfig | None = None) -> dict[str, Any]:
    """Write suspects and why, a file that withholds them, and figures.

    Nothing is withheld by it: people look first. ``withheld.csv`` has rows of ``schema.USERS``
    that say of each suspect that nobody's list may draw on them.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for the files; each is replaced when it is whole.
        settings: How sure the detector has to be; its own if not given.

    Returns:
        The figures, as they stand in ``suspects.json``.

    Raises:
        BadInputError: The folder is not clean, or nobody had anything.
        UnavailableError: A store does not answer.
    """
    dataset = load_dataset(clean)
    shop = TrainingSet(dataset.events, dataset.ties, len(dataset.users), len(dataset.items))
    found = find_suspects(shop, settings or DetectorConfig())
    table, figures = _table(dataset, found), _figures(dataset, found)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(table, folder / SUSPECTS_FILE)
    withheld = pa.table({"user_id": table["user_id"], "may_be_used": [False] * len(table)})
    content = pa.BufferOutputStream()
    pa_csv.write_csv(withheld, content)
    write_atomically(folder / WITHHELD_FILE, content.getvalue().to_pybytes().decode())
    write_atomically(folder / FIGURES_FILE, json.dumps(figures, indent=1) + "\n")
    return figures


def _table(dataset: Dataset, found: Suspects) -> pa.Table:
    """Tell of each suspect how odd it is, and which item it is a suspect for."""
    return pa.table(
        {
            "user_id": pa.array(dataset.users.to_ids(found.user_idx), pa.string()),
            "score": found.score[found.user_idx],
            "item_id": pa.array(dataset.items.to_ids(found.item_idx), pa.string()),
        }
    )


def _figures(dataset: Dataset, found: Suspects) -> dict[str, Any]:
    ids = dataset.items.to_ids(found.pushed)
    return {
        "accounts": len(dataset.users),
        "suspects": len(found.user_idx),
        "pushed": [
            {
                "item_id": str(name),
                "suspects": int(np.sum(found.item_idx == found.pushed[rank])),
                "odd_owners": int(found.odd_owners[rank]),
                "owners": int(found.owners[rank]),
                "log_chance": round(float(found.log_chance[rank]), 2),
            }
            for rank, name in enumerate(ids)
        ],
    }
