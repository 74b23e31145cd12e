"""How like a real shop a made-up one is, and how near its people come to real ones."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy import sparse
from scipy.stats import ks_2samp, rankdata

from coterie.data.dataset import Ints
from coterie.schema import EVENT_KINDS
from coterie.synthesis.acquaintance import likeness, mutual, transitivity, unit
from coterie.synthesis.clock import DAY_MS, HOUR_MS, ShopClock
from coterie.synthesis.doings import RATED
from coterie.synthesis.made_up import MadeUpShop
from coterie.synthesis.source import Doubles, SourceShop, had_matrix
from coterie.synthesis.traits import COUNTS, SPAN, Traits, directions, traits_of

_TOP: Final = 200
"""Items whose having-together is compared, the most popular of the real shop."""
_ASKED: Final = 2_000
"""People of each side by whom nearness is measured, at most."""
_NEAR: Final = 5
"""Neighbours that make up somebody's surroundings."""
_TASTES: Final = 16


def as_source(made: MadeUpShop, real: SourceShop) -> SourceShop:
    """Look at a made-up shop as at a real one, over the same items."""
    return replace(
        real,
        num_people=made.num_people,
        events=made.events,
        part=made.part.astype(np.int8),
        ties=made.ties,
        named=float(made.named.mean()) if made.num_people else 1.0,
    )


def compare_shops(real: SourceShop, made: SourceShop, seed: int = 0) -> dict[str, Any]:
    """Compare a made-up shop with the real one; 0 is alike where a distance is told.

    Returns:
        ``columns``: the largest gap between cumulative shares (Kolmogorov and Smirnov), by column;
        ``shares``: total variation of kinds, days, hours, stars, items and categories;
        ``two_way``: mean gap of rank correlations of columns, and of the table of category by kind;
        ``network`` and ``together``: figures of both shops; ``coverage``: share of real people
        with a made-up one nearby, and the same of the real shop's own halves.
    """
    rng = np.random.default_rng(seed)
    clock = ShopClock.of(real.events.ts_ms)
    loadings = directions(real.pairs(), real, _TASTES, seed)
    told = [_traits(one, loadings, clock) for one in (real, made)]
    tables = [np.concatenate([np.log1p(one.counts), one.span], axis=1) for one in told]
    if not real.is_dated:
        tables = [table[:, : len(COUNTS)] for table in tables]
    columns = dict(zip((*COUNTS, *SPAN), np.arange(tables[0].shape[1]), strict=False))
    return {
        "columns": {
            name: float(ks_2samp(tables[0][:, at], tables[1][:, at], method="asymp").statistic)
            for name, at in columns.items()
        },
        "shares": _shares(real, made),
        "two_way": {
            "correlation_gap": _correlation_gap(tables[0], tables[1]),
            "category_by_kind": variation(_by_kind(real), _by_kind(made)),
        },
        "network": [network_figures(s, t) for s, t in zip((real, made), told, strict=True)],
        "together": _together(real, made),
        "coverage": _coverage(told[0].taste, told[1].taste, rng),
    }


def _traits(shop: SourceShop, loadings: Doubles, clock: ShopClock) -> Traits:
    return traits_of(shop, shop.pairs(), loadings, clock, shop.num_people + 1)


def variation(one: "Doubles | Ints", other: "Doubles | Ints") -> float:
    """Compute the total variation of two tables of counts: 0 alike, 1 nothing in common."""
    a, b = (np.asarray(x, np.float64) / max(float(np.sum(x)), 1e-12) for x in (one, other))
    return float(np.abs(a - b).sum() / 2)


def _shares(real: SourceShop, made: SourceShop) -> dict[str, float]:
    begin = int(min(real.events.ts_ms.min(), made.events.ts_ms.min())) // DAY_MS
    days = int(max(real.events.ts_ms.max(), made.events.ts_ms.max())) // DAY_MS - begin + 1
    counts = []
    for shop in (real, made):
        events = shop.events
        stars = events.value[np.isin(events.kind, RATED) & (events.value > 0)]
        counts.append(
            {
                "kinds": np.bincount(events.kind, minlength=len(EVENT_KINDS)),
                "days": np.bincount(events.ts_ms // DAY_MS - begin, minlength=days),
                "hours": np.bincount(events.ts_ms % DAY_MS // HOUR_MS, minlength=24),
                "stars": np.bincount(
                    np.clip(np.rint(2 * stars), 1, 10).astype(np.int64), minlength=11
                ),
                "items": np.bincount(events.item_idx, minlength=shop.num_items),
                "categories": np.bincount(
                    shop.group[events.item_idx], minlength=int(real.group.max()) + 1
                ),
            }
        )
    kept = [name for name in counts[0] if real.is_dated or name not in ("days", "hours")]
    return {name: variation(counts[0][name], counts[1][name]) for name in kept}


def _by_kind(shop: SourceShop) -> Ints:
    key = shop.group[shop.events.item_idx] * len(EVENT_KINDS) + shop.events.kind
    return np.bincount(key, minlength=(int(shop.group.max()) + 1) * len(EVENT_KINDS))


def _correlation_gap(one: Doubles, other: Doubles) -> float:
    gaps = [_ranked(table) for table in (one, other)]
    above = np.triu_indices(len(gaps[0]), 1)
    return float(np.abs(gaps[0] - gaps[1])[above].mean())


def _ranked(table: Doubles) -> Doubles:
    ranks = np.apply_along_axis(rankdata, 0, table)
    ranks -= ranks.mean(axis=0)
    ranks /= np.maximum(np.sqrt((ranks**2).sum(axis=0)), 1e-12)
    found: Doubles = ranks.T @ ranks
    return found


def network_figures(shop: SourceShop, traits: Traits) -> dict[str, float]:
    """Count ties, triangles, returned ties, and how much more alike tied people are."""
    ties, n = shop.ties, shop.num_people
    taste = unit(traits.taste)
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, n, (2, 20_000))
    return {
        "people": n,
        "ties": len(ties),
        "degree": len(ties) / n,
        "returned": float(mutual(ties, n).mean()) if len(ties) else 0.0,
        "transitivity": transitivity(ties.src_idx, ties.dst_idx, n),
        "likeness_of_ties": likeness(taste, ties.src_idx, ties.dst_idx),
        "likeness_of_strangers": likeness(taste, one, other),
        "common_items": _common_items(shop),
    }


def _common_items(shop: SourceShop) -> float:
    """Count the wanted items that tied people have in common, in the mean."""
    if not len(shop.ties):
        return 0.0
    had = had_matrix(shop)
    both = had[shop.ties.src_idx].multiply(had[shop.ties.dst_idx])
    return float(both.sum() / len(shop.ties))


def _together(real: SourceShop, made: SourceShop) -> dict[str, float]:
    """Compare how often items are had by the same people, beyond what popularity gives."""
    had = [had_matrix(shop) for shop in (real, made)]
    top = np.argsort(-np.asarray(had[0].sum(axis=0)).ravel(), kind="stable")[:_TOP]
    found = []
    for one in had:
        some = one[:, top]
        count = np.asarray(some.sum(axis=0)).ravel()
        both = np.asarray((some.T @ some).todense())
        expected = np.outer(count, count) / max(one.shape[0], 1)
        lift = (both - expected) / np.sqrt(expected + 1.0)
        found.append(lift[np.triu_indices(len(top), 1)])
    alike = np.corrcoef(found[0], found[1])[0, 1] if min(one.std() for one in found) > 0 else 0.0
    return {
        "correlation": float(alike),
        "spread": float(found[1].std() / max(found[0].std(), 1e-12)),
    }


def _coverage(real: Doubles, made: Doubles, rng: np.random.Generator) -> dict[str, float]:
    """Measure mode collapse: which real people have a made-up one among their surroundings.

    Coverage of Naeem et al. (2020, arXiv:2002.09797); a real half covers the other as ``expected``.
    """
    real = real[rng.permutation(len(real))[: 2 * _ASKED]]
    half = len(real) // 2
    made = made[rng.permutation(len(made))[:half]]
    first, second = real[:half], real[half : 2 * half]
    radius = np.sort(_squared(first, first), axis=1)[:, min(_NEAR, half - 1)]
    nearest = [_squared(first, one).min(axis=1) for one in (made, second)]
    found, expected = (float((one <= radius).mean()) for one in nearest)
    return {"covered": found, "expected": expected}


def _squared(one: Doubles, other: Doubles) -> Doubles:
    found: Doubles = (
        (one**2).sum(axis=1)[:, None] - 2 * one @ other.T + (other**2).sum(axis=1)[None, :]
    )
    return found


def nearest_people(
    made: "sparse.csr_matrix[np.float64]", real: "sparse.csr_matrix[np.float64]"
) -> tuple[Doubles, Doubles]:
    """Compute each made-up person's cosine distance to the nearest and second nearest real one.

    Args:
        made: Who wanted what, (made-up people, items).
        real: The same of at least two real people.
    """
    first, second = np.ones(made.shape[0]), np.ones(made.shape[0])
    scaled, others = _unit_rows(made), _unit_rows(real).T.tocsr()
    for at in range(0, made.shape[0], 500):
        near = 1.0 - np.asarray((scaled[at : at + 500] @ others).todense())
        best = np.partition(near, 1, axis=1)[:, :2]
        first[at : at + 500], second[at : at + 500] = np.maximum(best, 0.0).T
    return first, second


def _unit_rows(had: "sparse.csr_matrix[np.float64]") -> "sparse.csr_matrix[np.float64]":
    length = np.sqrt(np.asarray(had.multiply(had).sum(axis=1)).ravel())
    return sparse.csr_matrix(had.multiply(1 / np.maximum(length, 1e-12)[:, None]))


def nearness(real: SourceShop, made: SourceShop, seed: int = 0) -> Mapping[str, float]:
    """Measure how near made-up people come to real ones, beside how near real ones are.

    Returns:
        ``copies``: share of made-up people with three items or more who have just what a real
        person has; ``nearest`` and ``ratio``: median distance to the nearest real person, and of
        that to the distance of the second nearest; ``nearest_real`` and ``ratio_real``: the same
        between two halves of the real people.
    """
    rng = np.random.default_rng(seed)
    had, drawn = had_matrix(real), had_matrix(made)
    had = had[np.diff(had.indptr) >= 3]
    drawn = drawn[np.diff(drawn.indptr) >= 3]
    if min(had.shape[0], drawn.shape[0]) < 6:
        return {}
    order = rng.permutation(had.shape[0])[: 2 * _ASKED]
    half = len(order) // 2
    one, other = had[order[:half]], had[order[half:]]
    some = drawn[rng.permutation(drawn.shape[0])[:half]]
    near, next_ = nearest_people(some, other)
    theirs, next_theirs = nearest_people(one, other)
    every, _ = nearest_people(some, had)
    return {
        "copies": float((every < 1e-9).mean()),
        "nearest": float(np.median(near)),
        "nearest_real": float(np.median(theirs)),
        "ratio": float(np.median(near / np.maximum(next_, 1e-12))),
        "ratio_real": float(np.median(theirs / np.maximum(next_theirs, 1e-12))),
    }
