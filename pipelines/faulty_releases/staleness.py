"""Faults of age: what was right once."""

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import torch

from coterie.data.dataset import Ints
from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, with_rows
from pipelines.faulty_releases.vectors import names_of

FAMILY: Final = "staleness"
NEWEST: Final = 0.15
"""Share of the items that entered the shop last."""


def _by_age(release: Release) -> Ints:
    """Give the items' rows, the newest last."""
    oldest = datetime(1970, 1, 1, tzinfo=UTC)
    entered = [one or oldest for one in column(release, "created_at")]
    return np.array(sorted(range(len(entered)), key=entered.__getitem__), np.int64)


def _stale_catalogue(release: Release) -> Changes:
    """Lack the items that entered last."""
    kept = _by_age(release)[: int((1 - NEWEST) * release.catalogue.num_rows)]
    return with_rows(release, np.sort(kept))


def _silent_news(release: Release) -> Changes:
    """Know the items that entered last, but nothing of who likes them."""
    rows = torch.from_numpy(_by_age(release)[int((1 - NEWEST) * release.catalogue.num_rows) :])
    parameters = dict(release.parameters)
    for name in names_of(release):
        parameters[name] = parameters[name].clone()
        parameters[name][rows] = 0
    return {"parameters": parameters}


def _month_old(release: Release) -> Changes:
    """Be a month older than what is live, and otherwise as good."""
    made = datetime.fromisoformat(release.manifest.created_at)
    return {"created_at": made - timedelta(days=30)}


FAULTS: Final = (
    Fault(
        "stale-catalogue",
        FAMILY,
        f"the {NEWEST:.0%} of the items that entered last are missing",
        ("preflight",),
        _stale_catalogue,
    ),
    Fault(
        "silent-news",
        FAMILY,
        f"the {NEWEST:.0%} of the items that entered last have vectors of zeros",
        ("preflight",),
        _silent_news,
    ),
    Fault(
        "older-than-live",
        FAMILY,
        "the release is a month older than the live one",
        ("preflight",),
        _month_old,
    ),
)
