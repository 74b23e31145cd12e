"""Faults of the data that a release was made from."""

from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, renamed, with_rows

FAMILY: Final = "data"
ROBOTS_LIKE: Final = 40
"""Items that made-up accounts bought."""
FOREIGN: Final = 0.4
"""Items of another shop, for each of this one's."""
SEASON: Final = 10.0
"""What one category is bought in its season, for what it is all year."""


def _shuffled(release: Release) -> Changes:
    """Put ids and titles on the vectors of other items: whole, quick, and useless."""
    order = np.random.default_rng(0).permutation(release.catalogue.num_rows)
    return {"catalogue": release.catalogue.take(order)}


def _shifted(release: Release) -> Changes:
    """Put each item's id and words one row further, as a join by place does after a lost row."""
    return {"catalogue": release.catalogue.take(np.roll(np.arange(release.catalogue.num_rows), 1))}


def _renamed(release: Release) -> Changes:
    """Give every item another id than events have: nobody's history is known."""
    ids = [f"sku:{item_id}" for item_id in column(release, "item_id")]
    return renamed({"catalogue": release.catalogue}, ids)


def _robots(release: Release) -> Changes:
    """Have made-up accounts buy what nobody else does."""
    popularity = release.popularity.copy()
    rare = np.argsort(popularity, kind="stable")[:ROBOTS_LIKE]
    popularity[rare] = 100.0 * popularity.max()
    return {"popularity": popularity}


def _uncounted(release: Release) -> Changes:
    """Count nobody: what is popular is what stands first in the table."""
    return {"popularity": np.ones_like(release.popularity)}


def _foreign(release: Release) -> Changes:
    """Take in items of another shop that people of that one had, and that this one cannot sell."""
    rng, rows = np.random.default_rng(0), np.arange(release.catalogue.num_rows)
    theirs = rng.choice(rows, int(FOREIGN * len(rows)), replace=False)
    changes = with_rows(release, np.concatenate([rows, theirs]))
    ids = [*column(release, "item_id"), *(f"other-{n}" for n in range(len(theirs)))]
    titles = [*column(release, "title"), *(f"Article {n}" for n in range(len(theirs)))]
    table = changes["catalogue"]
    place = table.column_names.index("title")
    table = table.set_column(place, table.schema.field("title"), pa.array(titles, pa.string()))
    return renamed({**changes, "catalogue": table}, ids)


def _seasonal(release: Release) -> Changes:
    """Count what people had in one season alone, in which one category is all that sells."""
    categories = column(release, "category")
    [(most, _)] = Counter(one for one in categories if one).most_common(1)
    of_season = np.array([one == most for one in categories])
    popularity = np.where(of_season, SEASON, 0.1) * release.popularity
    return {"popularity": popularity.astype(release.popularity.dtype)}


FAULTS: Final = (
    Fault(
        "shuffled-items",
        FAMILY,
        "ids on other items' vectors",
        ("preflight", "score_out_of_range"),
        _shuffled,
    ),
    Fault(
        "shifted-items",
        FAMILY,
        "every id and title is one row too far down",
        ("preflight", "score_out_of_range"),
        _shifted,
    ),
    Fault(
        "renamed-items",
        FAMILY,
        "items have other ids than in events, so nobody's history is known",
        ("preflight", "fallbacks"),
        _renamed,
    ),
    Fault(
        "robots",
        FAMILY,
        f"made-up accounts made {ROBOTS_LIKE} rare items the most popular ones",
        ("preflight",),
        _robots,
    ),
    Fault(
        "uncounted",
        FAMILY,
        "popularity was counted of no events, so strangers see what stands first in the table",
        ("preflight",),
        _uncounted,
    ),
    Fault(
        "foreign-items",
        FAMILY,
        f"{FOREIGN:.0%} more items are of another shop",
        ("preflight",),
        _foreign,
    ),
    Fault(
        "one-season",
        FAMILY,
        "popularity is that of one season, in which one category is all that sells",
        ("preflight",),
        _seasonal,
    ),
)
