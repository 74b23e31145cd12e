"""A shop whose best answer is known: every shopper wants the items of one block, their friends'."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.schema import EVENT_KINDS, TIE_KINDS, EventKind, TieKind
from coterie.training.history import EpochRecord, TrainingHistory, TrainingState

PURCHASE = EVENT_KINDS.index(EventKind.PURCHASE)
FRIEND = TIE_KINDS.index(TieKind.FRIEND)
DAY_MS = 86_400_000

NUM_BLOCKS = 6
USERS_A_BLOCK = 30
ITEMS_A_BLOCK = 20
NUM_USERS = NUM_BLOCKS * USERS_A_BLOCK
NUM_ITEMS = NUM_BLOCKS * ITEMS_A_BLOCK


@dataclass(frozen=True)
class Planted:
    """The shop and its truth."""

    data: TrainingSet
    held_out: Interactions
    user_block: npt.NDArray[np.int64]
    item_block: npt.NDArray[np.int64]
    newcomers: npt.NDArray[np.int64]
    """Shoppers with ties into their block and no events at all."""
    strangers: npt.NDArray[np.int64]
    """Shoppers with neither."""

    @property
    def experienced(self) -> npt.NDArray[np.int64]:
        """Shoppers with events."""
        others = np.concatenate([self.newcomers, self.strangers])
        return np.setdiff1d(np.arange(NUM_USERS), others)

    def share_in_block(self, lists: npt.NDArray[np.int64], users: npt.NDArray[np.int64]) -> float:
        """Share of listed items that are of their shopper's block; chance gives 1 / NUM_BLOCKS."""
        return float((self.item_block[lists] == self.user_block[users][:, None]).mean())


def planted(seed: int = 0) -> Planted:
    """Draw the shop. Nine of ten purchases fall in the shopper's block, the rest anywhere.

    The first item of every block is a bestseller far beyond it, so that popularity says something,
    and the last was never bought.
    """
    rng = np.random.default_rng(seed)
    user_block = np.repeat(np.arange(NUM_BLOCKS), USERS_A_BLOCK)
    item_block = np.repeat(np.arange(NUM_BLOCKS), ITEMS_A_BLOCK)
    of_block = np.arange(NUM_USERS) % USERS_A_BLOCK
    newcomers, strangers = np.flatnonzero(of_block < 3), np.flatnonzero(of_block == 3)
    bought = _buy(rng, user_block, np.concatenate([newcomers, strangers]))
    part = rng.choice(3, len(bought), p=[0.7, 0.1, 0.2])
    train, val, test = (_purchases(bought[part == p], rng, p) for p in range(3))
    data = TrainingSet(train, _befriend(rng, user_block, strangers), NUM_USERS, NUM_ITEMS, val)
    return Planted(data, test, user_block, item_block, newcomers, strangers)


def _buy(
    rng: np.random.Generator, user_block: npt.NDArray[np.int64], idle: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Distinct (user, item) pairs, shape (n, 2)."""
    weight = 1.0 / (1.0 + np.arange(ITEMS_A_BLOCK - 1)) ** 0.5
    users = np.setdiff1d(np.arange(NUM_USERS), idle).repeat(14)
    block = np.where(
        rng.random(len(users)) < 0.9, user_block[users], rng.integers(0, NUM_BLOCKS, len(users))
    )
    place = rng.choice(ITEMS_A_BLOCK - 1, len(users), p=weight / weight.sum())
    return np.unique(np.column_stack([users, block * ITEMS_A_BLOCK + place]), axis=0)


def _befriend(
    rng: np.random.Generator, user_block: npt.NDArray[np.int64], strangers: npt.NDArray[np.int64]
) -> Ties:
    """Six friends each, of the same block but for one in ten; stored both ways."""
    src = np.setdiff1d(np.arange(NUM_USERS), strangers).repeat(6)
    inside = user_block[src] * USERS_A_BLOCK + rng.integers(4, USERS_A_BLOCK, len(src))
    anyone = rng.integers(0, NUM_BLOCKS, len(src)) * USERS_A_BLOCK + rng.integers(
        4, USERS_A_BLOCK, len(src)
    )
    dst = np.where(rng.random(len(src)) < 0.9, inside, anyone)
    pairs = np.unique(np.concatenate([np.c_[src, dst], np.c_[dst, src]]), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    n = len(pairs)
    return Ties(
        pairs[:, 0],
        pairs[:, 1],
        np.full(n, FRIEND, np.int8),
        np.ones(n, np.float32),
        np.zeros(n, np.int64),
    )


def _purchases(pairs: npt.NDArray[np.int64], rng: np.random.Generator, period: int) -> Interactions:
    """Purchases spread over the 30 days of a period, in order of time."""
    n = len(pairs)
    ts = np.sort(rng.integers(0, 30 * DAY_MS, n)) + period * 30 * DAY_MS + DAY_MS
    order = rng.permutation(n)
    return Interactions(
        pairs[order, 0],
        pairs[order, 1],
        np.full(n, PURCHASE, np.int8),
        np.full(n, np.nan, np.float32),
        ts,
        np.full(n, -1, np.int64),
    )


def some_state(epochs):
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.5)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    history = TrainingHistory()
    for epoch in range(1, epochs + 1):
        history = history.add(EpochRecord(epoch, 1.0 / epoch, 0.1 * epoch, 2.0))
    best = {name: tensor + 1 for name, tensor in layer.state_dict().items()}
    mean = {name: tensor + 2 for name, tensor in layer.state_dict().items()}
    return TrainingState(layer.state_dict(), best, mean, optimizer.state_dict(), history)
