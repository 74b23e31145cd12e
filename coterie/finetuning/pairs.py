"""Pairs of items that the same people had: what a contrastive loss learns from, and stops by."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from typing import Any, Final

import fsspec
import numpy as np
import numpy.typing as npt

from coterie.data.stores import options_of
from coterie.errors import BadInputError
from coterie.files import write_atomically

Ints = npt.NDArray[np.int64]
MAX_HELD_OUT: Final = 2_000
"""Held-out pairs and candidates that are looked at after each epoch."""
_COLUMNS: Final = ("users", "items", "anchors", "targets", "candidates")


@dataclass(frozen=True, eq=False)
class ItemPairs:
    """What is learned from: who had which items, and pairs that are held out of it."""

    texts: tuple[str, ...]
    """Of each item; empty: it is in no pair."""
    users: Ints
    """Of each thing that somebody had, sorted, shape (n,)."""
    items: Ints
    """What it was, shape (n,); no held-out item is among them."""
    anchors: Ints
    """Items that were learned from, shape (h,)."""
    targets: Ints
    """What the same people had beside: held-out items, shape (h,)."""
    candidates: Ints
    """All held-out items among which a target is looked for."""

    @classmethod
    def of(cls, had: Any, texts: Sequence[str], held_out_share: float, seed: int) -> "ItemPairs":
        """Hold some items out of what people had.

        Args:
            had: Who had what, sparse, shape (users, items), of training events alone.
            texts: Of each item.
            held_out_share: Share of the items with a text that are held out.
            seed: Of which they are.

        Raises:
            BadInputError: Nobody had two items that say something, or nothing could be held out.
        """
        rng = np.random.default_rng(seed)
        cells = had.tocoo()
        said = np.array([bool(text.strip()) for text in texts])
        users, items = cells.row.astype(np.int64), cells.col.astype(np.int64)
        kept = said[items]
        order = np.lexsort((items[kept], users[kept]))
        users, items = users[kept][order], items[kept][order]
        known = np.unique(items)
        count = round(held_out_share * len(known))
        held = np.zeros(len(texts), bool)
        held[rng.permutation(known)[:count]] = True
        learned = ~held[items]
        anchors, targets = _held_out(users, items, learned, rng)
        found = cls(
            tuple(texts),
            users[learned],
            items[learned],
            anchors,
            targets,
            np.unique(np.concatenate([targets, np.flatnonzero(held)[:MAX_HELD_OUT]])),
        )
        if found.num_pairs == 0 or len(anchors) == 0:
            raise BadInputError(
                f"{len(items)} events of {len(known)} items with a text give {found.num_pairs} "
                f"pairs to learn from and {len(anchors)} to hold out: nobody had two such items"
            )
        return found

    @property
    def num_pairs(self) -> int:
        """Count the pairs of one drawing: half of what each person had."""
        return int((np.bincount(self.users) // 2).sum()) if len(self.users) else 0

    def draw(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Pair what each person had at random, in random order, shape (num_pairs, 2)."""
        order = np.lexsort((rng.random(len(self.users)), self.users))
        users, items = self.users[order], self.items[order]
        first = np.r_[True, users[1:] != users[:-1]]
        starts = np.flatnonzero(first)
        place = np.arange(len(users)) - np.repeat(starts, np.diff(np.r_[starts, len(users)]))
        left = np.flatnonzero((place[:-1] % 2 == 0) & (users[1:] == users[:-1]))
        pairs = np.column_stack([items[left], items[left + 1]])
        return pairs[rng.permutation(len(pairs))]

    def digest(self) -> str:
        """Hash all of it, hexadecimal."""
        whole = blake2b(digest_size=16)
        for name in _COLUMNS:
            column = getattr(self, name)
            whole.update(f"{name} {column.shape}".encode() + column.tobytes())
        for text in self.texts:
            whole.update(f"{len(text)} {text}".encode())
        return whole.hexdigest()

    def write(self, path: str) -> None:
        """Write it to ``path``, local or remote, for workers."""
        content = BytesIO()
        said = np.frombuffer("\0".join(self.texts).encode(), np.uint8)
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        np.savez(content, allow_pickle=False, texts=said, **columns)
        if "://" not in path:
            write_atomically(path, content.getbuffer())
            return
        with fsspec.open(path, "wb", **options_of(path)) as file:
            file.write(content.getbuffer())

    @classmethod
    def read(cls, path: str) -> "ItemPairs":
        """Read back what :meth:`write` wrote.

        Raises:
            BadInputError: The file is missing, or holds no pairs.
        """
        try:
            with fsspec.open(path, "rb", **options_of(path)) as file:
                loaded = np.load(BytesIO(file.read()), allow_pickle=False)
            texts = loaded["texts"].tobytes().decode().split("\0")
            return cls(tuple(texts), *(loaded[name] for name in _COLUMNS))
        except (OSError, ValueError, KeyError) as error:
            raise BadInputError(f"{path} holds no pairs of items: {error}") from error


def _held_out(
    users: Ints, items: Ints, learned: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Pair held-out items with something learned that the same person had, at random."""
    counts = np.bincount(users[learned], minlength=users.max(initial=-1) + 1)
    starts = np.cumsum(counts) - counts
    asked = np.flatnonzero(~learned & (counts[users] > 0)) if len(users) else np.zeros(0, np.int64)
    asked = rng.permutation(asked)[:MAX_HELD_OUT]
    of = users[asked]
    anchors = items[learned][starts[of] + (rng.random(len(of)) * counts[of]).astype(np.int64)]
    return anchors, items[asked]
