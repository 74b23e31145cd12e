"""Faults by which one thing stands in a list, or in the catalogue, several times."""

from typing import Final

import numpy as np
import pyarrow as pa

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import (
    Changes,
    Fault,
    column,
    renamed,
    with_column,
    with_rows,
)

FAMILY: Final = "duplicates"
BORROWED: Final = 4
"""One item in so many has the title of another."""
TWINS: Final = 5
"""One item in so many is there once more, under another id and a title that differs a little."""


def _twice(release: Release) -> Changes:
    """Take every item in under two ids, as after two imports of one table."""
    rows = np.arange(release.catalogue.num_rows)
    ids = column(release, "item_id")
    changes = with_rows(release, np.concatenate([rows, rows]))
    return renamed(changes, ids + [f"{item_id}-2" for item_id in ids])


def _one_title(release: Release) -> Changes:
    """Name every item by its category, as where variants are told apart by a lost column."""
    names = [str(category or "").rpartition("/")[2] for category in column(release, "category")]
    return with_column(release, "title", names)


def _borrowed_titles(release: Release) -> Changes:
    """Name a quarter of the items as the item before, as where a join by place slips in a part."""
    titles = column(release, "title")
    for row in range(BORROWED, len(titles), BORROWED):
        titles[row] = titles[row - 1]
    return with_column(release, "title", titles)


def _near_twins(release: Release) -> Changes:
    """Take some items in twice, as where a seller lists anew what is there already."""
    rows = np.arange(release.catalogue.num_rows)
    twins = rows[::TWINS]
    changes = with_rows(release, np.concatenate([rows, twins]))
    ids, titles = column(release, "item_id"), column(release, "title")
    changes = renamed(changes, [*ids, *(f"{ids[row]}-new" for row in twins)])
    table = changes["catalogue"]
    place = table.column_names.index("title")
    named = pa.array([*titles, *(f"{titles[row]} (new)" for row in twins)], pa.string())
    return {**changes, "catalogue": table.set_column(place, table.schema.field("title"), named)}


FAULTS: Final = (
    Fault("items-twice", FAMILY, "every item is there under two ids", ("preflight",), _twice),
    Fault(
        "one-title",
        FAMILY,
        "all items of a category have one title",
        ("preflight",),
        _one_title,
    ),
    Fault(
        "borrowed-titles",
        FAMILY,
        f"one item in {BORROWED} has the title of another",
        ("preflight",),
        _borrowed_titles,
    ),
    Fault(
        "near-twins",
        FAMILY,
        f"one item in {TWINS} is there twice, the second time under a title that differs a little",
        ("preflight",),
        _near_twins,
    ),
)
