"""From pairs of people and items to events: what was done, when, and who told of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from coterie.data.dataset import Interactions, Ints, Ties
from coterie.data.ragged import Ragged
from coterie.schema import EVENT_KINDS, PARTS, EventKind
from coterie.synthesis.clock import DAY_MS, ShopClock
from coterie.synthesis.source import Bools, Doubles, HadPairs, SourceShop
from coterie.synthesis.traits import Traits

KINDS: Final = len(EVENT_KINDS)
STARS: Final = np.arange(1, 11) / 2
_LATER: Final = np.array([kind is EventKind.RETURN for kind in EVENT_KINDS])
_STEP_MS: Final = 40_000
"""From one thing that is done with an item to the next, about."""
_RARE: Final = 10
"""Ways to deal with an item that fewer people have are left out."""


@dataclass(frozen=True, slots=True)
class Doings:
    """What people do with an item that they have to do with."""

    ways: Doubles
    """Share of each set of kinds (bits) among pairs beside, and among wanted ones, shape
    (2, 2 ** kinds)."""
    repeats: Doubles
    """Events of a kind where there is one, shape (kinds,)."""
    stars: Doubles
    """Share of each half star among ratings and reviews, shape (10,)."""
    rated: Doubles
    """Share of events of a kind that have stars, shape (kinds,)."""
    priced: Doubles
    """Share of events of a kind whose value is a price, shape (kinds,)."""
    told: Doubles
    """Share of events of a kind that somebody told of, shape (kinds,)."""
    a_visit: float
    """Items of a person on one day."""
    return_days: float
    """Days until something is sent back, in the mean."""
    item_at: Doubles
    """Mean position in the shop's time of each item's events, and its deviation, (items, 2)."""
    parts: Doubles
    """Share of wanted pairs in each part of a bundled split; empty: there is none."""

    def draw(
        self,
        pairs: tuple[Ints, Ints, Bools],
        traits: Traits,
        ties: Ties,
        price: Doubles,
        clock: ShopClock | None,
        rng: np.random.Generator,
    ) -> tuple[Interactions, Ints]:
        """Draw the events of pairs, ordered by time, and the part of each; -1: none."""
        person, item, wanted = pairs
        start = np.zeros(len(person)) if clock is None else self._starts(pairs, traits, clock, rng)
        ways = np.empty(len(person), np.int64)
        for is_wanted in (False, True):
            rows = wanted == is_wanted
            ways[rows] = rng.choice(len(self.ways[0]), rows.sum(), p=self.ways[int(is_wanted)])
        row, kind = np.nonzero((ways[:, None] >> np.arange(KINDS)) & 1)
        again = 1 + rng.poisson(np.maximum(self.repeats[kind] - 1, 0.0))
        row, kind = np.repeat(row, again), np.repeat(kind, again)
        value = self._values(kind, price[item[row]], rng)
        ts = np.full(len(row), _undated()) if clock is None else start[row].astype(np.int64)
        if clock is not None:
            ts += _STEP_MS * Ragged.of_rows(row, len(person)).position
            wait = rng.exponential(max(self.return_days, 0.1), len(row)) * DAY_MS
            ts = np.where(_LATER[kind], ts + wait.astype(np.int64), ts)
            ts = np.minimum(ts, clock.begin_ms + len(clock.days) * DAY_MS - 1)
        referrer = self._tellers(person[row], kind, ties, len(traits.group), rng)
        part = np.full(len(row), -1)
        if len(self.parts):
            part = rng.choice(len(PARTS), len(person), p=self.parts)[row]
        order = np.argsort(ts, kind="stable")
        events = Interactions(
            person[row], item[row], kind.astype(np.int8), value.astype(np.float32), ts, referrer
        )
        return events.take(order), part[order]

    def _starts(
        self,
        pairs: tuple[Ints, Ints, Bools],
        traits: Traits,
        clock: ShopClock,
        rng: np.random.Generator,
    ) -> Doubles:
        """Draw when each person has to do with each item: visits, and in them what is new then."""
        person, item, _ = pairs
        n = len(traits.group)
        count = np.bincount(person, minlength=n)
        visits = Ragged.of(np.maximum(np.rint(count / self.a_visit), np.minimum(count, 1)))
        first, last = traits.span[visits.row, 0], traits.span[visits.row, 1]
        position = first + rng.random(len(first)) * (last - first)
        when = clock.times(position, rng)
        drawn = (rng.random(len(person)) * visits.counts[person]).astype(np.int64)
        visit = visits.offsets[person] + drawn
        theirs = np.lexsort((when[visit], person))
        mean, deviation = self.item_at[item].T
        key = mean + deviation * rng.standard_normal(len(item))
        items = np.lexsort((key, person))
        start = np.empty(len(person))
        # The person's earliest times go to the items that were there the earliest.
        start[items] = when[visit[theirs]] + rng.integers(0, 20 * _STEP_MS, len(person))
        return start

    def _values(self, kind: Ints, price: Doubles, rng: np.random.Generator) -> Doubles:
        stars = rng.choice(STARS, len(kind), p=self.stars)
        draw = rng.random(len(kind))
        value = np.where(draw < self.priced[kind], price, np.nan)
        return np.where(draw < self.rated[kind], stars, value)

    def _tellers(
        self, person: Ints, kind: Ints, ties: Ties, n: int, rng: np.random.Generator
    ) -> Ints:
        """Draw who told of it, among the people whom they follow; -1: nobody."""
        rows = Ragged.of_rows(ties.src_idx, n)
        num = rows.counts[person]
        told = (rng.random(len(person)) < self.told[kind]) & (num > 0)
        place = rows.offsets[person] + (rng.random(len(person)) * num).astype(np.int64)
        followee = ties.dst_idx[np.minimum(place, len(ties) - 1)] if len(ties) else person
        return np.where(told, followee, -1)


def learn_doings(source: SourceShop, pairs: HadPairs, clock: ShopClock | None) -> Doings:
    """Count what people do."""
    events, kind = source.events, source.events.kind.astype(np.int64)
    ways = np.zeros((2, 1 << KINDS))
    for at, rows in enumerate((~pairs.wanted, pairs.wanted)):
        ways[at] = np.bincount(pairs.kinds[rows], minlength=1 << KINDS)
    single = np.unique(pairs.kinds * source.num_people + pairs.person) // source.num_people
    ways[:, np.bincount(single, minlength=1 << KINDS) < _RARE] = 0.0
    of_kind = np.bincount(kind, minlength=KINDS)
    has = np.array([((pairs.kinds >> at) & 1).sum() for at in range(KINDS)])
    is_rated = np.isin(kind, RATED) & (events.value > 0)
    is_priced = np.isfinite(events.value) & ~np.isin(kind, RATED)
    half = np.clip(np.rint(2 * events.value[is_rated]).astype(np.int64), 1, 10) - 1
    return Doings(
        ways=shares(ways, axis=1),
        repeats=np.maximum(of_kind / np.maximum(has, 1), 1.0),
        stars=shares(np.bincount(half, minlength=10)),
        rated=_share_of(kind, is_rated),
        priced=_share_of(kind, is_priced),
        told=_share_of(kind, events.referrer_idx >= 0),
        a_visit=1.0 if clock is None else _a_visit(source, pairs),
        return_days=_return_days(source, pairs),
        item_at=_item_times(source, clock),
        parts=_parts(source),
    )


RATED: Final = np.array(
    [at for at, kind in enumerate(EVENT_KINDS) if kind in (EventKind.RATING, EventKind.REVIEW)]
)


def shares(counts: "Doubles | Ints", axis: int = 0) -> Doubles:
    """Scale counts to sum to 1 along an axis; where there are none, the first stands for all."""
    whole = np.asarray(counts, np.float64).copy()
    first = whole.T[0] if axis else whole
    if axis:
        first[whole.sum(axis=1) <= 0] = 1.0
    elif whole.sum() <= 0:
        first[0] = 1.0
    found: Doubles = whole / whole.sum(axis=axis, keepdims=True)
    return found


def _share_of(kind: Ints, is_so: Bools) -> Doubles:
    found: Doubles = np.bincount(kind[is_so], minlength=KINDS) / np.maximum(
        np.bincount(kind, minlength=KINDS), 1
    )
    return found


def _a_visit(source: SourceShop, pairs: HadPairs) -> float:
    """Count a person's items of a day, by the day on which each pair begins."""
    first = np.full(len(pairs.person), np.iinfo(np.int64).max)
    np.minimum.at(first, pairs.of_event, source.events.ts_ms)
    visits = len(np.unique(pairs.person * 100_000 + first // DAY_MS))
    return len(first) / max(visits, 1)


def _return_days(source: SourceShop, pairs: HadPairs) -> float:
    ts = source.events.ts_ms
    first = np.full(len(pairs.person), np.iinfo(np.int64).max)
    np.minimum.at(first, pairs.of_event, ts)
    late = _LATER[source.events.kind.astype(np.int64)]
    waits = (ts - first[pairs.of_event])[late] / DAY_MS
    return float(waits.mean()) if len(waits) else 1.0


def _item_times(source: SourceShop, clock: ShopClock | None) -> Doubles:
    """Find when items are looked at, drawn towards all of the time where there are few events."""
    plain = np.tile([0.5, 0.2887], (source.num_items, 1))
    if clock is None:
        return plain
    at, item = clock.position(source.events.ts_ms), source.events.item_idx
    count = np.bincount(item, minlength=source.num_items)[:, None] + 3.0
    first = np.bincount(item, at, source.num_items)
    second = np.bincount(item, at**2, source.num_items)
    moments = (np.stack([first, second], axis=1) + 3.0 * np.array([0.5, 1 / 3])) / count
    deviation = np.sqrt(np.maximum(moments[:, 1] - moments[:, 0] ** 2, 1e-4))
    return np.stack([moments[:, 0], deviation], axis=1)


def _parts(source: SourceShop) -> Doubles:
    if not (source.part >= 0).any():
        return np.zeros(0)
    return shares(np.bincount(source.part[source.part >= 0], minlength=len(PARTS)))


def _undated() -> int:
    from coterie.data.splits import UNDATED_MS

    return UNDATED_MS
