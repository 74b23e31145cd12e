"""Fake accounts put into a shop's data, as rows behind all others."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.data.circle import Circle
from coterie.data.dataset import Interactions, Ints, Ties, TrainingSet
from coterie.data.polarity import liked
from coterie.data.ragged import Ragged
from coterie.errors import BadInputError

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class FakeTies:
    """Whom fake accounts befriend."""

    shoppers: int = 0
    """Shoppers that each account follows, drawn at random."""
    accepted: float = 1.0
    """Share of them who follow it in turn; without that no list draws on it."""
    ring: int = 0
    """Other fake accounts that each is a friend of, so that it looks at home."""


@dataclass(frozen=True, slots=True)
class FakeTimes:
    """When fake accounts act."""

    days: float | None = 7.0
    """Within so many days before the newest event; None: at times at which shoppers did."""


def add_fakes(
    data: TrainingSet,
    profiles: list[Ints],
    ties: FakeTies = FakeTies(),
    times: FakeTimes = FakeTimes(),
    rng: np.random.Generator | None = None,
) -> tuple[TrainingSet, Ints]:
    """Add accounts with the given items to a training set.

    Args:
        data: The shop as it is; not changed.
        profiles: Items of each account; those after the first are of kinds that shoppers' are, the
            first is had for certain.
        ties: Whom they befriend.
        times: When they act.
        rng: Of all draws.

    Returns:
        The shop with them, and their rows, shape (accounts,).

    Raises:
        BadInputError: The shop has no event to look like.
    """
    rng = rng or np.random.default_rng(0)
    rows = np.arange(data.num_users, data.num_users + len(profiles), dtype=np.int64)
    events = _events(data.interactions, profiles, rows, times, rng)
    made = _ties(data.num_users, rows, ties, rng)
    joined = Ties(
        *(
            np.concatenate([getattr(data.ties, name), getattr(made, name)])
            for name in ("src_idx", "dst_idx", "kind", "weight", "since_ms")
        )
    )
    circle = data.circle and Circle(
        data.circle.rule, np.concatenate([data.circle.may_be_named, np.ones(len(rows), np.bool_)])
    )
    return replace(
        data,
        interactions=Interactions.concat(data.interactions, events),
        ties=joined,
        num_users=data.num_users + len(rows),
        circle=circle,
    ), rows


def without_accounts(data: TrainingSet, rows: Ints) -> TrainingSet:
    """Let nothing draw on some accounts: as for people who may not be used, their events and ties
    to them are left out, and their rows stay."""
    out = np.zeros(data.num_users, np.bool_)
    out[rows] = True
    events = data.interactions
    told = np.where((events.referrer_idx >= 0) & out[events.referrer_idx], -1, events.referrer_idx)
    return replace(
        data,
        interactions=replace(events, referrer_idx=told).take(~out[events.user_idx]),
        ties=data.ties.take(~out[data.ties.dst_idx]),
    )


def _events(
    real: Interactions,
    profiles: list[Ints],
    rows: Ints,
    times: FakeTimes,
    rng: np.random.Generator,
) -> Interactions:
    had = np.flatnonzero(liked(real))
    if not len(had):
        raise BadInputError("no event is of a kind to learn from: fakes have none to look like")
    bags = Ragged.of(np.array([len(one) for one in profiles], np.int64))
    like = rng.choice(had, len(bags.row))
    if times.days is None:
        ts = real.ts_ms[like]
    else:
        newest = int(real.ts_ms.max())
        ts = newest - rng.integers(0, max(1, int(times.days * DAY_MS)), len(like))
    made = Interactions(
        user_idx=rows[bags.row],
        item_idx=np.concatenate(profiles) if profiles else np.zeros(0, np.int64),
        kind=real.kind[like],
        value=real.value[like],
        ts_ms=ts.astype(np.int64),
        referrer_idx=np.full(len(like), -1, np.int64),
    )
    return made.take(np.argsort(made.ts_ms, kind="stable"))


def _ties(num_users: int, rows: Ints, asked: FakeTies, rng: np.random.Generator) -> Ties:
    src: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    dst: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for row in rows if num_users else ():
        met = rng.choice(num_users, min(asked.shoppers, num_users), replace=False)
        back = met[rng.random(len(met)) < asked.accepted]
        others = rows[rows != row]
        ring = rng.choice(others, min(asked.ring, len(others)), replace=False)
        src += [np.full(len(met), row), back, np.full(len(ring), row), ring]
        dst += [met, np.full(len(back), row), ring, np.full(len(ring), row)]
    left, right = np.concatenate(src), np.concatenate(dst)
    zeros = np.zeros(len(left), np.int64)
    return Ties(left, right, zeros.astype(np.int8), np.ones(len(left), np.float32), zeros)
