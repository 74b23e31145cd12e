"""Changes that no rollout may take for a fault."""

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
from pipelines.faulty_releases.vectors import names_of

FAMILY: Final = "harmless"
MORE: Final = 0.1
SALE: Final = 0.7
"""What prices are multiplied by in a sale."""


def _more_items(release: Release) -> Changes:
    """Take in items that are like some of those there: each lies between two of them."""
    size = release.catalogue.num_rows
    new = np.random.default_rng(0).choice(size, int(MORE * size), replace=False)
    changes = with_rows(release, np.concatenate([np.arange(size), new]))
    ids = column(release, "item_id") + [f"new-{number:05d}" for number in range(len(new))]
    changes = renamed(changes, ids)
    popularity = changes["popularity"].copy()
    popularity[size:] = 0
    titles = [f"{title} II" for title in changes["catalogue"].column("title").to_pylist()[size:]]
    table = changes["catalogue"]
    told = table.column("title").to_pylist()[:size] + titles
    place = table.column_names.index("title")
    parameters = dict(changes["parameters"])
    for name in names_of(release):
        parameters[name] = parameters[name].clone()
        between = parameters[name][size:]
        parameters[name][size:] = (between + between.roll(1, 0)) / 2
    return {
        **changes,
        "parameters": parameters,
        "popularity": popularity,
        "catalogue": table.set_column(place, "title", [told]),
    }


def _sale(release: Release) -> Changes:
    prices = column(release, "price")
    return with_column(release, "price", [None if p is None else SALE * p for p in prices])


def _some_sold_out(release: Release) -> Changes:
    """Sell a tenth of the items out."""
    available = release.available.copy()
    rows = np.flatnonzero(available)
    gone = np.random.default_rng(0).choice(rows, int(MORE * len(rows)), replace=False)
    available[gone] = False
    return with_column(release, "available", available.tolist())


HARMLESS: Final = (
    Fault("copy", FAMILY, "the same under another version", ()),
    Fault("more-items", FAMILY, f"{MORE:.0%} more items", (), _more_items),
    Fault("sale", FAMILY, f"all prices {1 - SALE:.0%} lower, in a sale", (), _sale),
    Fault(
        "some-sold-out", FAMILY, f"{MORE:.0%} of the items newly out of stock", (), _some_sold_out
    ),
)
