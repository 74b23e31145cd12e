"""A heterogeneous graph transformer (HGT: Hu et al., 2020, arXiv:2003.01332) over the whole shop.

As ``gatv2``, from the same trees, but each kind of node and of edge has weights of its own, and
items are also told by what the shop says of them: their content vectors, and the categories above
them, which are nodes. So an item that nobody had yet is found by what it is.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, cast

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import TrainingSet
from coterie.models.content_graph import COLUMNS, kinds_of
from coterie.models.content_map import content_features
from coterie.models.engagement import engagement
from coterie.models.gatv2 import (
    AttentionNetwork,
    Edges,
    GATv2,
    GATv2Config,
    GATv2Trainee,
    Nodes,
)
from coterie.models.neighbour_trees import EdgeType

OF: Final[EdgeType] = ("category", "of", "item")
_CATEGORY: Final = "category"


@dataclass(frozen=True, slots=True)
class HGTConfig(GATv2Config):
    """As for ``gatv2``, and what is read of items."""

    use_categories: bool = True
    """Whether categories, on every level of their path, are nodes that tell of items."""
    use_content: bool = True
    """Whether words, and vectors of pictures and the like, tell of items."""


class TransformerNetwork(AttentionNetwork):
    """Computes shoppers' states from trees of neighbours, and items from what they are."""

    def __init__(self, config: GATv2Config, data: TrainingSet):
        super().__init__(config, data)
        assert isinstance(config, HGTConfig)
        size = config.embedding_size
        self.content: torch.Tensor
        self.above: torch.Tensor
        self.known: torch.Tensor
        known = np.asarray(engagement(data).sum(axis=0)).reshape(-1, 1) > 0
        self.register_buffer("known", torch.from_numpy(known.astype(np.float32)))
        content = content_features(data, kinds_of(data) if config.use_content else ())
        self.register_buffer("content", torch.from_numpy(content.astype(np.float32)))
        self.content_in = self.content_out = self.of_category = None
        if content.shape[1]:
            self.content_in = nn.Linear(content.shape[1], size, bias=False)
            self.content_out = nn.Linear(content.shape[1], size, bias=False)
        above, categories = categories_above(data if config.use_categories else None)
        self.register_buffer("above", torch.from_numpy(above))
        if categories:
            self.category = nn.Parameter(torch.randn(categories, size) * 0.1)
            self.of_category = self._convolution([OF])

    def _convolution(self, edges: list[EdgeType]) -> nn.Module:
        from torch_geometric.nn import HGTConv

        kinds = sorted({kind for edge in edges for kind in (edge[0], edge[2])})
        size, heads = self.config.embedding_size, self.config.attention_heads
        conv = HGTConv(size, size, (kinds, edges), heads)
        # Weights of nodes that nobody tells would learn nothing, and workers would wait for them.
        for kind in set(kinds) - {edge[2] for edge in edges}:
            del conv.out_lin.lins[kind]
            del conv.skip[kind]
        return cast(nn.Module, conv)

    def _told(self, convolve: nn.Module, nodes: Nodes, known: Nodes, edges: Edges) -> Nodes:
        kinds = {kind for edge in edges for kind in (edge[0], edge[2])}
        told = convolve({kind: nodes[kind] for kind in sorted(kinds)}, edges)
        # The layer has a way past it of its own.
        return {k: told[k][: len(known[k])] if k in told else known[k] for k in known}

    def items_in(self) -> torch.Tensor:
        """See ``AttentionNetwork``."""
        items = self.item_in * self.known
        if self.content_in is not None:
            items = items + self.content_in(self.content)
        if self.of_category is None:
            return items
        told: Nodes = self.of_category({_CATEGORY: self.category, "item": items}, {OF: self.above})
        return told["item"]

    def items_out(self) -> torch.Tensor:
        """See ``AttentionNetwork``."""
        # A vector of an item that nobody had would be learned as what nobody wants.
        items = self.item_out * self.known
        if self.content_out is not None:
            items = items + self.content_out(self.content)
        return F.normalize(items, dim=1)


class HGTTrainee(GATv2Trainee):
    """The network with the softmax of ``gatv2``."""

    network_class: ClassVar[type[AttentionNetwork]] = TransformerNetwork


class HGT(GATv2):
    """The deeper graph model with contents and categories; as ``gatv2`` not releasable."""

    name: ClassVar[str] = "hgt"
    label: ClassVar[str] = "HGT"
    config_class: ClassVar[type[GATv2Config]] = HGTConfig
    trainee_class: ClassVar[type[GATv2Trainee]] = HGTTrainee
    item_columns: tuple[str, ...] = COLUMNS


def categories_above(data: TrainingSet | None) -> tuple[np.ndarray, int]:
    """Find the categories of items: each part of a path ("Home", "Home/Pans") is one.

    Returns:
        Rows of categories and of items that they are above, shape (2, edges), int64; and how many
        categories there are. None of both where nothing is said.
    """
    told = data is not None and data.items is not None and _CATEGORY in data.items.column_names
    paths = data.item_column(_CATEGORY).cast(pa.string()).to_pylist() if data and told else []
    number: dict[str, int] = {}
    edges = [
        (number.setdefault(path[:end], len(number)), item)
        for item, path in enumerate(paths)
        if path
        for end in (*(at for at, letter in enumerate(path) if letter == "/"), len(path))
    ]
    return np.array(edges, np.int64).reshape(-1, 2).T.copy(), len(number)
