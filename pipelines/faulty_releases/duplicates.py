"""Faults by which one thing stands in a list, or in the catalogue, several times."""

from typing import Final

import numpy as np

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
)
