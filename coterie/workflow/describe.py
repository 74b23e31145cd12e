"""Describe a catalogue by a language model: what is new, once; what it said is kept."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.load import read_clean
from coterie.errors import BadInputError, UnavailableError
from coterie.files import atomic_file
from coterie.llm.descriptions import (
    Described,
    digest_of_item,
    question_of_item,
    read_description,
    tags_with,
)
from coterie.llm.question import LanguageModel
from coterie.progress import Progress, silent
from coterie.schema import ITEMS

DESCRIPTIONS_FILE: Final = "descriptions.parquet"
ITEMS_FILE: Final = "items.parquet"
"""The contract's table with what is said behind its tags."""
DESCRIPTIONS: Final = pa.schema(
    [(name, pa.string()) for name in ("item_id", "key", "field", "value", "source", "model")]
)
"""``source`` is ``text`` where all words stand in the item's texts, else ``model``; a row without a
field says that nothing could be kept."""
AT_ONCE: Final = 4
ASKED_S: Final = 60.0
"""Seconds of one item: nobody waits for it."""
PART: Final = 64
"""Items between two looks at how it goes."""


@dataclass(frozen=True, slots=True)
class DescribedCatalogue:
    """How a catalogue was described."""

    items: int
    known: int
    """Items of which something is said."""
    asked: int
    """Items that the model was asked for, this time."""
    failed: int
    """Of these, what it did not answer in the form."""
    left: int
    """Items that wait for the next time: the bound of this one, or a model that does not answer."""

    def in_words(self) -> str:
        """Say it to a person."""
        return (
            f"{self.known:,} of {self.items:,} items described; the model was asked for "
            f"{self.asked:,}, {self.failed:,} it did not answer in the form, {self.left:,} wait "
            "for the next time"
        )


def describe_catalogue(
    clean: str, out: str, model: LanguageModel, most: int = 0, progress: Progress = silent
) -> DescribedCatalogue:
    """Describe the items of a clean folder.

    Leaves ``descriptions.parquet``, which is read again the next time, and ``items.parquet``: the
    contract's table with descriptions behind its tags, to be ingested in the catalogue's place.

    Args:
        clean: Folder that ingest wrote.
        out: Local folder; kept.
        model: Asked for each item whose texts it has not described yet.
        most: Items to ask for in one run; 0: all.
        progress: Told how many items are described.

    Raises:
        BadInputError: The folder is not clean, or the model refuses.
        UnavailableError: The model answered for no item at all.
    """
    items = read_clean(clean)[1][ITEMS.name].sort_by("item_id")
    rows: list[dict[str, Any]] = items.to_pylist()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    kept = _kept(folder / DESCRIPTIONS_FILE)
    keys = [digest_of_item(model, row) for row in rows]
    new = [row for row, key in enumerate(keys) if key not in kept]
    wanted = new[:most] if most else new
    asked, failed, away = _ask(model, rows, keys, wanted, kept, progress)
    if away and not asked:
        raise away
    found = [kept.get(key) for key in keys]
    _write(folder, items, keys, found, model.name)
    return DescribedCatalogue(
        items=len(rows),
        known=sum(map(bool, found)),
        asked=asked,
        failed=failed,
        left=len(new) - asked,
    )


def _ask(
    model: LanguageModel,
    rows: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    wanted: Sequence[int],
    kept: dict[str, list[Described]],
    progress: Progress,
) -> tuple[int, int, UnavailableError | None]:
    """Describe items, several at a time: how many were asked for, how many failed, and who is
    away, if it ends before all are."""
    failed = 0

    def describe(row: int) -> list[Described] | None:
        item = rows[row]
        try:
            return read_description(model.ask(question_of_item(item)).value, item)
        except BadInputError:
            return None

    with ThreadPoolExecutor(AT_ONCE, "describe") as threads:
        for start in range(0, len(wanted), PART):
            part = wanted[start : start + PART]
            try:
                answers = list(threads.map(describe, part))
            except UnavailableError as error:
                # What was said so far may have cost money: it is kept.
                return start, failed, error
            for row, said in zip(part, answers, strict=True):
                failed += said is None
                kept[keys[row]] = said or []
            progress("describe", min(start + PART, len(wanted)), len(wanted))
    return len(wanted), failed, None


def _kept(path: Path) -> dict[str, list[Described]]:
    """Read what was said before, by key."""
    found: dict[str, list[Described]] = defaultdict(list)
    if path.is_file():
        for row in pq.read_table(path, schema=DESCRIPTIONS).to_pylist():
            said = found[row["key"]]
            if row["field"]:
                said.append(Described(row["field"], row["value"], row["source"]))
    # Items with the same texts have one key, and what is said of them stands there for each.
    return {key: list(dict.fromkeys(said)) for key, said in found.items()}


def _write(
    folder: Path,
    items: pa.Table,
    keys: Sequence[str],
    found: Sequence[Sequence[Described] | None],
    model: str,
) -> None:
    told, tags = [], []
    for item_id, key, said, own in zip(
        items["item_id"].to_pylist(), keys, found, items["tags"].to_pylist(), strict=True
    ):
        tags.append(tags_with(own, said or ()))
        if said is None:  # nobody asked yet
            continue
        of = {"item_id": item_id, "key": key, "model": model}
        told += [{**of, "field": o.field, "value": o.value, "source": o.source} for o in said]
        told += [] if said else [{**of, "field": None, "value": None, "source": None}]
    place = items.column_names.index("tags")
    described = items.set_column(place, "tags", pa.array(tags, pa.string()))
    for name, table in (
        (DESCRIPTIONS_FILE, pa.Table.from_pylist(told, DESCRIPTIONS)),
        (ITEMS_FILE, described),
    ):
        with atomic_file(folder / name) as file:
            pq.write_table(table, file)
