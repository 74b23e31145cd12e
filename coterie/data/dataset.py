"""Clean tables as arrays: what every model, protocol and figure is computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.circle import Circle
from coterie.data.ragged import Ragged
from coterie.data.repurchase import Again, RepurchaseRule
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Interactions:
    """n events as columns, each of shape (n,), ordered by time, then as they came."""

    user_idx: Ints
    item_idx: Ints
    kind: Codes
    """Index in ``schema.EVENT_KINDS``."""
    value: Floats
    """nan where nothing was said."""
    ts_ms: Ints
    """Milliseconds since 1970, UTC."""
    referrer_idx: Ints
    """User who shared or invited; -1 where nobody did."""

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, f.name)) for f in fields(self)}
        if len(lengths) > 1:
            raise BadInputError(f"columns of interactions differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.user_idx)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Interactions":
        """Take the rows of an index or a mask, in that order."""
        return Interactions(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def concat(first: "Interactions", second: "Interactions") -> "Interactions":
        """Join two tables, ordered by time; equal times keep ``first`` before ``second``."""
        both = Interactions(
            *(
                np.concatenate([getattr(first, f.name), getattr(second, f.name)])
                for f in fields(Interactions)
            )
        )
        return both.take(np.argsort(both.ts_ms, kind="stable"))


@dataclass(frozen=True, slots=True)
class Ties:
    """m directed ties, follower to followee, as columns of shape (m,). Undirected: stored twice."""

    src_idx: Ints
    dst_idx: Ints
    kind: Codes
    """Index in ``schema.TIE_KINDS``."""
    weight: Floats
    since_ms: Ints
    """Milliseconds since 1970, UTC; 0 where nothing was said."""

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, f.name)) for f in fields(self)}
        if len(lengths) > 1:
            raise BadInputError(f"columns of ties differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.src_idx)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Ties":
        """Take the rows of an index or a mask, in that order."""
        return Ties(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def none() -> "Ties":
        """Make ties of nobody with anybody: the same shop without its social side."""
        ints = np.zeros(0, np.int64)
        return Ties(ints, ints, np.zeros(0, np.int8), np.zeros(0, np.float32), ints)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """All that a model may see."""

    interactions: Interactions
    ties: Ties
    num_users: int
    num_items: int
    validation: Interactions | None = None
    """Targets that follow ``interactions``, to stop early on; never trained on."""
    again: Again | None = None
    """What of that which was had may be listed again when lists are made; None: nothing."""
    items: pa.Table | None = None
    """Columns of ``schema.ITEMS``, row i describes item i; None where nothing is said of them."""
    circle: Circle | None = None
    """Whom lists draw on; None: all friends."""

    def item_column(self, name: str) -> pa.ChunkedArray:
        """Give one column of the items, shape (num_items,).

        Raises:
            BadInputError: Nothing of that name is said of the items.
        """
        if self.items is None or name not in self.items.column_names:
            told = [] if self.items is None else self.items.column_names
            raise BadInputError(
                f"the training set tells no {name} of its items, only {told}: name it among the "
                "model's item_columns"
            )
        return self.items[name]

    def with_item_columns(self, names: Sequence[str]) -> "TrainingSet":
        """Keep those columns of the items alone that a model reads."""
        told = [] if self.items is None else self.items.column_names
        kept = [name for name in names if name in told]
        return replace(
            self, items=self.items.select(kept) if self.items is not None and kept else None
        )

    def without_ties(self) -> "TrainingSet":
        """Drop all ties, as if nobody knew anybody: what social lift is measured against."""
        return replace(self, ties=Ties.none())

    def with_all_friends(self) -> "TrainingSet":
        """Let lists draw on everybody: what it costs to draw on fewer is measured against it."""
        return replace(self, circle=None)


@dataclass(frozen=True, slots=True)
class Split:
    """One shop's events in three parts; ``val`` and ``test`` hold targets only."""

    name: str
    train: Interactions
    val: Interactions
    test: Interactions
    ties: Ties
    """Ties known when ``train`` ended."""
    num_users: int
    num_items: int
    between: Interactions | None = None
    """All events (not only targets) of the validation period, seen by the model that is tested;
    None where they are ``val`` itself."""
    repurchase: RepurchaseRule = field(default_factory=RepurchaseRule)
    """What may be listed again, and so be foreseen again."""
    again: tuple[Again | None, Again | None] = (None, None)
    """The same at the moments when validation and test begin."""
    items: pa.Table | None = None
    """``schema.ITEMS``, row i describes item i."""
    circle: Circle | None = None
    """Whom lists draw on; None: all friends."""

    def for_validation(self) -> TrainingSet:
        """Make the set for choosing: fit on train, judge on validation."""
        parts = self.train, self.ties, self.num_users, self.num_items
        return TrainingSet(*parts, self.val, self.again[0], self.items, self.circle)

    def for_test(self) -> TrainingSet:
        """Make the set for the last look: fit on train and validation, judge on test, once."""
        seen = Interactions.concat(self.train, self.val if self.between is None else self.between)
        parts = seen, self.ties, self.num_users, self.num_items
        return TrainingSet(*parts, again=self.again[1], items=self.items, circle=self.circle)


@dataclass(frozen=True, slots=True)
class AskedTimes:
    """When somebody shared something with a person, n times: by whom, and what, is not told."""

    user_idx: Ints
    """Who was asked, shape (n,)."""
    ts_ms: Ints

    @classmethod
    def none(cls) -> "AskedTimes":
        """Make the times of a shop where nobody was asked."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def newest(self, num_users: int, until_ms: int, most: int) -> tuple[Ints, Ints]:
        """Give the newest times of each user as rows, newest first; the same time counts once.

        Args:
            num_users: Users with a row, be it empty.
            until_ms: Later times are left out.
            most: Times kept of a user.

        Returns:
            Offsets, shape (num_users + 1,), and times.
        """
        order = np.lexsort((-self.ts_ms, self.user_idx))
        user, at = self.user_idx[order], self.ts_ms[order]
        fine = at <= until_ms
        fine[1:] &= (user[1:] != user[:-1]) | (at[1:] != at[:-1])
        user, at = user[fine], at[fine]
        rows = Ragged.of_rows(user, num_users)
        kept = rows.position < most
        return rows.where(kept).offsets, at[kept]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A whole shop, clean: rows of ``users`` and ``items`` are what ``_idx`` columns hold."""

    users: Vocab
    items: Vocab
    events: Interactions
    part: Codes
    """Per event, its index in ``schema.PARTS``; -1 outside any bundled split."""
    withheld: Interactions
    """Events of people who may not be used: nothing but their own lists draws on them."""
    ties: Ties
    catalogue: pa.Table
    """``schema.ITEMS``, row i describes item i."""
    people: pa.Table
    """``schema.USERS``, row i describes user i; who is not named there may be named and used."""
    fingerprint: str
    """Digest of the clean tables: the same data, the same fingerprint."""
    asked: AskedTimes = field(default_factory=AskedTimes.none)
    """Of everybody, also of people who may not be used: it is for nobody else."""
