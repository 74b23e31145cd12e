"""A graph network with attention (GATv2: Brody et al., 2022, arXiv:2105.14491), for newcomers too.

No shopper is learned: a shopper's state is computed from what they and their neighbours had, so
ties alone are enough for one. What tells of what (items of shoppers, friends of friends, shoppers
of items) has a convolution each (``HeteroConv``). Neighbours are drawn: a step's cost is bounded.
"""

import copy
import math
import warnings
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Ties, TrainingSet
from coterie.data.polarity import liked
from coterie.errors import BadInputError
from coterie.graph.interactions import interaction_matrix
from coterie.graph.ties import tie_matrix
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.models.neighbour_trees import (
    HAD,
    HAD_BY,
    TIE,
    EdgeType,
    FanOut,
    NeighbourGraph,
    NeighbourTrees,
)
from coterie.models.space import Choice, LogUniform, Tuning, Uniform
from coterie.progress import Progress, silent
from coterie.training.batch_order import BatchOrder
from coterie.training.history import TrainingHistory
from coterie.training.loop import LoopConfig, Trainee, run_epochs
from coterie.training.validation import Validation

Nodes = dict[str, torch.Tensor]
"""Vectors by kind of node, shape (n, size)."""
Edges = dict[EdgeType, torch.Tensor]
"""Rows that tell and are told, shape (2, n), by kind of edge."""
_MASKED = -1e4
"""Score of what is left out of a softmax; finite, for who had every item of it."""
_TIMES = 4
"""How many times as many neighbours of a shopper lists see as a step."""
_ROWS = 256
"""Shoppers whose lists' trees are drawn at once."""


@dataclass(frozen=True, slots=True)
class GATv2Config:
    """Its size, how much of the graph it sees, and its loss."""

    embedding_size: int = 64
    """Numbers of an item, and of a state."""
    attention_heads: int = 4
    """Parts of a state, each with an attention of its own."""
    hops: int = 2
    """Layers, and how far a shopper sees: 1 are own items, 2 also friends' items, 3 also friends'
    friends, and what shoppers had who had the same items."""
    own_items: int = 48
    """Own items of a step; lists see four times as many."""
    friends: int = 8
    """Friends of a step; lists see four times as many. Others than the shopper have a quarter."""
    items: int = 16
    """Items of anybody else."""
    buyers: int = 4
    """Shoppers of an item."""
    entry_dropout: float = 0.5
    """Share of a shopper's items that is hidden in a step and has to be found again."""
    newcomer_share: float = 0.2
    """Share of the shoppers of a step all of whose items are hidden: friends have to do."""
    inverse_temperature: float = 8.0
    """Of the softmax over cosines: higher is surer of few items."""
    negatives: int = 4096
    """Items of a step's softmax, beside what was had; all of a smaller catalogue."""
    batch_size: int = 128
    """Shoppers a step, over all workers."""
    use_ties: bool = True
    """Whether friends are neighbours."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(lr=5e-3, patience=10))
    """Epochs, and how fast to learn."""

    def __post_init__(self) -> None:
        numbers = (self.embedding_size, self.attention_heads, self.hops, self.negatives)
        drawn = (self.own_items, self.friends, self.items, self.buyers)
        if min(*numbers, *drawn) < 1 or not self.inverse_temperature > 0:
            raise BadInputError(f"sizes, hops and temperature must be over 0, found {self}")
        if self.embedding_size % self.attention_heads:
            raise BadInputError(
                f"{self.attention_heads} heads share {self.embedding_size} numbers: choose heads "
                "that divide them"
            )
        if not (0 < self.entry_dropout < 1 and 0 <= self.newcomer_share < 1):
            raise BadInputError(f"shares of what is hidden must be under 1, found {self}")

    def fan_out(self, times: int = 1) -> FanOut:
        """Say how many neighbours a node has, about a shopper ``times`` as many."""
        friends = self.friends * times if self.use_ties else 0
        return FanOut(self.own_items * times, friends, self.items, self.buyers)


class AttentionNetwork(nn.Module):
    """Computes shoppers' states from trees of neighbours."""

    def __init__(self, config: GATv2Config, data: TrainingSet):
        super().__init__()
        size, num_items = config.embedding_size, data.num_items
        self.config = config
        self.item_in = nn.Parameter(torch.randn(num_items, size) * 0.1)
        self.item_out = nn.Parameter(torch.randn(num_items, size) * 0.1)
        self.item_bias = nn.Parameter(torch.zeros(num_items))
        self.nobody = nn.Parameter(torch.zeros(size))
        """State of whom nothing is known of."""
        layers, self._edges = [], list[list[EdgeType]]()
        for layer in range(1, config.hops + 1):
            # At first all shoppers are the same, and tell nothing.
            edges = [HAD] if layer == 1 else [HAD, TIE] if config.use_ties else [HAD]
            edges += [HAD_BY] if 1 < layer < config.hops else []
            self._edges.append(edges)
            layers.append(self._convolution(edges))
        self.layers = nn.ModuleList(layers)

    def _convolution(self, edges: list[EdgeType]) -> nn.Module:
        """Make a layer in which nodes are told along these kinds of edges."""
        from torch_geometric.nn import GATv2Conv, HeteroConv

        size, heads = self.config.embedding_size, self.config.attention_heads
        conv = {
            e: GATv2Conv((size, size), size // heads, heads, add_self_loops=False) for e in edges
        }
        with warnings.catch_warnings():
            # Items of the last layers are told nothing by anybody, and need not be.
            warnings.filterwarnings("ignore", "There exist node types")
            return cast(nn.Module, HeteroConv(conv, aggr="sum"))

    def _told(self, convolve: nn.Module, nodes: Nodes, known: Nodes, edges: Edges) -> Nodes:
        """Compute what a layer makes of ``known``, the first of ``nodes``; not of the last layer
        alone, since it is told by the others.

        Args:
            convolve: Of ``_convolution``.
            nodes: Of each kind, shape (n, size).
            known: The first of these, which stay, shape (k, size).
            edges: Rows that tell and are told, shape (2, e), by kind.
        """
        pairs = {edge: (nodes[edge[0]], known[edge[2]]) for edge in edges}
        change = convolve(pairs, edges)
        if convolve is not self.layers[-1]:
            change = {kind: F.elu(found) for kind, found in change.items()}
        return {k: known[k] + change[k] if k in change else known[k] for k in known}

    def items_in(self) -> torch.Tensor:
        """Give what items tell of who had them, shape (items, size)."""
        return self.item_in

    def items_out(self) -> torch.Tensor:
        """Give what items are found by, of length 1, shape (items, size)."""
        return F.normalize(self.item_out, dim=1)

    def forward(self, trees: NeighbourTrees, items: torch.Tensor | None = None) -> torch.Tensor:
        """Compute the state of whom each tree is about, shape (trees.shopper_sizes[0], size).

        Args:
            trees: What is known of them.
            items: What each item of the trees tells, shape (len(trees.item), size); None: as
                ``items_in`` has it.
        """
        sizes = {"shopper": trees.shopper_sizes, "item": trees.item_sizes}
        nodes = {
            "shopper": self.nobody.expand(1 + sum(trees.shopper_sizes), -1),
            "item": F.embedding(trees.item, self.items_in()) if items is None else items,
        }
        for layer, (convolve, told_by) in enumerate(zip(self.layers, self._edges, strict=True), 1):
            # Each layer needs one level less than that before it.
            left = len(self.layers) - layer + 1
            told = {kind: 1 + sum(sizes[kind][:left]) for kind in nodes}
            known = {kind: nodes[kind][: told[kind]] for kind in nodes}
            edges = {edge: torch.cat(trees.edges[edge][:left], dim=1) for edge in told_by}
            nodes = self._told(convolve, nodes, known, edges)
        return nodes["shopper"][1:]

    def list_fan_out(self) -> FanOut:
        """Say how many neighbours lists see."""
        return self.config.fan_out(_TIMES)

    def states(self, graph: NeighbourGraph, users: torch.Tensor) -> torch.Tensor:
        """Compute states for lists, of length 1, shape (len(users), size): from more neighbours
        than in training, the same every time."""
        fan_out = self.list_fan_out()
        own = graph.own_items(users, fan_out.own, None)
        return F.normalize(self(graph.trees(users, own, self.config.hops, fan_out, None)), dim=1)

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """Score all items, shape (len(states), items)."""
        return self.config.inverse_temperature * (states @ self.items_out().T) + self.item_bias


@dataclass(frozen=True, slots=True)
class TreeBatch:
    """A step's shoppers, what is known of them, and what is to be found."""

    trees: NeighbourTrees
    own: torch.Tensor
    """Items that they had, shape (b, own_items)."""
    had: torch.Tensor
    """Whether there is such an item, of the same shape."""
    hidden: torch.Tensor
    """Whether it is to be found, of the same shape."""
    negatives: torch.Tensor
    """Items of the softmax, shape (n,)."""


class GATv2Trainee(Trainee):
    """The network, and a softmax that finds again what was hidden."""

    network_class: ClassVar[type[AttentionNetwork]] = AttentionNetwork

    def __init__(self, config: GATv2Config, data: TrainingSet, device: torch.device):
        super().__init__()
        had = engagement(data)
        self._config, self._num_items = config, data.num_items
        self._graph = neighbour_graph(config, data, device)
        self._learners = torch.from_numpy(np.flatnonzero(np.diff(had.indptr))).to(device)
        self._order = BatchOrder(len(self._learners), config.batch_size, config.loop.seed, device)
        # Layers of PyTorch Geometric start from the random numbers that all share.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.loop.seed)
            self.network = self.network_class(config, data).to(device)
        self._validation = Validation(data, device)

    def num_batches(self, world: int) -> int:
        """See ``Trainee``."""
        return self._order.num_batches(world)

    def batch(self, epoch: int, step: int, rank: int, world: int) -> TreeBatch:
        """Draw a step's shoppers and their neighbours, and hide what is to be found."""
        users = self._learners[self._order.rows(epoch, step, rank, world)]
        device, config = users.device, self._config
        chance = torch.Generator(device)
        chance.manual_seed(self._order.generator(epoch, step).initial_seed())
        own, had = self._graph.own_items(users, config.own_items, chance)
        newcomer = torch.rand(len(users), 1, generator=chance, device=device)
        entry = torch.rand(own.shape, generator=chance, device=device)
        hidden = (entry < config.entry_dropout) | (newcomer < config.newcomer_share)
        trees = self._graph.trees(
            users, (own, had & ~hidden), config.hops, config.fan_out(), chance
        )
        if self._num_items > config.negatives:
            drawn = torch.randint(
                self._num_items, (config.negatives,), generator=chance, device=device
            )
        else:
            drawn = torch.arange(self._num_items, device=device)
        return TreeBatch(trees, own, had, had & hidden, drawn)

    def forward(self, batch: TreeBatch) -> torch.Tensor:
        """Compute the cross entropy of each hidden item against all that the shopper never had."""
        network, drawn = self.network, batch.negatives
        # Half precision is for the softmax: sums over neighbours are none of its products.
        with torch.autocast(drawn.device.type, enabled=False):
            query = F.normalize(network(batch.trees), dim=1) * self._config.inverse_temperature
            item_out = network.items_out()
            found = (query[:, None] * item_out[batch.own]).sum(2) + network.item_bias[batch.own]
        wrong = (query @ item_out[drawn].T).float() + network.item_bias[drawn]
        wrong = wrong.masked_fill(self._was_had(batch), _MASKED)
        # As many times as large as if all items had been drawn.
        others = wrong.logsumexp(1, keepdim=True) + math.log(self._num_items / len(drawn))
        loss = torch.logaddexp(found, others) - found
        return (loss * batch.hidden).sum() / batch.hidden.sum().clamp_min(1)

    def _was_had(self, batch: TreeBatch) -> torch.Tensor:
        """Mark the items of the softmax that a shopper had, shape (b, n)."""
        # Where there is no item, a column more than there are items is marked.
        item = torch.where(batch.had, batch.own, self._num_items)
        marked = torch.zeros(
            len(batch.own), self._num_items + 1, dtype=torch.bool, device=item.device
        )
        return marked.scatter_(1, item, True)[:, batch.negatives]

    def validate(self) -> float | None:
        """See ``Trainee``."""
        return self._validation.ndcg(
            lambda users: self.network.scores(self.network.states(self._graph, users))
        )


def neighbour_graph(config: GATv2Config, data: TrainingSet, device: torch.device) -> NeighbourGraph:
    """Lay out who had what, and who knows whom, both ways."""
    ties = data.ties if config.use_ties else Ties.none()
    friends = tie_matrix(ties, data.num_users, undirected=True, weighted=False)
    return NeighbourGraph(_had(data), friends, config.loop.seed, device)


def _had(data: TrainingSet) -> sp.csr_matrix:
    """Do as ``engagement`` does; people who are served may all be new, and have had nothing."""
    known = data.interactions.take(liked(data.interactions))
    return interaction_matrix(known, data.num_users, data.num_items, binary=True)


class GATv2:
    """The deeper graph model: no release is made of it, and no share of a score is a reason."""

    name: ClassVar[str] = "gatv2"
    label: ClassVar[str] = "GATv2"
    config_class: ClassVar[type[GATv2Config]] = GATv2Config
    tuning: ClassVar[Tuning] = Tuning(
        {
            "hops": Choice((2, 3)),
            "inverse_temperature": LogUniform(3.0, 20.0),
            "entry_dropout": Uniform(0.3, 0.8),
            "loop.lr": LogUniform(1e-3, 2e-2),
        }
    )
    trainee_class: ClassVar[type[GATv2Trainee]] = GATv2Trainee
    item_columns: tuple[str, ...] = ()

    def __init__(self, config: GATv2Config | None = None):
        self.config = config or self.config_class()
        self.history = TrainingHistory()
        self._network: AttentionNetwork | None = None
        self._graph: NeighbourGraph | None = None
        self._states = torch.zeros(0, self.config.embedding_size)

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """See ``base.Model.fit``; in this process, on the CPU."""
        trainee = self.trainee(data, torch.device("cpu"))
        total = self.config.loop.max_epochs
        self.history = run_epochs(
            trainee,
            self.config.loop,
            on_epoch=lambda record: progress(self.name, record.epoch, total),
        )
        self.adopt(trainee, data)

    def trainee(self, data: TrainingSet, device: torch.device) -> GATv2Trainee:
        """See ``base.Learned``."""
        return self.trainee_class(self.config, data, device)

    def adopt(self, trainee: Trainee, data: TrainingSet) -> None:
        """See ``base.Learned``."""
        assert isinstance(trainee, GATv2Trainee)
        self._network = copy.deepcopy(trainee.network).cpu().eval()
        self.serve(data)

    def refit_config(self) -> GATv2Config:
        """See ``base.Learned``."""
        return replace(self.config, loop=self.config.loop.for_refit(self.history))

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        if self._network is None:
            raise BadInputError("the model is not fitted: call fit first")
        graph = self._graph = neighbour_graph(self.config, data, torch.device("cpu"))
        with torch.no_grad():
            rows = torch.split(torch.arange(data.num_users), _ROWS)
            self._states = torch.cat([self._network.states(graph, some) for some in rows])

    @torch.no_grad()
    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``; cosines, and how much an item is liked by all."""
        check_users(user_idx, len(self._states))
        assert self._network is not None
        return self._network.scores(self._states[torch.from_numpy(user_idx)]).numpy()

    def served(self) -> tuple[AttentionNetwork, NeighbourGraph]:
        """Give what scores are made of, for ``graph_estimates``.

        Raises:
            BadInputError: Not fitted yet.
        """
        if self._network is None or self._graph is None:
            raise BadInputError("the model is not fitted: call fit first")
        return self._network, self._graph
