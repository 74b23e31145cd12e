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
from coterie.data.simulate.visits import BOUGHT, CARTED, CLICKED, go_on
from coterie.errors import BadInputError
from coterie.schema import EventKind

_WATCHED = 0.35
"""How fast attention falls: place p (0 is the first) is looked at with odds (1 + p)^-0.35."""
_SLOT_MS = 20_000
"""Time that a shopper gives to each place of a list."""
_RELUCTANT = -1.0
_NEWS_MS = 21 * 86_400_000


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
    """When a shopper first comes, milliseconds since 1970."""
    arrives_ms: npt.NDArray[np.float64]
    """When an item comes on sale, milliseconds since 1970."""
    ends_ms: npt.NDArray[np.float64]
    openness: Floats
    tie_src: Ints
    tie_dst: Ints
    tie_closeness: Floats
    bought_user: Ints
    bought_item: Ints
    bought_ms: Ints
    """Milliseconds since 1970."""
    end_ms: int
    """When the simulated days ended, milliseconds since 1970."""

    def answer(
        self,
        user_ids: Sequence[str],
        lists: Sequence[Sequence[str]],
        rng: int | np.random.Generator,
        now: datetime | None = None,
    ) -> pa.Table:
        """What shoppers do with the lists that they are shown, as events in contract form.

        Attention falls from place to place; what pleases, or was bought by friends of late, is
        clicked, put in the cart and bought more often. Items not on sale, or bought before, are
        looked at and left.

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
        shown = _Shown.of(self, user_ids, lists)
        now_ms = self.end_ms if now is None else int(now.timestamp() * 1000)
        if len(shown.user) == 0:
            return schema.EVENTS.arrow.empty_table()
        reach = self._react(shown, now_ms, draws)
        looked = draws.random(len(reach)) < (1.0 + shown.place) ** -_WATCHED
        return self._log(shown, np.where(looked, reach, -1), now_ms, draws)

    def attraction(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Floats:
        """How well each shopper's taste matches each item, shape (users, items), -1 to 1."""
        users, items = _rows(self.user_ids, user_ids), _rows(self.item_ids, item_ids)
        scores: Floats = self.taste[users] @ self.vector[items].T
        return scores

    def save(self, path: str | Path) -> None:
        """Write the world to one .npz file, beside first, then in place."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part.npz")
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "config"}
        np.savez(beside, config=np.array(json.dumps(asdict(self.config))), **columns)
        beside.replace(path)

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

    def _react(self, shown: "_Shown", now_ms: int, rng: np.random.Generator) -> Ints:
        """How far each shown item would be taken if it were looked at."""
        pleased = np.einsum("nd,nd->n", self.taste[shown.user], self.vector[shown.item])
        moved = self._friends_bought(shown, now_ms) * 2 * self.openness[shown.user]
        reach = go_on(pleased.astype(np.float32), moved.astype(np.float32), rng, _RELUCTANT)
        key = shown.user * len(self.item_ids) + shown.item
        had = np.isin(key, self.bought_user * len(self.item_ids) + self.bought_item)
        on_sale = (self.arrives_ms[shown.item] <= now_ms) & (now_ms < self.ends_ms[shown.item])
        return np.where(had | ~on_sale, 0, reach).astype(np.int64)

    def _friends_bought(self, shown: "_Shown", now_ms: int) -> Floats:
        """log(1 + closeness of the friends who bought the item lately), shape (shown,)."""
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

    def _log(self, shown: "_Shown", reach: Ints, now_ms: int, rng: np.random.Generator) -> pa.Table:
        """Events of looked-at places (reach at least 0), ordered by time."""
        start = now_ms + rng.integers(0, 60_000, len(shown.bounds) - 1)[shown.which]
        rows, kinds, times = [], [], []
        steps = (EventKind.VIEW, 0), (EventKind.CLICK, CLICKED), (EventKind.CART, CARTED)
        for place, (kind, least) in enumerate((*steps, (EventKind.PURCHASE, BOUGHT))):
            done = np.flatnonzero(reach >= least)
            rows.append(done)
            kinds.append(np.full(len(done), str(kind)))
            times.append(start[done] + shown.place[done] * _SLOT_MS + place * 4_000)
        row, kind_of, ts = np.concatenate(rows), np.concatenate(kinds), np.concatenate(times)
        order = np.lexsort((row, ts))
        row, kind_of, ts = row[order], kind_of[order], ts[order]
        token = int(rng.integers(0, 2**62))
        price = np.round(self.price[shown.item[row]].astype(np.float64), 2)
        number = pc.utf8_lpad(pa.array(np.arange(len(row))).cast(pa.string()), 6, "0")
        columns = {
            "event_id": pc.binary_join_element_wise(f"answer-{token:016x}-", number, ""),
            "user_id": pa.array(self.user_ids[shown.user[row]]),
            "item_id": pa.array(self.item_ids[shown.item[row]]),
            "event": pa.array(kind_of),
            "value": pa.array(price, mask=kind_of != EventKind.PURCHASE),
            "text": pa.nulls(len(row), pa.string()),
            "ts": pa.array(ts * 1000, pa.int64()).cast(schema.TIMESTAMP),
            "referrer_user_id": pa.nulls(len(row), pa.string()),
            "split": pa.nulls(len(row), pa.string()),
        }
        return pa.table(columns, schema=schema.EVENTS.arrow)


@dataclass(frozen=True, slots=True)
class _Shown:
    """Shown lists, flattened: columns of shape (entries,)."""

    which: Ints
    """The list."""
    user: Ints
    item: Ints
    place: Ints
    """0 is the first."""
    bounds: Ints

    @staticmethod
    def of(world: World, user_ids: Sequence[str], lists: Sequence[Sequence[str]]) -> "_Shown":
        sizes = np.array([len(one) for one in lists], np.int64)
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        which = np.repeat(np.arange(len(sizes)), sizes)
        users = _rows(world.user_ids, user_ids)
        items = _rows(world.item_ids, [item for one in lists for item in one])
        return _Shown(which, users[which], items, np.arange(len(which)) - bounds[which], bounds)


def utc_ms(day: str) -> int:
    """Milliseconds since 1970 of a day's first moment, UTC."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def _rows(known: npt.NDArray[np.str_], ids: Sequence[str]) -> Ints:
    """Rows of ids among sorted ones.

    Raises:
        BadInputError: An id is unknown.
    """
    wanted = np.asarray(ids, dtype=np.str_)
    if len(wanted) == 0:
        return np.zeros(0, np.int64)
    rows = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    strange = np.flatnonzero(known[rows] != wanted)
    if len(strange):
        raise BadInputError(
            f"{str(wanted[strange[0]])!r} is not of this simulated shop "
            f"({known[0]} to {known[-1]}): was the list made from another shop's data?"
        )
    return rows.astype(np.int64)
