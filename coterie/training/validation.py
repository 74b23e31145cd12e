"""The score that training stops on: NDCG over the full ranking, in torch, on the model's device."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from coterie.data.dataset import Interactions, Ints, TrainingSet
from coterie.data.hidden import hidden_pairs

Score = Callable[[torch.Tensor], torch.Tensor]
"""User rows, shape (b,), to scores of all items, shape (b, num_items)."""
MAX_USERS = 4_000
"""Users that are looked at, drawn once: their mean is within a hundredth or so of everybody's."""


class Validation:
    """The validation targets of a training set, ready to be asked again after every epoch."""

    def __init__(self, data: TrainingSet, device: torch.device, k: int = 20, rows: int = 256):
        held_out = data.validation
        wanted = np.zeros(0, np.int64) if held_out is None else _pairs(held_out, data.num_items)
        own = hidden_pairs(data.interactions, data.num_items, data.again)
        wanted = np.setdiff1d(wanted, own, assume_unique=True)
        users = np.unique(wanted // data.num_items)
        if len(users) > MAX_USERS:
            rng = np.random.default_rng(0)
            users = np.sort(rng.choice(users, MAX_USERS, replace=False))
            wanted = wanted[np.isin(wanted // data.num_items, users)]
        row = np.searchsorted(users, wanted // data.num_items)
        self._k, self._rows = min(k, data.num_items), rows
        self._users = torch.from_numpy(users).to(device)
        self._wanted = _Cells(row, wanted % data.num_items, len(users), device)
        seen = own[np.isin(own // data.num_items, users)]
        seen_row = np.searchsorted(users, seen // data.num_items)
        self._seen = _Cells(seen_row, seen % data.num_items, len(users), device)
        gains = 1.0 / torch.log2(torch.arange(self._k, device=device) + 2.0)
        self._gains, self._ideal = gains, gains.cumsum(0)

    def __len__(self) -> int:
        """Count users with something to foresee."""
        return len(self._users)

    def ndcg(self, score: Score) -> float | None:
        """Average NDCG@k over users with targets; None where nobody has any.

        Items that are hidden from a user are masked, unless they are asked for nothing else.
        """
        each = self.ndcg_of_each(lambda users: score(users)[None], 1)
        return each[0] if each else None

    def ndcg_of_each(self, score: Score, n: int) -> list[float]:
        """Average NDCG@k of n scores at once, which ``score`` stacks, shape (n, b, num_items)."""
        if len(self) == 0:
            return []
        total = torch.zeros(n, device=self._users.device)
        for block in self._blocks(score):
            total += block.sum(1)
        return [float(part) / len(self) for part in total]

    def ndcg_by_shopper(self, score: Score, n: int) -> npt.NDArray[np.float64]:
        """Tell NDCG@k of n scores, as ``ndcg_of_each`` does, of each shopper, (n, shoppers)."""
        blocks = [block.double().cpu().numpy() for block in self._blocks(score)]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((n, 0))

    def _blocks(self, score: Score) -> Iterator[torch.Tensor]:
        """Tell NDCG@k of some shoppers after others, (n, b)."""
        for start in range(0, len(self), self._rows):
            stop = min(start + self._rows, len(self))
            scores = score(self._users[start:stop]).float().clone()
            row, item = self._seen.between(start, stop)
            scores[:, row, item] = -torch.inf
            ranked = scores.topk(self._k, dim=2).indices
            row, item = self._wanted.between(start, stop)
            hits = torch.zeros(scores.shape[1:], dtype=torch.bool, device=scores.device)
            hits[row, item] = True
            dcg = (hits.expand_as(scores).gather(2, ranked) * self._gains).sum(2)
            count = torch.bincount(row, minlength=stop - start).clamp(1, self._k)
            yield dcg / self._ideal[count - 1]


class _Cells:
    """Marked cells of a (users, items) table, sorted by user, to be had a block at a time."""

    def __init__(self, row: Ints, item: Ints, num_rows: int, device: torch.device):
        self._row = torch.from_numpy(row).to(device)
        self._item = torch.from_numpy(item).to(device)
        self._bounds = np.searchsorted(row, np.arange(num_rows + 1))

    def between(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Take rows (from 0) and items of the cells of users start to stop."""
        cells = slice(int(self._bounds[start]), int(self._bounds[stop]))
        return self._row[cells] - start, self._item[cells]


def _pairs(events: Interactions, num_items: int) -> Ints:
    """Encode distinct (user, item) pairs as sorted numbers."""
    return np.unique(events.user_idx * num_items + events.item_idx)
