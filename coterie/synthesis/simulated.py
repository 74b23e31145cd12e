"""The simulator of ``coterie.data.simulate`` as a rival: fitted by moments, over the real items.

Sizes, items a person, ties a person, communities and what items tied people have in common are as
in the real shop. Which item is which nobody told it: the most wanted stands for the most wanted.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Ints, Ties
from coterie.data.simulate import ShopConfig, simulate
from coterie.schema import TARGET_KINDS
from coterie.synthesis.acquaintance import Acquaintances
from coterie.synthesis.clock import ShopClock
from coterie.synthesis.doings import Doings
from coterie.synthesis.made_up import MadeUpShop
from coterie.synthesis.source import Doubles, SourceShop, had_matrix
from coterie.synthesis.traits import Traits

_INFLUENCES: Final = (0.05, 0.3, 0.6)
"""Shares of purchases out of friends' influence that are tried."""
_ROUNDS: Final = 2
_LARGEST: Final = 3_000_000
"""Events that are simulated, at most."""


@dataclass(frozen=True, slots=True)
class SimulatedPeople:
    """What one run of the simulator says: who had what, and who knows whom."""

    wanted: tuple[Ints, Ints]
    beside: tuple[Ints, Ints]
    pairs: tuple[Ints, Ints]

    def common(self, num_people: int, num_items: int) -> float:
        """Count the wanted items that acquaintances have in common, in the mean."""
        key = np.unique(self.wanted[0] * num_items + self.wanted[1])
        one, other = self.pairs
        rows = np.bincount(self.wanted[0], minlength=num_people)
        theirs = self.wanted[1][np.argsort(self.wanted[0], kind="stable")]
        begins = np.cumsum(rows) - rows
        pair = np.repeat(np.arange(len(one)), rows[one])
        place = np.arange(len(pair)) - np.repeat(np.cumsum(rows[one]) - rows[one], rows[one])
        item = theirs[begins[one[pair]] + place]
        return float(np.isin(other[pair] * num_items + item, key).sum() / max(len(one), 1))


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """A ``ShopModel`` whose people the simulator draws."""

    num_people: int
    config: ShopConfig
    by_rank: Ints
    """Real items, the most wanted first."""
    has_beside: bool
    acquaintances: Acquaintances
    doings: Doings
    clock: ShopClock | None
    price: Doubles
    named: float

    def draw(self, num_people: int, rng: np.random.Generator) -> MadeUpShop:
        """Simulate a shop of so many people, and do with its items what is done in the real one."""
        whole = max(2, num_people)
        events = round(self.config.num_events * whole / self.config.num_users)
        config = replace(
            self.config,
            num_users=whole,
            num_events=min(max(events, 1), _LARGEST),
            seed=int(rng.integers(2**31)),
        )
        run = _run(config)
        ties = self.acquaintances.dress(*run.pairs, rng) if len(run.pairs[0]) else Ties.none()
        parts = [run.wanted, run.beside] if self.has_beside else [run.wanted]
        person, item = (np.concatenate(one) for one in zip(*parts, strict=True))
        wanted = np.arange(len(person)) < len(run.wanted[0])
        rank = np.argsort(np.argsort(-np.bincount(item, minlength=len(self.by_rank))))
        traits = Traits(
            np.zeros((whole, 1)),
            np.zeros((whole, 4)),
            np.sort(rng.random((whole, 2)), axis=1),
            np.zeros(whole, np.int64),
        )
        pairs = person, self.by_rank[rank[item]], wanted
        events_, part = self.doings.draw(pairs, traits, ties, self.price, self.clock, rng)
        return MadeUpShop(whole, events_, part, ties, rng.random(whole) < self.named)


def fit_simulator(
    source: SourceShop,
    communities: int,
    acquaintances: Acquaintances,
    doings: Doings,
    clock: ShopClock | None,
) -> SimulatedModel:
    """Find the simulator's settings by which its moments are the shop's."""
    n, m = source.num_people, source.num_items
    pairs = source.pairs()
    known = len(source.ties) / max(n, 1)
    aim = max(int(pairs.wanted.sum()), 1)
    config = ShopConfig(
        num_users=max(n, 2),
        num_items=m,
        num_events=min(max(4 * aim, 100), _LARGEST),
        days=90 if clock is None else max(7, min(len(clock.days), 120)),
        num_friends=max(known, 0.1),
        num_communities=max(2, communities),
        unused=0.0,
    )
    had = had_matrix(source)
    common = had[source.ties.src_idx].multiply(had[source.ties.dst_idx]).sum()
    shared = float(common) / max(len(source.ties), 1)
    config = _scaled(config, aim)
    tried = {one: _run(replace(config, influence=one)).common(n, m) for one in _INFLUENCES}
    influence = min(tried, key=lambda one: abs(tried[one] - shared))
    return SimulatedModel(
        num_people=n,
        config=_scaled(replace(config, influence=influence), aim),
        by_rank=np.argsort(-np.asarray(had.sum(axis=0)).ravel(), kind="stable").astype(np.int64),
        has_beside=not bool(pairs.wanted.all()),
        acquaintances=acquaintances,
        doings=doings,
        clock=clock,
        price=source.price,
        named=source.named,
    )


def _scaled(config: ShopConfig, aim: int) -> ShopConfig:
    """Scale events until as many pairs are wanted."""
    for _ in range(_ROUNDS):
        found = max(len(_run(config).wanted[0]), 1)
        events = min(max(round(config.num_events * aim / found), 100), _LARGEST)
        config = replace(config, num_events=events)
    return config


def _run(config: ShopConfig) -> SimulatedPeople:
    shop = simulate(config)
    users, items = shop.users["user_id"], shop.items["item_id"]
    person, item = _rows(shop.events["user_id"], users), _rows(shop.events["item_id"], items)
    key = person * config.num_items + item
    target = pc.is_in(shop.events["event"], pa.array([str(kind) for kind in TARGET_KINDS]))
    wanted = np.unique(key[np.asarray(target.to_numpy(), np.bool_)])
    beside = np.setdiff1d(key, wanted)
    src, dst = (_rows(shop.ties[name], users) for name in ("src_user_id", "dst_user_id"))
    low, first = np.unique(
        np.minimum(src, dst) * config.num_users + np.maximum(src, dst), return_index=True
    )
    return SimulatedPeople(
        wanted=(wanted // config.num_items, wanted % config.num_items),
        beside=(beside // config.num_items, beside % config.num_items),
        pairs=(src[first], dst[first]) if len(low) else (low, low),
    )


def _rows(names: pa.ChunkedArray, of: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.index_in(names, of.combine_chunks()).to_numpy(), np.int64)
