"""The part of a shop that a generator may look at: people who may be used, by row alone."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.data.dataset import Codes, Dataset, Interactions, Ints, Ties
from coterie.data.polarity import is_target
from coterie.data.splits import UNDATED_MS
from coterie.errors import BadInputError
from coterie.schema import PARTS, Part

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SourceShop:
    """What is learned from: events and ties of n people, over a catalogue of m items."""

    num_people: int
    num_items: int
    events: Interactions
    part: Codes
    """Index in ``schema.PARTS`` of each event; -1 outside any bundled split."""
    ties: Ties
    price: Doubles
    """nan where nothing is said, shape (m,)."""
    group: Ints
    """Category of each item, by number; all 0 where the catalogue has none, shape (m,)."""
    named: float
    """Share of people whom friends may see."""

    @classmethod
    def of(cls, dataset: Dataset) -> "SourceShop":
        """Take the people who may be used, with their events and the ties among them.

        Of a bundled split the events beside it are left out, as lists leave them out.

        Raises:
            BadInputError: There is nobody, or nobody did anything.
        """
        usable = np.asarray(dataset.people["may_be_used"].to_numpy(), np.bool_)
        named = np.asarray(dataset.people["may_be_named"].to_numpy(), np.bool_)
        row = np.where(usable, np.cumsum(usable) - 1, -1)
        is_bundle = bool((dataset.part == PARTS.index(Part.TEST)).any())
        kept = usable[dataset.events.user_idx] & ((dataset.part >= 0) | (not is_bundle))
        events = dataset.events.take(kept)
        referrer = np.where(events.referrer_idx >= 0, row[events.referrer_idx], -1)
        tied = usable[dataset.ties.src_idx] & usable[dataset.ties.dst_idx]
        ties = dataset.ties.take(tied & (dataset.ties.src_idx != dataset.ties.dst_idx))
        if not len(events):
            raise BadInputError(
                "nobody who may be used did anything: there is nothing to learn made-up people from"
            )
        return cls(
            num_people=int(usable.sum()),
            num_items=len(dataset.items),
            events=replace(events, user_idx=row[events.user_idx], referrer_idx=referrer),
            part=dataset.part[kept],
            ties=replace(ties, src_idx=row[ties.src_idx], dst_idx=row[ties.dst_idx]),
            price=np.asarray(dataset.catalogue["price"].to_numpy(), np.float64),
            group=categories_of(dataset.catalogue["category"].to_pylist()),
            named=float(named[usable].mean()),
        )

    @property
    def is_dated(self) -> bool:
        """Tell whether most events have a time."""
        return bool((self.events.ts_ms != UNDATED_MS).mean() > 0.5)

    def pairs(self) -> "HadPairs":
        """Give what each person had to do with each item, once."""
        key = self.events.user_idx * self.num_items + self.events.item_idx
        found, index = np.unique(key, return_inverse=True)
        masks = np.zeros(len(found), np.int64)
        np.bitwise_or.at(masks, index, 1 << self.events.kind.astype(np.int64))
        wanted = np.zeros(len(found), np.bool_)
        wanted[index[is_target(self.events.kind)]] = True
        return HadPairs(found // self.num_items, found % self.num_items, wanted, masks, index)


@dataclass(frozen=True, slots=True)
class HadPairs:
    """What people had to do with items: each (person, item) once, as columns of shape (p,)."""

    person: Ints
    item: Ints
    wanted: Bools
    """Whether there is an event of a target kind."""
    kinds: Ints
    """Bit k is set where there is an event of kind k of ``schema.EVENT_KINDS``."""
    of_event: Ints
    """The pair of each event, shape (events,)."""

    def matrix(
        self, num_people: int, num_items: int, beside: float
    ) -> "sparse.csr_matrix[np.float64]":
        """Lay out pairs, people by items: 1 where wanted, else ``beside``; rows have length 1."""
        values = np.where(self.wanted, 1.0, beside)
        length = np.sqrt(np.bincount(self.person, values**2, num_people))
        scaled = values / np.maximum(length[self.person], 1e-12)
        return sparse.csr_matrix((scaled, (self.person, self.item)), (num_people, num_items))


def had_matrix(shop: SourceShop) -> "sparse.csr_matrix[np.float64]":
    """Lay out who wanted what, by ones, shape (people, items)."""
    pairs = shop.pairs()
    rows, items = pairs.person[pairs.wanted], pairs.item[pairs.wanted]
    shape = (shop.num_people, shop.num_items)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, items)), shape)


def categories_of(names: "list[str | None]", most: int = 128) -> Ints:
    """Give items the number of their category: as deep as there are at most ``most``."""
    paths = [(name or "").split("/") for name in names]
    found = np.zeros(len(names), np.int64)
    for depth in range(1, max(map(len, paths), default=0) + 1):
        heads = np.array(["/".join(path[:depth]) for path in paths], np.str_)
        different, number = np.unique(heads, return_inverse=True)
        if len(different) > most:
            break
        found = number.astype(np.int64)
    return found
