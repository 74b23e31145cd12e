"""Histories in the order of time, ragged, and the windows of bounded length that models read."""

from dataclasses import dataclass

import numpy as np
import torch

from coterie.data.dataset import Ints, TrainingSet
from coterie.data.polarity import Entries, liked
from coterie.data.ragged import Ragged


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of tokens, one after the other or overlapping, shape (n,) each."""

    start: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class OrderedHistories:
    """What each shopper had, oldest first, behind a token that begins every history."""

    rows: Ragged
    """A row a shopper; the first entry of each is the beginning."""
    token: Ints
    """Rows of items; ``num_items`` where a history begins."""

    @classmethod
    def of(cls, data: TrainingSet) -> "OrderedHistories":
        """Put in order what everybody had and liked: an item once, where it came last."""
        had = data.interactions.take(liked(data.interactions))
        entries, newest = Entries.of(had).collapse()
        order = np.lexsort((newest, entries.ts_ms, entries.person))
        rows = Ragged.of(np.bincount(entries.person, minlength=data.num_users) + 1)
        token = np.full(int(rows.offsets[-1]), data.num_items, np.int64)
        token[rows.position > 0] = entries.item[order]
        return cls(rows, token)

    def newest(self, most: int) -> Spans:
        """Give the newest tokens of every shopper, ``most`` at most: what a score is made from."""
        count = np.minimum(self.rows.counts, most)
        return Spans(self.rows.offsets[1:] - count, count)

    def to_learn(self, most: int) -> Spans:
        """Cut histories into windows of ``most`` tokens and the one that follows them, from the
        newest backwards, so that each item is to be foreseen once."""
        windows = Ragged.of(-(-(self.rows.counts - 1) // most))
        end = self.rows.offsets[1:][windows.row] - windows.position * most
        start = np.maximum(self.rows.offsets[:-1][windows.row], end - most - 1)
        return Spans(start, end - start)


class Windows:
    """Spans of histories on a device, to be had there padded, without waiting for it."""

    def __init__(self, histories: OrderedHistories, spans: Spans, device: torch.device):
        self._token = torch.from_numpy(histories.token).to(device)
        self._start = torch.from_numpy(spans.start).to(device)
        self._count = torch.from_numpy(spans.count).to(device)
        self._longest = int(spans.count.max(initial=1))

    def __len__(self) -> int:
        return len(self._start)

    def take(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the tokens of some windows, and which are there, shape (len(rows), width) each.

        Padding stands behind a window, so that nothing before it can look at it. On a GPU the
        width is always that of the longest window: to know that of a batch it would have to wait.
        """
        start, count = self._start[rows], self._count[rows]
        is_known = rows.device.type == "cpu" and len(rows) > 0
        width = int(count.max()) if is_known else self._longest
        place = torch.arange(width, device=rows.device)
        there = place < count[:, None]
        return self._token[start[:, None] + torch.where(there, place, 0)], there
