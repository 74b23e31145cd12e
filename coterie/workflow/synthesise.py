"""The step that makes data to share: from clean tables to tables of people who do not exist."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

import coterie
from coterie.data.load import load_dataset
from coterie.data.parquet import write_table
from coterie.errors import BadInputError
from coterie.files import atomic_folder
from coterie.progress import Progress, silent
from coterie.schema import EVENTS, ITEMS, TIES, USERS
from coterie.synthesis.bounded_shop import learn_bounded
from coterie.synthesis.made_up import ShopModel
from coterie.synthesis.settings import SynthesisSettings
from coterie.synthesis.shop import learn_shop
from coterie.synthesis.source import SourceShop
from coterie.synthesis.tables import contract_tables
from coterie.workflow.stages import Stages

CARD_FILE: Final = "synthesis.json"
"""What the made-up tables are, beside them."""


def synthesise(
    clean: str, out: str, settings: SynthesisSettings | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Write tables of people who do not exist, in place of a shop that may not be shared.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: New folder for ``events``, ``ties``, ``items`` and ``users``, which ``ingest`` takes;
            it is there when all of it is.
        settings: How they are learned.
        progress: Told how many of the stages are done.

    Returns:
        What stands in ``synthesis.json``.

    Raises:
        BadInputError: The folder is not clean, nothing can be learned of it, ``out`` is there, or
            the bound is none.
        UnavailableError: A store does not answer.
    """
    settings = settings or SynthesisSettings()
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInputError(f"{out} is there already: name a new folder, or remove it")
    told = Stages("synthesise", progress, 7)
    told("reading")
    dataset = load_dataset(clean)
    source = SourceShop.of(dataset)
    model, promise = _learn(source, settings, told)
    told("drawing")
    rng = np.random.default_rng([settings.seed, 1])
    made = model.draw(settings.people or model.num_people, rng)
    told("files")
    tables = contract_tables(made, dataset.catalogue, dataset.users.ids)
    card = {
        "made_by": f"coterie {coterie.__version__}",
        "what": "People, ties and events are made up; items are those of the shop.",
        "settings": asdict(settings),
        "rows": {name: table.num_rows for name, table in tables.items()},
        "promise": promise,
    }
    with atomic_folder(target) as folder:
        for name in (EVENTS.name, TIES.name, ITEMS.name, USERS.name):
            write_table(tables[name], folder / f"{name}.parquet")
        (folder / CARD_FILE).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    told.end()
    return card


def _learn(
    source: SourceShop, settings: SynthesisSettings, told: Callable[[str], None]
) -> tuple[ShopModel, dict[str, Any] | None]:
    if settings.epsilon is None:
        return learn_shop(source, settings, told), None
    found = learn_bounded(source, settings, told)
    return found.shop, found.promise
