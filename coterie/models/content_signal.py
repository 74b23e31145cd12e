"""Settings of the content term, and of what items that nobody had yet get."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse

from coterie.content.words import Matrix
from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.content_graph import COLUMNS, KINDS, WORDS, content_graphs
from coterie.models.content_map import ContentMap
from coterie.models.content_rows import words_of_known
from coterie.recommend.batches import Community
from coterie.recommend.content import ContentTerm


@dataclass(frozen=True, slots=True)
class ContentSignal:
    """Neighbours in content, as an item signal (``signals.ItemSignal``)."""

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    share: float | None = 0.0
    """Of the score; 0 leaves it out, None: validation chooses."""
    kinds: tuple[str, ...] = KINDS
    """Of ``content_graph.KINDS``; those that items have count alike."""
    neighbours: int = 20
    """In each kind, of each item."""
    new_item_bonus: float | None = None
    """Of items that nobody had, beside what content maps to them, in units of the scores' spread;
    None: validation finds it, 0 where there is none."""
    row_weight: float | None = None
    """Weight of words as rows of the closed form, beside shoppers' (``content_rows``); 0: none.
    None: validation chooses, of none where content is left out or there is no validation."""

    in_training: bool = False
    """Whether vectors and biases of items are, in training, what is learned of each and a linear
    map of its content, both learned together; items of which little is known gain by those that
    are described alike."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown or not self.kinds or self.neighbours < 1:
            raise BadInputError(f"kinds are some of {', '.join(KINDS)}, found {self}")
        if self.row_weight is not None and not 0 <= self.row_weight < math.inf:
            raise BadInputError(f"row_weight must not be below 0, found {self.row_weight}")

    @property
    def is_read(self) -> bool:
        """Whether anything is made of content: a term, rows of the closed form, or a map."""
        return self.share != 0 or bool(self.row_weight) or self.in_training

    def fit(
        self,
        data: TrainingSet,
        community: Community,  # noqa: ARG002
        device: torch.device | str,  # noqa: ARG002
    ) -> ContentTerm:
        """See ``signals.ItemSignal``."""
        return ContentTerm(self._graphs(data))

    def map_of(self, data: TrainingSet) -> ContentMap:
        """Map content to what is learned of items."""
        return ContentMap.of(data, self.kinds)

    def rows_of(self, data: TrainingSet) -> Matrix:
        """Find the rows that content adds to the closed form, (rows, items)."""
        return (
            words_of_known(data) if WORDS in self.kinds else sparse.csr_matrix((0, data.num_items))
        )

    def _graphs(self, data: TrainingSet) -> dict[str, Matrix]:
        """Find each item's nearest by kind; all kinds that items have count alike."""
        graphs = content_graphs(data, self.kinds, self.neighbours)
        nothing = {self.kinds[0]: sparse.csr_matrix((data.num_items, data.num_items))}
        each = 1.0 / max(len(graphs), 1)
        return {
            n: sparse.csr_matrix(g.astype(np.float64) * each) for n, g in graphs.items()
        } or nothing
