"""What a language model says of items, behind their tags: part of the content step, off unless set.

What was said is kept beside the vectors, by the digest of texts and model, each thing with its
source; another day, what is new is asked for.
"""

import logging
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import BadInputError, UnavailableError
from coterie.llm.descriptions import Described, digest_of_item, tags_with
from coterie.llm.models import open_model
from coterie.llm.question import LanguageModel
from coterie.progress import Progress
from coterie.workflow.describe import (
    ASKED_S,
    DESCRIPTIONS,
    DESCRIPTIONS_FILE,
    ITEMS_FILE,
    describe_catalogue,
)

TAGS_FILE: Final = "described.parquet"
"""In a folder of vectors: each item's tags with what is said of it behind them."""
TAGS: Final = pa.schema([("item_id", pa.string()), ("tags", pa.string())])

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DescribeSettings:
    """Which model describes items, how many a run, and what of its words counts."""

    llm: str = ""
    """Address up to ``/v1``, or a folder of weights; empty: nobody describes anything."""
    model: str = ""
    """What an API calls it."""
    most: int = 10_000
    """Items to ask for in one run; the others wait for the next."""
    tokens_per_hour: int = 20_000_000
    """Bound of cost."""
    invented: bool = False
    """Whether also that counts which has words that the item's texts lack (source ``model``)."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: Nothing may be asked for.
        """
        if self.most < 1 or self.tokens_per_hour < 0:
            raise BadInputError(
                f"most is {self.most} and tokens_per_hour {self.tokens_per_hour}: at least one "
                "item a run, and no tokens below 0"
            )


def describe_items(
    clean: str,
    items: pa.Table,
    made: Path,
    earlier: Path,
    settings: DescribeSettings,
    key: str,
    progress: Progress,
) -> pa.Table:
    """Put what a model says of items behind their tags; items as they are where none is named.

    A model that does not answer is no error: what was said before counts, and no more.

    Args:
        clean: Folder that ``ingest`` wrote.
        items: Its items, of which the tags change.
        made: Folder where descriptions are left.
        earlier: Folder with those of another day, if any.
        settings: Which model.
        key: What an API asks of its callers; never kept or logged.
        progress: Told how many items are described.

    Raises:
        BadInputError: There is no such model, or it refuses.
    """
    model = open_model(
        settings.llm, settings.model, key, lambda _: None, ASKED_S, settings.tokens_per_hour
    )
    if model is None:
        return items
    if (earlier / DESCRIPTIONS_FILE).is_file():
        shutil.copyfile(earlier / DESCRIPTIONS_FILE, made / DESCRIPTIONS_FILE)
    try:
        describe_catalogue(clean, str(made), model, settings.most, progress)
        (made / ITEMS_FILE).unlink()
    except UnavailableError as error:
        log.warning("no item was described: %s", error)
    tags = _tags(items, made / DESCRIPTIONS_FILE, model, settings.invented)
    described = items.set_column(items.column_names.index("tags"), "tags", tags)
    pq.write_table(described.select(TAGS.names).cast(TAGS), made / TAGS_FILE)
    return described


def with_described_tags(items: pa.Table, folder: Path) -> pa.Table:
    """Give items the tags that the content step left, those of other items as they are.

    Args:
        items: Columns of ``schema.ITEMS``.
        folder: With vectors; nothing changes where nobody described items.
    """
    if not (folder / TAGS_FILE).is_file() or "tags" not in items.column_names:
        return items
    told = pq.read_table(folder / TAGS_FILE, schema=TAGS)
    known = dict(zip(told["item_id"].to_pylist(), told["tags"].to_pylist(), strict=True))
    own = zip(items["item_id"].to_pylist(), items["tags"].to_pylist(), strict=True)
    tags = pa.array([known.get(item, tags) for item, tags in own], pa.string())
    return items.set_column(items.column_names.index("tags"), "tags", tags)


def _tags(items: pa.Table, file: Path, model: LanguageModel, invented: bool) -> pa.Array:
    said: dict[str, list[Described]] = defaultdict(list)
    if file.is_file():
        for row in pq.read_table(file, schema=DESCRIPTIONS).to_pylist():
            if row["field"] and (invented or row["source"] == "text"):
                said[row["key"]].append(Described(row["field"], row["value"], row["source"]))
    return pa.array(
        [
            # Of another text, or by another model, it would be said of what is no more.
            tags_with(row["tags"], said.get(digest_of_item(model, row), ()))
            for row in items.to_pylist()
        ],
        pa.string(),
    )
