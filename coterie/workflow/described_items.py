"""What a language model says of items, behind their tags: part of the content step, off unless set.

What was said is kept beside the vectors, by the digest of texts and model, each thing with its
source; another day, what is new is asked for.
"""

import logging
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import BadInputError, UnavailableError
from coterie.llm.descriptions import Described, digest_of_item, searched, tags_with
from coterie.llm.models import open_model
from coterie.llm.question import LanguageModel
from coterie.progress import Progress
from coterie.release.described import statements_of
from coterie.workflow.content_folder import near_content
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
SEARCHED_FILE: Final = "searched.parquet"
"""In a folder of vectors: what search may find items by, each thing with its source."""
SEARCHED: Final = pa.schema(
    [(name, pa.string()) for name in ("item_id", "field", "value", "source")]
)

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
    translations: bool = True
    """Whether search finds an item by its title in the other language, which is the model's."""

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
    rows: list[dict[str, Any]] = items.to_pylist()
    said = _said(rows, made / DESCRIPTIONS_FILE, model)
    tags = _tags(rows, said, settings.invented)
    described = items.set_column(items.column_names.index("tags"), "tags", tags)
    pq.write_table(described.select(TAGS.names).cast(TAGS), made / TAGS_FILE)
    pq.write_table(_searched(rows, said, settings), made / SEARCHED_FILE)
    return described


def released_statements(content: str, item_ids: Sequence[str]) -> pa.Table | None:
    """Read what search may find items by, for a release.

    Args:
        content: Folder or URL with vectors of items; empty: none.
        item_ids: Of the release's catalogue, in its order.

    Returns:
        ``release.described.STATEMENTS``; None where nobody described items.

    Raises:
        BadInputError: There are no vectors.
        UnavailableError: The store did not answer.
    """
    if not content:
        return None
    with near_content(content) as near:
        file = near / SEARCHED_FILE
        said = pq.read_table(file, schema=SEARCHED) if file.is_file() else SEARCHED.empty_table()
    return statements_of(said, item_ids)


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


def _said(
    rows: Sequence[Mapping[str, Any]], file: Path, model: LanguageModel
) -> list[Sequence[Described]]:
    """Read what was said of each item; of another text, or by another model, it would be said of
    what is no more."""
    said: dict[str, list[Described]] = defaultdict(list)
    if file.is_file():
        for row in pq.read_table(file, schema=DESCRIPTIONS).to_pylist():
            if row["field"]:
                said[row["key"]].append(Described(row["field"], row["value"], row["source"]))
    # Items with the same texts have one key, and what is said of them stands there for each.
    return [list(dict.fromkeys(said.get(digest_of_item(model, row), ()))) for row in rows]


def _tags(
    rows: Sequence[Mapping[str, Any]], said: Sequence[Sequence[Described]], invented: bool
) -> pa.Array:
    counts = [[one for one in of if invented or one.source == "text"] for of in said]
    tags = [tags_with(row["tags"], of) for row, of in zip(rows, counts, strict=True)]
    return pa.array(tags, pa.string())


def _searched(
    rows: Sequence[Mapping[str, Any]],
    said: Sequence[Sequence[Described]],
    how: DescribeSettings,
) -> pa.Table:
    found = [
        {"item_id": row["item_id"], "field": one.field, "value": one.value, "source": one.source}
        for row, of in zip(rows, said, strict=True)
        for one in searched(of, row["title"] or "", how.translations, how.invented)
    ]
    return pa.Table.from_pylist(found, SEARCHED)
