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
from coterie.models.space import Choice, Tuning, Uniform
from coterie.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ItemKNNConfig:
    """How near is near."""

    neighbours: int = 200
    """Kept an item, the most alike, and whatever is as near as the last of them."""
    shrinkage: float = 10.0
    """Added to the product of norms: few common shoppers are weak evidence."""
    popularity_power: float = 0.5
    """Likeness is common shoppers over popularity to this power, of both items; .5 is cosine."""
    block: int = 1024
    """Items compared with all others at a time: memory is up to block x items x 12 bytes."""

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.block < 1 or self.shrinkage < 0:
            raise BadInputError(f"neighbours and block start at 1, shrinkage at 0, found {self}")


class ItemKNN:
    """Cosine with shrinkage between items' shoppers, the nearest kept, summed over a history."""

    name: ClassVar[str] = "item_knn"
    label: ClassVar[str] = "Item-kNN"
    config_class: ClassVar[type[ItemKNNConfig]] = ItemKNNConfig
    tuning: ClassVar[Tuning] = Tuning(
        {"neighbours": Choice((20, 50, 100, 200, 500, 1000)), "shrinkage": Uniform(0.0, 60.0)}
    )
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: ItemKNNConfig = ItemKNNConfig()):
        self.config = config
        self._had = sp.csr_matrix(np.zeros((0, 0), np.float32))
        self._neighbours = self._had

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """Compare every item with all others, a block of items at a time."""
        had = engagement(data)
        by_item = had.T.tocsr()
        popularity = np.asarray(had.sum(axis=0), np.float32).ravel()
        norms = np.power(popularity, np.float32(self.config.popularity_power))
        blocks = []
        for start in range(0, data.num_items, self.config.block):
            progress("comparing items", start, data.num_items)
            alike = self._likeness(by_item[start : start + self.config.block], had, norms, start)
            blocks.append(_nearest(alike, self.config.neighbours))
        self._neighbours = sp.csr_matrix(sp.vstack(blocks, format="csr"))
        self._had = had
        progress("comparing items", data.num_items, data.num_items)

    def _likeness(
        self,
        block: sp.csr_matrix,
        had: sp.csr_matrix,
        norms: npt.NDArray[np.float32],
        start: int,
    ) -> sp.csr_matrix:
        """Compare a block of items with all, shape (block, num_items); 0 with themselves."""
        alike = sp.csr_matrix(block @ had)
        row = np.repeat(np.arange(start, start + block.shape[0]), np.diff(alike.indptr))
        alike.data /= norms[row] * norms[alike.indices] + np.float32(self.config.shrinkage)
        alike.data[row == alike.indices] = 0.0
        alike.eliminate_zeros()
        return alike

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        check_users(np.zeros(0, np.int64), self._had.shape[0])
        self._had = engagement(data)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``."""
        check_users(user_idx, self._had.shape[0])
        return np.asarray((self._had[user_idx] @ self._neighbours.T).toarray(), np.float32)


def _nearest(alike: sp.csr_matrix, most: int) -> sp.csr_matrix:
    """Keep each row's ``most`` largest weights, and all that equal the last of them."""
    counts = np.diff(alike.indptr)
    longer = np.flatnonzero(counts > most)
    least = np.zeros(alike.shape[0], np.float32)
    if len(longer):
        ordered = np.partition(-alike[longer].toarray(), most - 1, axis=1)
        least[longer] = -ordered[:, most - 1]
    alike.data[alike.data < np.repeat(least, counts)] = 0.0
    alike.eliminate_zeros()
    return alike
