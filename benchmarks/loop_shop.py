"""A simulated shop that lives on the lists that it is shown, day by day, for loops of learning."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.dataset import Interactions, Ties
from coterie.data.simulate import ShopConfig, World, simulate
from coterie.schema import EVENT_KINDS

DAY_MS: Final = 86_400_000
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """What shoppers did with one list each, shape (users, places)."""

    clicked: Bools
    bought: Bools
    events: Interactions
    """Everything that they did."""


class LoopShop:
    """The hidden side of a simulated shop, and what it sold before the loop began."""

    def __init__(self, config: ShopConfig, days: int) -> None:
        """Simulate a shop; its last ``days`` happen anew, by the lists that it is shown."""
        shop = simulate(config)
        self.world: World = shop.world
        self.start_ms = self.world.end_ms - days * DAY_MS
        self.num_users, self.num_items = len(self.world.user_ids), len(self.world.item_ids)
        items = shop.items.sort_by("item_id")
        self.category = np.unique(np.asarray(items["category"], np.str_), return_inverse=True)[1]
        self.taste: Doubles = self.world.attraction(
            self.world.user_ids.tolist(), self.world.item_ids.tolist()
        ).astype(np.float64)
        events = shop.events
        before = pc.less(events["ts"], datetime.fromtimestamp(self.start_ms / 1000, UTC))
        self.liked = self._matrix(events.filter(before), ("click", "cart", "purchase"))
        self.bought = self._matrix(events.filter(before), ("purchase",))
        self.events = self._interactions(events.filter(before))
        self.ties = Ties(
            self.world.tie_src.astype(np.int64),
            self.world.tie_dst.astype(np.int64),
            np.zeros(len(self.world.tie_src), np.int8),
            np.ones(len(self.world.tie_src), np.float32),
            np.zeros(len(self.world.tie_src), np.int64),
        )

    def on_sale(self, day: int) -> Bools:
        """Say which items are there on a day of the loop, shape (items,)."""
        now = self.start_ms + day * DAY_MS
        return np.asarray((self.world.arrives_ms <= now) & (self.world.ends_ms > now))

    def answer(self, lists: Ints, day: int, rng: np.random.Generator) -> Answers:
        """Show each shopper one list, shape (users, places), on a day of the loop."""
        now = datetime.fromtimestamp((self.start_ms + day * DAY_MS) / 1000, UTC)
        ids = self.world.item_ids[lists]
        did = self.world.answer(self.world.user_ids.tolist(), ids.tolist(), rng, now)
        rows = np.arange(self.num_users)[:, None]
        clicked, bought = (
            self._matrix(did, (kind,))[rows, lists] for kind in ("click", "purchase")
        )
        return Answers(clicked, bought, self._interactions(did))

    def _interactions(self, events: pa.Table) -> Interactions:
        events = events.sort_by("ts")
        kind = pc.index_in(events["event"], pa.array([str(one) for one in EVENT_KINDS]))
        num = events.num_rows
        return Interactions(
            np.searchsorted(self.world.user_ids, np.asarray(events["user_id"], np.str_)),
            np.searchsorted(self.world.item_ids, np.asarray(events["item_id"], np.str_)),
            np.asarray(kind, np.int8),
            np.full(num, np.nan, np.float32),
            np.asarray(pc.cast(events["ts"], pa.int64()), np.int64) // 1000,
            np.full(num, -1, np.int64),
        )

    def _matrix(self, events: pa.Table, kinds: tuple[str, ...]) -> Bools:
        some = events.filter(pc.is_in(events["event"], pa.array(list(kinds))))
        user = np.searchsorted(self.world.user_ids, np.asarray(some["user_id"], np.str_))
        item = np.searchsorted(self.world.item_ids, np.asarray(some["item_id"], np.str_))
        found = np.zeros((self.num_users, self.num_items), np.bool_)
        found[user, item] = True
        return found


def ease(weights: Doubles, l2: float = 30.0) -> Doubles:
    """Score all items for all shoppers by EASE (Steck, 2019), shape (users, items)."""
    gram = weights.T @ weights + l2 * np.eye(weights.shape[1])
    inverse = np.linalg.inv(gram)
    factors = -inverse / np.diag(inverse)
    np.fill_diagonal(factors, 0.0)
    return np.asarray(weights @ factors)


def best(scores: Doubles, allowed: Bools, k: int) -> Ints:
    """List the k best items of each shopper, shape (users, k)."""
    masked = np.where(allowed, scores, -np.inf)
    top = np.argpartition(-masked, k, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(masked, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def true_ndcg(lists: Ints, taste: Doubles, allowed: Bools) -> float:
    """Hold lists against what really pleases: NDCG with gains 2^(3 taste) - .125, mean over
    shoppers."""
    gain = np.where(allowed, np.exp2(3 * taste) - 0.125, 0.0)
    discount = 1 / np.log2(np.arange(lists.shape[1]) + 2)
    found = np.take_along_axis(gain, lists, axis=1) @ discount
    ideal = -np.sort(-gain, axis=1)[:, : lists.shape[1]] @ discount
    return float((found / ideal).mean())
