"""Words of the few items that changed, or came, after a catalogue was indexed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.content.words import Matrix
from coterie.search.spelling import Spelling

Ints = npt.NDArray[np.int64]
Halves = npt.NDArray[np.float16]


def _no_rows() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class LiveWords:
    """Counts of words of n items beside an index; replaced whole, never changed.

    A word's place is the index's, or follows those where the index does not know the word.
    """

    rows: Ints = field(default_factory=_no_rows)
    """Of the items, ascending, shape (n,)."""
    row: Ints = field(default_factory=_no_rows)
    """Of each count, where its item stands among ``rows``."""
    place: Ints = field(default_factory=_no_rows)
    """Of each count, its word's; ascending."""
    count: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    weight: Halves = field(default_factory=lambda: np.zeros(0, np.float16))
    """Of each count, what it weighs."""
    words: Mapping[str, int] = field(default_factory=dict)
    """Places of words that the index does not know."""
    spelling: Spelling | None = None
    """Of these, in their order."""

    def changed(
        self, rows: Ints, words: pa.Array, counts: Matrix, known: Mapping[str, int]
    ) -> "LiveWords":
        """Count what some items say now in the place of what they said before.

        Args:
            rows: Of the items, each once.
            words: That they have.
            counts: How much each, shape (items, words).
            known: Places of the index's words.
        """
        more = dict(self.words)
        texts = words.to_pylist()
        for word in texts:
            if word not in known and word not in more:
                more[word] = len(known) + len(more)
        places = np.array([known.get(word, more.get(word, -1)) for word in texts], np.int64)
        found = counts.tocoo()
        stays = ~np.isin(self.rows[self.row], rows)
        item = np.concatenate([self.rows[self.row][stays], rows[found.row]])
        place = np.concatenate([self.place[stays], places[found.col]])
        count = np.concatenate([self.count[stays], found.data.astype(np.float32)])
        order = np.argsort(place, kind="stable")
        every = np.union1d(self.rows, rows)
        return LiveWords(
            every,
            np.searchsorted(every, item[order]),
            place[order],
            count[order],
            np.zeros(len(order), np.float16),
            more,
            self.spelling
            if len(more) == len(self.words)
            else Spelling(pa.array(list(more), pa.string())),
        )

    def weighed(self, weight: Halves) -> "LiveWords":
        """Say what each count weighs."""
        return replace(self, weight=weight)

    def postings(self, place: int) -> tuple[Ints, npt.NDArray[np.float32]]:
        """Give the items that have the word of a place, by place in ``rows``, and its weights."""
        first, end = np.searchsorted(self.place, (place, place + 1))
        return self.row[first:end], self.weight[first:end].astype(np.float32)

    def num_items_of(self, first: int) -> Ints:
        """Count the items that have each of the words whose places begin at ``first``."""
        own = self.place[np.searchsorted(self.place, first) :] - first
        return np.bincount(own, minlength=len(self.words))
