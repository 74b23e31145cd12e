"""What a language model said of a release's items: one file, read without trusting it.

Only in a release of a shop whose items were described. Search by words reads all of it, filters
what an item's own texts say; each thing keeps its source.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.errors import BadInputError

STATEMENTS: Final = pa.schema(
    [
        pa.field("item_idx", pa.int32(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("field", "value", "source")),
    ]
)
"""Row of the catalogue, what kind of thing is said, what is said, and whether the item's own texts
say it (``text``) or the model brought words (``model``). Ordered by item."""
ATTRIBUTE: Final = "attribute"
SAID_FIELDS: Final = ("title_en", "title_zh", ATTRIBUTE, "keyword")
"""As search reads them: what comes last is cut first."""
TEXT: Final = "text"
SOURCES: Final = (TEXT, "model")
MOST_OF_ITEM: Final = 32
"""Things that are said of one item, at most."""
LONGEST: Final = 200
"""Characters of one of them."""


def statements_of(said: pa.Table, item_ids: Sequence[str]) -> pa.Table | None:
    """Bring what is said of items into the rows of a catalogue; what is of no row is left out.

    Args:
        said: Columns ``item_id``, ``field``, ``value`` and ``source``.
        item_ids: Of the catalogue, in its order.

    Returns:
        ``STATEMENTS``; None where nothing is said.
    """
    place = pc.index_in(said["item_id"], value_set=pa.array(item_ids, pa.string()))
    told = said.select(["field", "value", "source"]).add_column(0, "item_idx", place)
    told = told.filter(pc.is_valid(told["item_idx"])).combine_chunks()
    if not told.num_rows:
        return None
    order = pc.index_in(told["field"], value_set=pa.array(SAID_FIELDS))
    told = told.append_column("order", order)
    told = told.sort_by([(name, "ascending") for name in ("item_idx", "order", "value")])
    return told.select(STATEMENTS.names).cast(STATEMENTS)


def texts_of(statements: pa.Table | None, num_items: int) -> pa.Array | None:
    """Join what is said of each item into one text, null where nothing is; None without any."""
    if statements is None:
        return None
    grouped = statements.group_by("item_idx", use_threads=False).aggregate([("value", "list")])
    joined = pc.binary_join(grouped["value_list"].combine_chunks(), " ")
    texts = np.full(num_items, None, object)
    texts[grouped["item_idx"].to_numpy()] = joined.to_pylist()
    return pa.array(texts, pa.string())


def pack_statements(statements: pa.Table, num_items: int, where: str) -> bytes:
    """Write them as the bytes of a Parquet file.

    Raises:
        BadInputError: They are none, or of no item of the release.
    """
    _check(statements, num_items, where)
    sink = BytesIO()
    pq.write_table(statements, sink, compression="zstd")
    return sink.getvalue()


def unpack_statements(data: bytes, num_items: int, where: str) -> pa.Table:
    """Read back what :func:`pack_statements` wrote.

    Args:
        data: Content of the file.
        num_items: Rows of the catalogue.
        where: The file, for the error's text.

    Raises:
        BadInputError: It is no such file, or says something of no item.
    """
    try:
        file = pq.ParquetFile(BytesIO(data))
        # Known from the footer, before a small file may unfold into a huge table.
        _check_size(file.metadata.num_rows, num_items, where)
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(f"{where} is no Parquet table: {error}") from error
    _check(table, num_items, where)
    return table


def _check_size(rows: int, num_items: int, where: str) -> None:
    if not 0 < rows <= MOST_OF_ITEM * num_items:
        raise BadInputError(
            f"{where} says {rows} things of {num_items} items: expected one to "
            f"{MOST_OF_ITEM} an item"
        )


def _check(table: pa.Table, num_items: int, where: str) -> None:
    if not table.schema.equals(STATEMENTS):
        raise BadInputError(
            f"{where} has the columns {table.schema.to_string()}, expected {STATEMENTS.to_string()}"
        )
    _check_size(table.num_rows, num_items, where)
    item = table["item_idx"].to_numpy()
    if int(item.min()) < 0 or int(item.max()) >= num_items:
        raise BadInputError(
            f"{where} is of items {item.min()} to {item.max()}, and there are {num_items}: were "
            "both made from the same data?"
        )
    for name, known in (("field", SAID_FIELDS), ("source", SOURCES)):
        odd = sorted(set(pc.unique(table[name]).to_pylist()) - set(known))
        if odd:
            raise BadInputError(f"{where}: {name} is {odd}, expected one of {known}")
    if int(pc.max(pc.utf8_length(table["value"])).as_py()) > LONGEST:
        raise BadInputError(f"{where} holds more than {LONGEST} characters in one value")
