"""Faults of the catalogue: lists are ranked as before, and name or hide the wrong things."""

from collections import Counter
from typing import Final

import numpy as np

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault, column, with_column, with_rows

FAMILY: Final = "catalogue"
IN_STOCK: Final = 0.05
"""Share of items that is left where most are said to be sold out."""
RATE: Final = 7.5
"""Of one currency in another."""
ONE_PRICE_IN: Final = 12
"""One item in so many has its price in another currency."""
ONE_TITLE_IN: Final = 5
"""One item in so many has traded titles with another."""


def _blank_titles(release: Release) -> Changes:
    return with_column(release, "title", ["?"] * release.catalogue.num_rows)


def _zero_prices(release: Release) -> Changes:
    return with_column(release, "price", [0.0] * release.catalogue.num_rows)


def _cents(release: Release) -> Changes:
    prices = column(release, "price")
    return with_column(release, "price", [None if p is None else 100.0 * p for p in prices])


def _shuffled_prices(release: Release) -> Changes:
    prices = np.array(column(release, "price"), dtype=object)
    return with_column(release, "price", np.random.default_rng(0).permutation(prices).tolist())


def _no_categories(release: Release) -> Changes:
    return with_column(release, "category", [None] * release.catalogue.num_rows)


def _available(release: Release, kept: int) -> Changes:
    """Leave a few items in stock, drawn at random of those that are."""
    rows = np.flatnonzero(release.available)
    left = np.zeros(release.catalogue.num_rows, dtype=np.bool_)
    left[np.random.default_rng(0).choice(rows, kept, replace=False)] = True
    return with_column(release, "available", left.tolist())


def _sold_out(release: Release) -> Changes:
    return _available(release, max(int(IN_STOCK * release.available.sum()), 1))


def _one_left(release: Release) -> Changes:
    return _available(release, 1)


def _back_on_sale(release: Release) -> Changes:
    return with_column(release, "available", [True] * release.catalogue.num_rows)


def _half(release: Release) -> Changes:
    """Lose every other item, as a table of which one file of two was read."""
    return with_rows(release, np.arange(0, release.catalogue.num_rows, 2))


def _largest(release: Release, num: int = 1) -> list[str]:
    """Name the categories with most items, which make up under a third of them all."""
    counted = Counter(one for one in column(release, "category") if one)
    most = counted.most_common(num)
    return [name for name, _ in most]


def _swapped_categories(release: Release) -> Changes:
    """Have two categories change names."""
    one, other = _largest(release, 2)
    names = {one: other, other: one}
    return with_column(release, "category", [names.get(c, c) for c in column(release, "category")])


def _other_currency(release: Release) -> Changes:
    """Tell the prices of one category in another currency."""
    [part] = _largest(release)
    rows = zip(column(release, "price"), column(release, "category"), strict=True)
    prices = [None if p is None else RATE * p if c == part else p for p, c in rows]
    return with_column(release, "price", prices)


def _inverted(release: Release) -> Changes:
    """Say of one category that what is in stock is not, and the other way round."""
    [part] = _largest(release)
    said = np.array([c == part for c in column(release, "category")]) ^ release.available
    return with_column(release, "available", said.tolist())


def _some_in_another_currency(release: Release) -> Changes:
    """Tell the prices of some sellers in another currency."""
    prices = column(release, "price")
    some = range(0, len(prices), ONE_PRICE_IN)
    told = [None if p is None else RATE * p if n in some else p for n, p in enumerate(prices)]
    return with_column(release, "price", told)


def _traded_titles(release: Release) -> Changes:
    """Have some items trade titles, as where two tables were joined by a number that came twice."""
    titles = column(release, "title")
    some = np.random.default_rng(0).permutation(len(titles))[: len(titles) // ONE_TITLE_IN]
    told = list(titles)
    for row, other in zip(some.tolist(), np.roll(some, 1).tolist(), strict=True):
        told[row] = titles[other]
    return with_column(release, "title", told)


def _no_brands(release: Release) -> Changes:
    return with_column(release, "brand", [None] * release.catalogue.num_rows)


FAULTS: Final = (
    Fault("blank-titles", FAMILY, 'every title is "?"', ("preflight",), _blank_titles),
    Fault("zero-prices", FAMILY, "every price is 0", ("preflight",), _zero_prices),
    Fault("cents", FAMILY, "prices are in cents", ("preflight",), _cents),
    Fault(
        "shuffled-prices",
        FAMILY,
        "every item has the price of another",
        ("preflight",),
        _shuffled_prices,
    ),
    Fault("no-categories", FAMILY, "no item has a category", ("preflight",), _no_categories),
    Fault(
        "sold-out",
        FAMILY,
        f"{1 - IN_STOCK:.0%} of the items are said to be sold out",
        ("preflight", "duplicate_lists"),
        _sold_out,
    ),
    Fault(
        "one-left",
        FAMILY,
        "one item alone is said to be in stock, so lists have one item",
        ("preflight", "duplicate_lists"),
        _one_left,
    ),
    Fault(
        "back-on-sale",
        FAMILY,
        "all that the shop no longer sells is said to be in stock",
        ("preflight",),
        _back_on_sale,
    ),
    Fault(
        "swapped-categories",
        FAMILY,
        "two categories changed names",
        ("preflight",),
        _swapped_categories,
    ),
    Fault(
        "other-currency",
        FAMILY,
        f"prices of one category are in another currency, {RATE} times as high",
        ("preflight",),
        _other_currency,
    ),
    Fault(
        "inverted-category",
        FAMILY,
        "what one category has in stock is said to be sold out, and the other way round",
        ("preflight",),
        _inverted,
    ),
    Fault("half-catalogue", FAMILY, "every other item is missing", ("preflight",), _half),
    Fault(
        "some-in-another-currency",
        FAMILY,
        f"one price in {ONE_PRICE_IN} is in another currency, {RATE} times as high",
        ("preflight",),
        _some_in_another_currency,
    ),
    Fault(
        "traded-titles",
        FAMILY,
        f"one item in {ONE_TITLE_IN} has traded titles with another",
        ("preflight",),
        _traded_titles,
    ),
    Fault("no-brands", FAMILY, "no item has a brand", ("preflight",), _no_brands),
)
