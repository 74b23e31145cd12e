"""Item-kNN: an item is worth what its nearest neighbours in the shopper's history say."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ItemKNNConfig:
    """How near is near."""

    neighbours: int = 200
    """Kept an item, the most alike."""
    shrinkage: float = 10.0
    """Added to the product of norms: few common shoppers are weak evidence."""
    popularity_power: float = 0.5
    """Likeness is common shoppers over popularity to this power, of both items; .5 is cosine."""
    block: int = 1024
    """Items compared with all others at a time: memory is block x items x 4 bytes."""

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.block < 1 or self.shrinkage < 0:
            raise BadInputError(f"neighbours and block start at 1, shrinkage at 0, found {self}")


class ItemKNN:
    """Cosine with shrinkage between items' shoppers, the nearest kept, summed over a history."""

    name: ClassVar[str] = "item_knn"

    def __init__(self, config: ItemKNNConfig = ItemKNNConfig()):
        self.config = config
        self._had = sp.csr_matrix(np.zeros((0, 0), np.float32))
        self._neighbours = self._had

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """Compare every item with all others, a block of items at a time."""
        had = engagement(data)
        by_item = had.T.tocsr()
        norms = np.power(np.asarray(had.sum(axis=0)).ravel(), self.config.popularity_power)
        blocks = []
        for start in range(0, data.num_items, self.config.block):
            progress("comparing items", start, data.num_items)
            blocks.append(self._nearest(by_item, had, norms.astype(np.float32), start))
        self._neighbours = sp.csr_matrix(sp.vstack(blocks, format="csr"))
        self._had = had
        progress("comparing items", data.num_items, data.num_items)

    def _nearest(
        self,
        by_item: sp.csr_matrix,
        had: sp.csr_matrix,
        norms: npt.NDArray[np.float32],
        start: int,
    ) -> sp.csr_matrix:
        """Weights of a block's nearest neighbours, shape (block, num_items)."""
        stop = min(start + self.config.block, len(norms))
        common = (by_item[start:stop] @ had).toarray()
        alike = common / (norms[start:stop, None] * norms[None, :] + self.config.shrinkage + 1e-9)
        rows = np.arange(stop - start)
        alike[rows, rows + start] = 0.0
        kept = min(self.config.neighbours, len(norms) - 1)
        nearest = (
            np.argpartition(-alike, kept - 1, axis=1)[:, :kept] if kept else rows[:, None][:, :0]
        )
        weights = np.take_along_axis(alike, nearest, axis=1)
        offsets = np.arange(stop - start + 1) * kept
        block = sp.csr_matrix(
            (weights.ravel(), nearest.ravel(), offsets), shape=(stop - start, len(norms))
        )
        block.eliminate_zeros()
        return block

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        check_users(user_idx, self._had.shape[0])
        return np.asarray((self._had[user_idx] @ self._neighbours.T).toarray(), np.float32)
