"""A whole simulated shop: what it logged, what it sells, who comes, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie import schema
from coterie.data.dataset import Floats
from coterie.data.simulate.assortment import Assortment, make_assortment
from coterie.data.simulate.config import ShopConfig
from coterie.data.simulate.days import live
from coterie.data.simulate.habits import log_habits
from coterie.data.simulate.log import (
    Goods,
    as_times,
    event_table,
    habit_truth,
    log_visits,
    truth_table,
)
from coterie.data.simulate.looks import Looks, make_looks
from coterie.data.simulate.people import Acquaintance, People, make_people, make_ties
from coterie.data.simulate.pictures import paint, png
from coterie.data.simulate.regrets import log_regrets
from coterie.data.simulate.texts import (
    Wording,
    draw_wording,
    write_categories,
    write_descriptions,
    write_makers,
    write_titles,
)
from coterie.data.simulate.visits import BOUGHT, DAY_MS, Visits, match
from coterie.data.simulate.world import World, by_time, utc_ms
from coterie.files import atomic_file, write_atomically
from coterie.progress import Progress, silent
from coterie.schema import EVENT_KINDS, EventKind, TieKind

WORLD_FILE = "world.npz"
TRUTH_FILE = "truth.parquet"
PICTURES = "pictures"
"""Folder beside the tables, where ``image_uri`` of a shop with pictures leads."""


@dataclass(frozen=True, slots=True)
class SimulatedShop:
    """Tables in contract form, the truth about purchases, and the world that made them."""

    events: pa.Table
    """``schema.EVENTS``, ordered by time."""
    ties: pa.Table
    items: pa.Table
    users: pa.Table
    truth: pa.Table
    """``log.TRUTH``: why each purchase happened, those out of habit last."""
    world: World
    assortment: Assortment
    """What the items are, and whom they please; never seen by a model."""
    looks: Looks | None = None
    """What the items' pictures show, if they have any."""

    def write(self, folder: str | Path) -> None:
        """Write events, ties, items, users and truth as Parquet, the world and pictures beside."""
        self.write_pictures(folder)
        for name in ("events", "ties", "items", "users", "truth"):
            with atomic_file(Path(folder, f"{name}.parquet")) as file:
                pq.write_table(getattr(self, name), file, compression="zstd")
        self.save_world(Path(folder, WORLD_FILE))

    def write_pictures(self, folder: str | Path) -> None:
        """Paint what items look like, if anything, as files below a folder: see ``image_uri``."""
        if self.looks is None:
            return
        names = self.items["image_uri"].to_pylist()
        Path(folder, PICTURES).mkdir(parents=True, exist_ok=True)
        for rows, pictures in paint(self.looks):
            for row, pixels in zip(rows.tolist(), pictures, strict=True):
                path, data = Path(folder, names[row]), png(pixels)
                # The same seed makes the same again. A file that is left as it is keeps its time,
                # so that the content step need not read it again; none need outlast a power cut.
                if not (path.is_file() and path.read_bytes() == data):
                    write_atomically(path, data, durable=False)

    def answer(
        self,
        user_ids: Sequence[str],
        lists: Sequence[Sequence[str]],
        rng: int | np.random.Generator,
        now: datetime | None = None,
    ) -> pa.Table:
        """Simulate what shoppers do with the lists that they are shown: see ``World.answer``."""
        return self.world.answer(user_ids, lists, rng, now)

    def save_world(self, path: str | Path) -> None:
        """Write what a later process needs to answer."""
        self.world.save(path)

    @staticmethod
    def load_world(path: str | Path) -> World:
        """Read what ``save_world`` wrote.

        Raises:
            BadInputError: The file is missing or holds no world.
        """
        return World.load(path)


def simulate(config: ShopConfig | None = None, progress: Progress = silent) -> SimulatedShop:
    """Make a shop from its seed; the same config gives the same shop, byte for byte."""
    config = config or ShopConfig()
    # A further seed leaves the ones before it as they are.
    seeds = np.random.SeedSequence(config.seed).spawn(9)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    assortment = make_assortment(config, rngs[0])
    people = make_people(config, assortment, rngs[1])
    ties = make_ties(config, people, rngs[2])
    visits, taste = live(config, assortment, people, ties, rngs[3], progress)
    return _tabulate(config, assortment, people, ties, visits, taste, rngs[4:])


def _tabulate(
    config: ShopConfig,
    assortment: Assortment,
    people: People,
    ties: Acquaintance,
    visits: Visits,
    taste: Floats,
    rngs: Sequence[np.random.Generator],
) -> SimulatedShop:
    """Make tables and world of what happened."""
    rng, regretting, restocking, speaking, painting = rngs
    start_ms = utc_ms(config.start)
    users, items = _ids("shopper", config.num_users), _ids("item", config.num_items)
    goods = Goods(assortment.price, assortment.ends.astype(np.float64) * DAY_MS)
    pleased = match(people.taste, assortment, visits.user, visits.item)
    log = log_visits(visits, pleased, goods, config.days, rng)
    regretted = log_regrets(log, visits, pleased, goods, config, regretting)
    returned = regretted.kind == EVENT_KINDS.index(EventKind.RETURN)
    kept = np.ones(len(visits), np.bool_)
    kept[regretted.visit[returned]] = False
    wording = draw_wording(assortment, config.chinese, config.vague, speaking)
    again = log_habits(visits, kept, pleased, goods, assortment.shelf, config, restocking)
    return SimulatedShop(
        events=by_time(
            event_table(log, visits, users, items, start_ms),
            event_table(regretted, visits, users, items, start_ms, "regret"),
            event_table(again, visits, users, items, start_ms, "again", told_by=False),
        ),
        ties=_tie_table(ties, users, start_ms, rng),
        items=_item_table(config, assortment, wording, items, start_ms),
        users=_user_table(config, users, rng),
        truth=pa.concat_tables([truth_table(log, visits, users), habit_truth(again, "again")]),
        world=_world(config, assortment, people, ties, visits, kept, taste, users, items, start_ms),
        assortment=assortment,
        looks=make_looks(assortment, config.vague, painting) if config.pictures else None,
    )


def _ids(what: str, count: int) -> pa.Array:
    """Write ``shopper-0042``: wide enough that ids sort as their numbers do."""
    width = max(4, len(str(count - 1)))
    numbers = pc.utf8_lpad(pa.array(np.arange(count)).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(f"{what}-", numbers, "")


def _tie_table(
    ties: Acquaintance, users: pa.Array, start_ms: int, rng: np.random.Generator
) -> pa.Table:
    """Write ties with weights that tell closeness, though not exactly."""
    told = ties.closeness * rng.lognormal(0, 0.2, len(ties.src))
    kinds = pa.array([str(TieKind.FRIEND), str(TieKind.FOLLOW)])
    columns = {
        "src_user_id": users.take(pa.array(ties.src)),
        "dst_user_id": users.take(pa.array(ties.dst)),
        "kind": kinds.take(pa.array(ties.follow.astype(np.int64))),
        "weight": pa.array(np.maximum(np.round(told, 3), 0.001).astype(np.float64)),
        "since": as_times(ties.since.astype(np.float64) * DAY_MS, start_ms),
    }
    return pa.table(columns, schema=schema.TIES.arrow)


def _item_table(
    config: ShopConfig, assortment: Assortment, wording: Wording, items: pa.Array, start_ms: int
) -> pa.Table:
    """Write the assortment as it stands after the last day."""
    pictures = pc.binary_join_element_wise(f"{PICTURES}/", items, ".png", "")
    columns = {
        "item_id": items,
        "title": write_titles(assortment, wording),
        "description": write_descriptions(assortment, wording),
        "price": pa.array(np.round(assortment.price.astype(np.float64), 2)),
        "category": write_categories(assortment),
        "brand": write_makers(assortment),
        "tags": pa.nulls(len(items), pa.string()),
        "image_uri": pictures if config.pictures else pa.nulls(len(items), pa.string()),
        "audio_uri": pa.nulls(len(items), pa.string()),
        "available": pa.array(assortment.ends > config.days),
        "created_at": as_times(np.floor(assortment.arrives.astype(np.float64) * DAY_MS), start_ms),
    }
    return pa.table(columns, schema=schema.ITEMS.arrow)


def _user_table(config: ShopConfig, users: pa.Array, rng: np.random.Generator) -> pa.Table:
    columns = {
        "user_id": users,
        "may_be_named": pa.array(rng.random(len(users)) >= config.unnamed),
        "may_be_used": pa.array(rng.random(len(users)) >= config.unused),
    }
    return pa.table(columns, schema=schema.USERS.arrow)


def _world(
    config: ShopConfig,
    assortment: Assortment,
    people: People,
    ties: Acquaintance,
    visits: Visits,
    kept: npt.NDArray[np.bool_],
    taste: Floats,
    users: pa.Array,
    items: pa.Array,
    start_ms: int,
) -> World:
    bought = visits.take(visits.reach == BOUGHT)
    return World(
        config=config,
        user_ids=np.asarray(users.to_pylist(), dtype=np.str_),
        item_ids=np.asarray(items.to_pylist(), dtype=np.str_),
        taste=taste,
        vector=assortment.vector,
        price=assortment.price,
        user_arrives_ms=start_ms + people.arrives.astype(np.float64) * DAY_MS,
        arrives_ms=start_ms + assortment.arrives.astype(np.float64) * DAY_MS,
        ends_ms=start_ms + assortment.ends.astype(np.float64) * DAY_MS,
        openness=people.openness,
        tie_src=ties.src,
        tie_dst=ties.dst,
        tie_closeness=ties.closeness,
        bought_user=bought.user,
        bought_item=bought.item,
        bought_ms=bought.ts_ms + start_ms,
        bought_kept=kept[visits.reach == BOUGHT],
        end_ms=start_ms + config.days * DAY_MS,
    )
