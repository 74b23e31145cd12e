"""Settings of the content term, and of what items that nobody had yet get."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse

from coterie.content.words import Matrix
from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.content_graph import COLUMNS, KINDS, content_graphs
from coterie.models.content_map import ContentMap
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

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown or not self.kinds or self.neighbours < 1:
            raise BadInputError(f"kinds are some of {', '.join(KINDS)}, found {self}")

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

    def _graphs(self, data: TrainingSet) -> dict[str, Matrix]:
        """Find each item's nearest by kind; all kinds that items have count alike."""
        graphs = content_graphs(data, self.kinds, self.neighbours)
        nothing = {self.kinds[0]: sparse.csr_matrix((data.num_items, data.num_items))}
        each = 1.0 / max(len(graphs), 1)
        return {
            n: sparse.csr_matrix(g.astype(np.float64) * each) for n, g in graphs.items()
        } or nothing
