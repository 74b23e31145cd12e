"""Faults of the data that a release was made from."""

from typing import Final

import numpy as np

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, renamed

FAMILY: Final = "data"
ROBOTS_LIKE: Final = 40
"""Items that made-up accounts bought."""


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
)
