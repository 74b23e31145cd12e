"""The hidden side of a simulated shop: it can answer what it is shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from coterie import schema
from coterie.data.dataset import Floats, Ints
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.regrets import regrets
from coterie.data.simulate.shown import SLOT_MS, ShownLists, rows_of, steps
from coterie.data.simulate.visits import VIEWED, go_on
from coterie.errors import BadInputError
from coterie.files import atomic_file
from coterie.schema import EventKind

_WATCHED = 0.35
"""How fast attention falls: rank p, from 0, is looked at with odds (1 + p)^-0.35."""
_RELUCTANT = -1.0
_NEWS_MS = 21 * 86_400_000
_AFTER_LOOK_MS = 3_000
_RETURN_MS = 14 * 86_400_000
"""Milliseconds for which what was bought can be sent back."""
_THIS_TIME = 0.1
"""Chance that a shopper who would send something back does so on this visit."""


@dataclass(frozen=True, slots=True)
class World:
    """Shoppers' tastes and items' natures after the last day; never seen by a model."""

    config: ShopConfig
    user_ids: npt.NDArray[np.str_]
    item_ids: npt.NDArray[np.str_]
    taste: Floats
    """Shape (num_users, d), length 1."""
    vector: Floats
    """Shape (num_items, d), length 1."""
    price: Floats
    user_arrives_ms: npt.NDArray[np.float64]
    """Time when a shopper first comes, milliseconds since 1970."""
    arrives_ms: npt.NDArray[np.float64]
    """Time when an item comes on sale, milliseconds since 1970."""
    ends_ms: npt.NDArray[np.float64]
    openness: Floats
    tie_src: Ints
    tie_dst: Ints
    tie_closeness: Floats
    bought_user: Ints
    bought_item: Ints
    bought_ms: Ints
    """Milliseconds since 1970."""
    bought_kept: npt.NDArray[np.bool_]
    """Not sent back."""
    end_ms: int
    """Time when the simulated days ended, milliseconds since 1970."""

    def answer(
        self,
        user_ids: Sequence[str],
        lists: Sequence[Sequence[str]],
        rng: int | np.random.Generator,
        now: datetime | None = None,
    ) -> pa.Table:
        """Simulate what shoppers do with the lists that they are shown, as events in contract form.

        Attention falls from rank to rank; what pleases, or was bought by friends of late, is
        clicked, put in the cart and bought more often. Items not on sale, or bought before, are
        looked at and left. What is looked at and left may be said to be not for them, and who comes
        may send back what they bought lately: poor fits more often. That is drawn apart, from the
        answer's number: the other events are what they are without it.

        Args:
            user_ids: Who is shown a list; one who appears twice is shown two.
            lists: Item ids of each one's list, best first.
            rng: A seed or a generator; the same state gives the same answer, event ids included.
            now: When the lists are shown, with a time zone; by default as the days end.

        Raises:
            BadInputError: Lengths differ, or an id is not of this world.
        """
        draws = np.random.default_rng(rng)
        if len(user_ids) != len(lists):
            raise BadInputError(f"{len(user_ids)} shoppers but {len(lists)} lists: give one each")
        shown = ShownLists.of((self.user_ids, self.item_ids), user_ids, lists)
        now_ms = self.end_ms if now is None else int(now.timestamp() * 1000)
        if len(shown.user) == 0:
            return schema.EVENTS.arrow.empty_table()
        reach = self._react(shown, now_ms, draws)
        looked = draws.random(len(reach)) < (1.0 + shown.rank) ** -_WATCHED
        start = now_ms + draws.integers(0, 60_000, len(shown.bounds) - 1)
        reach = np.where(looked, reach, -1)
        row, kind, ts = steps(shown, reach, start)
        token = int(draws.integers(0, 2**62))
        own = np.random.default_rng(token)
        told = self._table(f"answer-{token:016x}", shown.user[row], shown.item[row], kind, ts)
        regretted = self._regret(shown, reach, start, now_ms, own)
        return by_time(told, self._table(f"regret-{token:016x}", *regretted))

    def attraction(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Floats:
        """Match each shopper's taste with each item, shape (users, items), -1 to 1."""
        users, items = rows_of(self.user_ids, user_ids), rows_of(self.item_ids, item_ids)
        scores: Floats = self.taste[users] @ self.vector[items].T
        return scores

    def save(self, path: str | Path) -> None:
        """Write the world to one .npz file."""
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        with atomic_file(path) as file:
            np.savez(file, config=np.array(json.dumps(asdict(self.config))), **columns)

    @staticmethod
    def load(path: str | Path) -> "World":
        """Read what ``save`` wrote.

        Raises:
            BadInputError: There is no such file, or it holds no world.
        """
        try:
            with np.load(path, allow_pickle=False) as saved:
                columns = {name: saved[name] for name in saved.files}
            config = ShopConfig(**json.loads(str(columns.pop("config"))))
            columns["end_ms"] = int(columns["end_ms"])
            return World(config=config, **columns)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                f"{path} holds no simulated world ({error}): make one with `coterie simulate`"
            ) from error

    def _react(self, shown: ShownLists, now_ms: int, rng: np.random.Generator) -> Ints:
        """Decide how far each shown item would be taken if it were looked at."""
        pleased = np.einsum("nd,nd->n", self.taste[shown.user], self.vector[shown.item])
        moved = self._friends_bought(shown, now_ms) * 2 * self.openness[shown.user]
        reach = go_on(pleased.astype(np.float32), moved.astype(np.float32), rng, _RELUCTANT)
        return np.where(self._can_have(shown, now_ms), reach, 0).astype(np.int64)

    def _can_have(self, shown: ShownLists, now_ms: int) -> npt.NDArray[np.bool_]:
        """Mask the shown items that are on sale, and not bought before."""
        key = shown.user * len(self.item_ids) + shown.item
        had = np.isin(key, self.bought_user * len(self.item_ids) + self.bought_item)
        on_sale = (self.arrives_ms[shown.item] <= now_ms) & (now_ms < self.ends_ms[shown.item])
        return np.asarray(~had & on_sale)

    def _friends_bought(self, shown: ShownLists, now_ms: int) -> Floats:
        """Sum log(1 + closeness of the friends who bought the item lately), shape (shown,)."""
        n, m = len(self.user_ids), len(self.item_ids)
        new = (self.bought_ms <= now_ms) & (self.bought_ms > now_ms - _NEWS_MS)
        bought = sparse.csr_matrix(
            (np.ones(int(new.sum()), np.float32), (self.bought_user[new], self.bought_item[new])),
            shape=(n, m),
        )
        ties = sparse.csr_matrix((self.tie_closeness, (self.tie_src, self.tie_dst)), shape=(n, n))
        users, row = np.unique(shown.user, return_inverse=True)
        heard = sparse.csr_matrix(ties[users] @ bought)
        return np.log1p(np.asarray(heard[row, shown.item]).ravel()).astype(np.float32)

    def _regret(
        self, shown: ShownLists, reach: Ints, start: Ints, now_ms: int, rng: np.random.Generator
    ) -> tuple[Ints, Ints, npt.NDArray[np.str_], Ints]:
        """Decide who does not want what, or sends it back: users, items, kinds, times."""
        left = np.flatnonzero((reach == VIEWED) & self._can_have(shown, now_ms))
        left = left[rng.random(len(left)) < self._regrets("dislikes", shown.user, shown.item, left)]
        ts = start[shown.which[left]] + shown.rank[left] * SLOT_MS + _AFTER_LOOK_MS
        lately = (self.bought_ms <= now_ms) & (self.bought_ms > now_ms - _RETURN_MS)
        came, first = np.unique(shown.user, return_index=True)
        back = np.flatnonzero(self.bought_kept & lately & np.isin(self.bought_user, came))
        chance = self._regrets("returns", self.bought_user, self.bought_item, back)
        back = back[rng.random(len(back)) < _THIS_TIME * chance]
        seen = start[shown.which[first[np.searchsorted(came, self.bought_user[back])]]]
        kinds = np.repeat([str(EventKind.DISLIKE), str(EventKind.RETURN)], [len(left), len(back)])
        return (
            np.concatenate([shown.user[left], self.bought_user[back]]),
            np.concatenate([shown.item[left], self.bought_item[back]]),
            kinds,
            np.concatenate([ts, seen]),
        )

    def _regrets(self, what: str, user: Ints, item: Ints, rows: Ints) -> npt.NDArray[np.float64]:
        pleased = np.einsum("nd,nd->n", self.taste[user[rows]], self.vector[item[rows]])
        return regrets(getattr(self.config, what), pleased)

    def _table(
        self, prefix: str, user: Ints, item: Ints, kind: npt.NDArray[np.str_], ts: Ints
    ) -> pa.Table:
        """Write events in contract form, ordered by time."""
        order = np.argsort(ts, kind="stable")
        user, item, kind, ts = user[order], item[order], kind[order], ts[order]
        price = np.round(self.price[item].astype(np.float64), 2)
        number = pc.utf8_lpad(pa.array(np.arange(len(user))).cast(pa.string()), 6, "0")
        columns = {
            "event_id": pc.binary_join_element_wise(f"{prefix}-", number, ""),
            "user_id": pa.array(self.user_ids[user]),
            "item_id": pa.array(self.item_ids[item]),
            "event": pa.array(kind, pa.string()),
            "value": pa.array(price, mask=kind != EventKind.PURCHASE),
            "text": pa.nulls(len(user), pa.string()),
            "ts": pa.array(ts * 1000, pa.int64()).cast(schema.TIMESTAMP),
            "referrer_user_id": pa.nulls(len(user), pa.string()),
            "invited_user_id": pa.nulls(len(user), pa.string()),
            "split": pa.nulls(len(user), pa.string()),
        }
        return pa.table(columns, schema=schema.EVENTS.arrow)


def by_time(*logs: pa.Table) -> pa.Table:
    """Join tables of events, ordered by time; of equal times the first table's come first."""
    every = pa.concat_tables(logs)
    order = np.argsort(every["ts"].cast(pa.int64()).to_numpy(), kind="stable")
    return every.take(pa.array(order)).combine_chunks()


def utc_ms(day: str) -> int:
    """Convert a day to the milliseconds since 1970 of its first moment, UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
