"""Which rows each step of an epoch learns from, when one or several workers share it."""

import torch

from coterie.errors import BadInputError


class BatchOrder:
    """Rows 0 to n - 1 in a new random order every epoch, cut into batches of one size.

    A batch is shared by the workers, so that its size, and with it what is learned, does not
    depend on how many there are. The last batch is filled up from the epoch's start.
    """

    def __init__(self, num_rows: int, batch_size: int, seed: int, device: torch.device):
        if num_rows < 1 or batch_size < 1:
            raise BadInputError(f"batches of {batch_size} from {num_rows} rows: both start at 1")
        self._num_rows, self._size = num_rows, min(batch_size, num_rows)
        self._seed, self._device = seed, device
        self._epoch, self._rows = -1, torch.zeros(0, dtype=torch.int64)

    def num_batches(self, world: int) -> int:
        """Count the steps of an epoch: the same however many workers share them."""
        del world
        return -(-self._num_rows // self._size)

    def rows(self, epoch: int, step: int, rank: int, world: int) -> torch.Tensor:
        """Take one worker's rows of a step, shape (ceil(batch_size / world),)."""
        if epoch != self._epoch:
            order = torch.randperm(self._num_rows, generator=self.generator(epoch))
            self._epoch, self._rows = epoch, order.to(self._device)
        share = -(-self._size // world)
        start = step * self._size + rank * share
        indices = torch.arange(start, start + share, device=self._device) % self._num_rows
        return self._rows[indices]

    def generator(self, epoch: int, step: int = -1) -> torch.Generator:
        """Seed random numbers of a step, or of an epoch, on the CPU; the same for every worker."""
        seed = (self._seed * 1_000_003 + epoch) * 1_000_003 + step + 1
        return torch.Generator().manual_seed(seed % 2**63)
