"""What fake accounts pretend to have had: filler items that make a profile look like a shopper's.

The kinds are those of the literature on shilling, for events in place of ratings (Mobasher et al.,
2007, doi:10.1145/1278366.1278372): an account has the item to be pushed, and fillers beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from coterie.data.dataset import Ints
from coterie.errors import BadInputError

BESTSELLERS: Final = 0.02
"""Share of all items from which a bandwagon takes half of its fillers."""
SWAPPED: Final = 0.2
"""Share of a copied profile that is replaced."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shop:
    """What an attacker sees: who had what, a binary ``scipy.sparse`` matrix (users, items)."""

    had: Any
    popularity: Doubles
    """How many had each item, shape (items,)."""

    @classmethod
    def of(cls, had: Any) -> "Shop":
        """Count the people of each item."""
        return cls(had.tocsr(), np.asarray(had.sum(axis=0), np.float64).ravel())


Fillers = Callable[[Shop, int, int, np.random.Generator], Ints]
"""From shop, pushed item, number of fillers and draws to filler items, unequal."""


def random_fillers(shop: Shop, target: int, count: int, rng: np.random.Generator) -> Ints:
    """Draw from all items that anybody had, alike."""
    return _draw(shop, (shop.popularity > 0).astype(float), target, count, rng)


def average_fillers(shop: Shop, target: int, count: int, rng: np.random.Generator) -> Ints:
    """Draw as often as items are had: the account looks like an average of all shoppers."""
    return _draw(shop, shop.popularity, target, count, rng)


def bandwagon_fillers(shop: Shop, target: int, count: int, rng: np.random.Generator) -> Ints:
    """Take half from bestsellers, which many shoppers share, and half from all."""
    first = np.argsort(-shop.popularity, kind="stable")
    best = np.zeros(len(first))
    best[first[: max(5, int(BESTSELLERS * len(first)))]] = 1.0
    half = _draw(shop, best, target, (count + 1) // 2, rng)
    rest = (shop.popularity > 0).astype(float)
    rest[half] = 0.0
    return np.concatenate([half, _draw(shop, rest, target, count - len(half), rng)])


def segment_fillers(shop: Shop, target: int, count: int, rng: np.random.Generator) -> Ints:
    """Draw what is had together with one bestseller: the accounts aim at shoppers of one taste."""
    chance = np.array(shop.popularity)
    chance[target] = 0.0
    # The segment is the target's own, so that all accounts aim at the same.
    liked = np.random.default_rng(target).choice(len(chance), p=chance / chance.sum())
    people = shop.had[:, [liked]].tocoo().row
    together = np.asarray(shop.had[people].sum(axis=0), np.float64).ravel()
    return _draw(shop, together + 1e-6 * shop.popularity, target, count, rng)


def copied_fillers(shop: Shop, target: int, count: int, rng: np.random.Generator) -> Ints:
    """Copy a shopper and swap a fifth: the hardest to tell, for who knows shoppers' histories."""
    lengths = np.diff(shop.had.indptr)
    near = np.flatnonzero((lengths >= count) & (lengths <= 2 * count + 2))
    whom = int(rng.choice(near if len(near) else np.flatnonzero(lengths > 0)))
    items = np.asarray(shop.had[whom].indices, np.int64)
    kept = min(max(1, round((1 - SWAPPED) * count)), len(items), count)
    taken = rng.choice(items[items != target], min(kept, int((items != target).sum())), False)
    rest = np.array(shop.popularity)
    rest[taken] = 0.0
    return np.concatenate([taken, _draw(shop, rest, target, count - len(taken), rng)])


FILLERS: Final[Mapping[str, Fillers]] = {
    "random": random_fillers,
    "average": average_fillers,
    "bandwagon": bandwagon_fillers,
    "segment": segment_fillers,
    "copied": copied_fillers,
}
"""Kinds of profile by name."""


def make_profiles(
    shop: Shop, target: int, count: int, fillers: Fillers, rng: np.random.Generator
) -> list[Ints]:
    """Make accounts' items, the pushed one first; as long as shoppers' profiles are.

    Args:
        shop: What the attacker sees.
        target: The pushed item.
        count: Accounts.
        fillers: One of ``FILLERS``, or another.
        rng: Of all draws.

    Raises:
        BadInputError: Nobody had anything.
    """
    lengths = np.diff(shop.had.indptr)
    lengths = lengths[lengths > 0]
    if not len(lengths):
        raise BadInputError("nobody had anything: fake accounts need shoppers to look like")
    asked = np.maximum(rng.choice(lengths, count) - 1, 2)
    return [
        np.concatenate([[target], fillers(shop, target, int(number), rng)]).astype(np.int64)
        for number in asked
    ]


def _draw(shop: Shop, chance: Doubles, target: int, count: int, rng: np.random.Generator) -> Ints:
    """Draw unequal items by chance, never the pushed one; fewer where there are no more."""
    chance = np.array(chance, np.float64)
    chance[target] = 0.0
    count = min(count, int((chance > 0).sum()))
    if count <= 0:
        return np.zeros(0, np.int64)
    drawn = rng.choice(shop.had.shape[1], count, replace=False, p=chance / chance.sum())
    return np.asarray(drawn, np.int64)
