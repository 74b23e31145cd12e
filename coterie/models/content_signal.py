"""Settings of the content term, and vectors for items that nobody had yet."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.models.content_graph import COLUMNS, KINDS, Matrix, content_graphs
from coterie.models.engagement import engagement
from coterie.recommend.batches import Community
from coterie.recommend.content import ContentTerm
from coterie.recommend.linear import LinearPart
from coterie.recommend.terms import Parameters


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

    def graph(self, data: TrainingSet) -> Matrix:
        """Find each item's nearest in all kinds together, (items, items)."""
        return ContentTerm(self._graphs(data)).near

    def _graphs(self, data: TrainingSet) -> dict[str, Matrix]:
        """Find each item's nearest by kind; all kinds that items have count alike."""
        graphs = content_graphs(data, self.kinds, self.neighbours)
        nothing = {self.kinds[0]: sparse.csr_matrix((data.num_items, data.num_items))}
        each = 1.0 / max(len(graphs), 1)
        return {
            n: sparse.csr_matrix(g.astype(np.float64) * each) for n, g in graphs.items()
        } or nothing


def fill_cold(
    parameters: Parameters, linear: LinearPart | None, graph: Matrix, data: TrainingSet
) -> tuple[Parameters, LinearPart | None]:
    """Give items that nobody had the mean vectors of their neighbours in content.

    Others keep theirs to the bit. An item without a neighbour that somebody had keeps its own.

    Args:
        parameters: What was learned, ``item_in`` and its like.
        linear: The closed form; None where it counts nothing.
        graph: What an item says for others, (items, items).
        data: What was learned from.
    """
    had = np.asarray(engagement(data).sum(axis=0)).ravel() > 0
    toward = (sparse.diags_array(had.astype(np.float32)) @ graph).T.tocsr()
    whole = np.asarray(toward.sum(axis=1)).ravel()
    filled = np.flatnonzero(~had & (whole > 0))
    if not len(filled):
        return parameters, linear
    mean = sparse.diags_array(1.0 / whole[filled]) @ toward[filled]

    def of(table: torch.Tensor) -> torch.Tensor:
        found = table.clone()
        values: npt.NDArray[Any] = mean @ table.double().numpy()
        found[filled] = torch.from_numpy(values).to(table.dtype)
        return found

    tables = {name: of(parameters[name]) for name in ("item_in", "item_out", "item_bias")}
    if linear is not None:
        linear = replace(linear, own=of(linear.own), friend=of(linear.friend), out=of(linear.out))
    return parameters | tables, linear
