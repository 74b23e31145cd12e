"""A shop learned within a bound: all that is known of people are five sums with noise.

Whatever is made of these tells nothing more of any one person. Tastes are told by categories of the
catalogue, since directions would take a sum of all pairs of items; people go together as a Gaussian
copula says; communities, triangles and what friends take from one another are not learned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from coterie.data.polarity import is_target
from coterie.privacy.accounting import Budget, accountant_name, spent
from coterie.privacy.noise import Noise
from coterie.synthesis.acquaintance import Acquaintances, fit_alike
from coterie.synthesis.baskets import Baskets
from coterie.synthesis.clock import DAY_MS, ShopClock
from coterie.synthesis.doings import KINDS, Doings, shares
from coterie.synthesis.noisy_sums import (
    COUNT_EDGES,
    DOING_LENGTH,
    SHARES,
    SPAN_EDGES,
    SUMS,
    TASTE_EDGES,
    UNDIRECTED,
    WAYS,
    NoisyEyes,
    noisy_scores,
)
from coterie.synthesis.samplers import GaussianCopula, root_of
from coterie.synthesis.settings import SynthesisSettings
from coterie.synthesis.shop import LearnedShop
from coterie.synthesis.source import Bools, Doubles, SourceShop
from coterie.synthesis.traits import (
    COLUMN_KNOTS,
    ColumnQuantiles,
    Traits,
    category_directions,
    traits_in,
)

UNIT: Final = "all events of one person, and the ties that they have themselves"
LEAVES_OUT: Final = (
    "ties that others say they have to a person",
    "the first and the last day of the log, and whether events are dated",
    "which people and items there are kinds of: the catalogue is real",
    "settings, where somebody chose them by looking at the data",
    "made-up shops before and after: each spends its own epsilon, and they add up",
)
_LEFT_OPEN: Final = 0.3
"""Share of pairs that meet through a friend, of which nothing is learned."""
_RETURN_DAYS: Final = 7.0
_ITEM_AT: Final = (0.5, 0.2887)
_SURE: Final = 3.0
"""Deviations of noise under which a way to deal with an item is none."""
_KINDS: Final = np.arange(KINDS, dtype=np.int8)
_DRAWN: Final = 2_000
"""Made-up people by whom the rest is fitted."""


@dataclass(frozen=True, slots=True)
class BoundedSynthesis:
    """A shop to draw from, and what is promised of it."""

    shop: LearnedShop
    promise: dict[str, Any] | None
    """None where noise can be drawn again."""


def learn_bounded(
    source: SourceShop, settings: SynthesisSettings, told: Callable[[str], None]
) -> BoundedSynthesis:
    """Look at people five times, and make the rest of what was seen.

    Raises:
        BadInputError: The bound is none, or there is no accountant.
    """
    assert settings.epsilon is not None
    budget = Budget(settings.epsilon, settings.delta)
    budget.check_people(source.num_people)
    multipliers = dict(zip(SUMS, budget.multipliers(SHARES), strict=True))
    eyes = NoisyEyes(Noise.of(settings.noise_seed), multipliers)
    rng = np.random.default_rng(settings.seed)
    told("tastes")
    pairs = source.pairs()
    wanted, beside = eyes.items(pairs, source.num_people, source.num_items)
    loadings = category_directions(source.group, wanted + beside)
    told("baskets")
    whole, other = _or_even(wanted), _or_even(beside if beside.sum() else wanted)
    baskets = Baskets(loadings, whole / whole.sum(), other / other.sum())
    told("ties")
    doings, clock, named = _doings(source, eyes)
    told("people")
    traits = traits_in(source, pairs, loadings, clock or _NO_CLOCK)
    edges = [TASTE_EDGES] * loadings.shape[1] + [COUNT_EDGES] * 3 + [SPAN_EDGES] * 2
    # Whoever is there in others' ties alone has no rows of their own, and counts nowhere.
    theirs = own_rows(source)
    table = np.delete(traits.table, loadings.shape[1] + 3, axis=1)[theirs]
    bins = [np.maximum(one, 0.0) for one in eyes.columns(table, edges)]
    bins = [np.where(one > eyes.deviation(edges), one, 0.0) for one in bins]
    root = _root(eyes.together(noisy_scores(table, edges, bins)), loadings.shape[1])
    columns = _quantiles(edges, bins, loadings.shape[1])
    num_people = max(2, round(float(np.median([one.sum() for one in bins]))))
    sampler = GaussianCopula(np.zeros((1, len(root))), root)
    some = np.zeros(min(num_people, _DRAWN), np.int64)
    drawn = Traits.from_table(columns.values(sampler.draw(some, rng)), some)
    shop = LearnedShop(
        num_people=num_people,
        groups=np.ones(1),
        columns=columns,
        sampler=sampler,
        baskets=baskets,
        acquaintances=_acquaintances(eyes.ties(source.ties, _unit(traits.taste)), drawn, rng),
        doings=doings,
        clock=clock,
        price=source.price,
        named=named,
    )
    return BoundedSynthesis(shop, _promise(settings, multipliers))


_NO_CLOCK: Final = ShopClock.of_counts(0, np.ones(1), np.ones(24))


def _promise(settings: SynthesisSettings, multipliers: dict[str, float]) -> dict[str, Any] | None:
    if settings.noise_seed is not None:
        return None
    return {
        "epsilon": spent(list(multipliers.values()), settings.delta),
        "delta": settings.delta,
        "accountant": accountant_name(),
        "unit": UNIT,
        "noise": multipliers,
        "covers": ["events", "ties", "users"],
        "leaves_out": list(LEAVES_OUT),
    }


def own_rows(source: SourceShop) -> Bools:
    """Tell who has events or ties of their own, shape (people,)."""
    found = np.zeros(source.num_people, np.bool_)
    found[source.events.user_idx] = True
    found[source.ties.src_idx] = True
    return found


def _or_even(count: Doubles) -> Doubles:
    return count if count.sum() > 0 else np.ones_like(count)


def _unit(taste: Doubles) -> Doubles:
    found: Doubles = taste / np.maximum(np.sqrt((taste**2).sum(axis=1, keepdims=True)), 1e-12)
    return found


def _doings(source: SourceShop, eyes: NoisyEyes) -> tuple[Doings, ShopClock | None, float]:
    """Read the sum of what people do, as ``noisy_sums.doing_rows`` lays it out."""
    dated = source.is_dated
    ts = source.events.ts_ms
    begin = int(ts.min()) // DAY_MS * DAY_MS if dated else 0
    days = int(ts.max() - begin) // DAY_MS + 1 if dated else 1
    seen = eyes.doings(source, source.pairs(), begin, days)
    seen = np.maximum(seen, 0.0)
    sure = _SURE * eyes.multipliers["doings"] * DOING_LENGTH
    ends = np.cumsum([WAYS, *[KINDS] * 5, 10, 24, days, 1, 1])
    ways, events, has, rated, priced, told, stars, hours, day, items, visits = (
        seen[a:b] for a, b in zip(np.concatenate([[0], ends]), ends, strict=False)
    )
    ways = np.where(ways > sure, ways, 0.0).reshape(2, 1 << KINDS)
    ways[:, 0] = 0.0
    empty = ways.sum(axis=1) <= 0
    # Nothing is sure: the commonest of the kinds that there may be.
    commonest = [
        int(np.argmax(np.where(is_target(_KINDS) == wanted, events, -1.0)))
        for wanted in (False, True)
    ]
    ways[empty, 1 << np.array(commonest)[empty]] = 1.0
    of_kind = np.maximum(events, 1e-9)
    clock = ShopClock.of_counts(begin, np.where(day > sure / 3, day, 0.0), hours)
    doings = Doings(
        ways=shares(ways, axis=1),
        repeats=np.clip(np.where(has > sure, of_kind / np.maximum(has, 1e-9), 1.0), 1.0, 50.0),
        stars=shares(stars),
        rated=np.where(events > sure, np.clip(rated / of_kind, 0.0, 1.0), 0.0),
        priced=np.where(events > sure, np.clip(priced / of_kind, 0.0, 1.0), 0.0),
        told=np.where(events > sure, np.clip(told / of_kind, 0.0, 1.0), 0.0),
        a_visit=float(np.clip(items[0] / max(visits[0], 1e-9), 1.0, 100.0)) if dated else 1.0,
        return_days=_RETURN_DAYS,
        item_at=np.tile(_ITEM_AT, (source.num_items, 1)),
        parts=np.zeros(0),
    )
    return doings, clock if dated else None, 1.0


def _root(sums: Doubles, tastes: int) -> Doubles:
    """Make a square root of correlations; who is followed goes with whom one follows."""
    length = np.sqrt(np.maximum(np.diag(sums), 1e-9))
    root = root_of(sums / np.outer(length, length))
    root /= np.maximum(np.sqrt((root**2).sum(axis=1, keepdims=True)), 1e-9)
    rows = np.insert(np.arange(len(root)), tastes + 3, tastes + 2)
    found = np.zeros((len(rows), len(rows)))
    found[:, : len(root)] = root[rows]
    return found


def _quantiles(edges: list[Doubles], bins: list[Doubles], tastes: int) -> ColumnQuantiles:
    found = []
    for borders, seen in zip(edges, bins, strict=True):
        share = np.concatenate([[0.0], np.cumsum(seen + 1e-9)])
        found.append(np.interp(COLUMN_KNOTS, share / share[-1], np.clip(borders, -1.0, None)))
    return ColumnQuantiles(np.stack([*found[: tastes + 3], *found[tastes + 2 :]], axis=1))


def _acquaintances(sums: Doubles, drawn: Traits, rng: np.random.Generator) -> Acquaintances:
    kinds, returned, alike = np.maximum(sums[:-2], 0.0), max(sums[-2], 0.0), sums[-1]
    rows = max(float(kinds.sum()), 1.0)
    back = min(returned / max(rows - float(kinds[UNDIRECTED].sum()), 1.0), 1.0)
    # Of p pairs with r returned there are p + r ties, of which 2 r are.
    both = np.full(len(kinds), back / max(2 - back, 1.0))
    both[UNDIRECTED] = 1.0
    model = Acquaintances(
        between=np.ones((1, 1)),
        kinds=shares(kinds / (1 + both)),
        returned=both,
        closing=_LEFT_OPEN,
    )
    aim = float(np.clip(alike / rows, 0.0, 1.0))
    return fit_alike(model, aim, drawn, rng)
