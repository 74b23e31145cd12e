"""What shoppers wrote of items, as far as it may be read: of the past, by who may be used."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.load import load_dataset
from coterie.data.splits import choose
from coterie.errors import BadInputError
from coterie.schema import EVENTS, USERS, EventKind

BY_TIME: Final = "by_time"
"""Of the splits the one by real times."""


def reviews_of(clean: str, tables: Mapping[str, pa.Table], most: int) -> dict[str, list[str]]:
    """Read the newest reviews of each item, newest first.

    Read are those from before validation begins, as whatever comes after is to be foreseen; and of
    people of whom ``may_be_used`` is not a no.

    Args:
        clean: Folder that ``ingest`` wrote.
        tables: Its tables.
        most: Reviews an item.

    Raises:
        BadInputError: The folder is not clean, or its events cannot be split by time: nobody can
            tell then which reviews were there when.
        UnavailableError: A store does not answer.
    """
    split = choose(load_dataset(clean))
    if split.name != BY_TIME:
        raise BadInputError(
            "texts.reviews is on, and the events have no times of their own: nobody can tell which "
            "reviews were there before what is to be foreseen; leave it off"
        )
    events, people = tables[EVENTS.name], tables[USERS.name]
    written = pc.equal(events["event"], EventKind.REVIEW.value)
    written = pc.and_(written, pc.greater(pc.utf8_length(pc.fill_null(events["text"], "")), 0))
    past = pc.less_equal(
        pc.divide(events["ts"].cast(pa.int64()), 1_000), int(split.train.ts_ms.max())
    )
    withheld = people["user_id"].filter(pc.invert(people["may_be_used"]))
    may = pc.invert(pc.is_in(events["user_id"], value_set=withheld.combine_chunks()))
    told = events.filter(pc.and_(pc.and_(written, past), may))
    # Clean events are in order of time.
    found: dict[str, list[str]] = {}
    item, text = told["item_id"].to_pylist(), told["text"].to_pylist()
    for row in np.arange(len(item))[::-1]:
        one = found.setdefault(item[row], [])
        if len(one) < most:
            one.append(text[row])
    return found
