"""LightGCN (He et al., 2020, arXiv:2002.02126) with a sampled softmax.

A hop is one product with the graph, which is symmetric, so its gradient is such a product too. Of
the last hop a step computes the rows alone that its loss looks at. Both are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.graph.ties import tie_matrix, to_tensor
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.models.space import Choice, LogUniform, Tuning
from coterie.progress import Progress, silent
from coterie.training.batch_order import BatchOrder
from coterie.training.history import TrainingHistory
from coterie.training.loop import LoopConfig, Trainee, run_epochs
from coterie.training.validation import Validation


@dataclass(frozen=True, slots=True)
class LightGCNConfig:
    """Its size, its loss, and whether friends are neighbours."""

    embedding_size: int = 64
    """Numbers of an embedding."""
    layers: int = 3
    """Hops of the graph that an embedding is the mean of."""
    temperature: float = 0.15
    """Of the softmax over cosines."""
    negatives: int = 1024
    """Items drawn evenly a step, shared by its batch."""
    batch_size: int = 2048
    """Interactions a step, over all workers."""
    use_ties: bool = False
    """Whether friends are neighbours in the graph, beside items."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(lr=5e-3, patience=10))
    """Epochs, and how fast to learn."""
    renamed: ClassVar[Mapping[str, str]] = {"dim": "embedding_size"}
    """See ``coterie.renamed``."""

    def __post_init__(self) -> None:
        if min(self.embedding_size, self.layers, self.negatives) < 1 or not self.temperature > 0:
            raise BadInputError(f"sizes and temperature must be over 0, found {self}")


class LightGCNTrainee(Trainee):
    """One vector a user and item, each the mean of what 0 to ``layers`` hops of the graph say."""

    def __init__(self, config: LightGCNConfig, data: TrainingSet, device: torch.device):
        super().__init__()
        had = engagement(data)
        pairs = had.tocoo()
        self._user = torch.from_numpy(pairs.row.astype(np.int64)).to(device)
        self._item = torch.from_numpy(pairs.col.astype(np.int64)).to(device)
        self._num_users, self._num_items = had.shape
        self._config = config
        self._order = BatchOrder(pairs.nnz, config.batch_size, config.loop.seed, device)
        ties = data.ties if config.use_ties else Ties.none()
        friends = tie_matrix(ties, data.num_users, undirected=True, weighted=False)
        self._graph = _graph(had, friends).to(device)
        start = torch.Generator().manual_seed(config.loop.seed)
        vectors = torch.randn(sum(had.shape), config.embedding_size, generator=start) * 0.1
        self.vectors = nn.Parameter(vectors.to(device))
        self._validation = Validation(data, device)

    def num_batches(self, world: int) -> int:
        """See ``Trainee``."""
        return self._order.num_batches(world)

    def batch(
        self, epoch: int, step: int, rank: int, world: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw users and the items that they had, shape (b,) each, and the step's negatives."""
        rows = self._order.rows(epoch, step, rank, world)
        drawn = torch.randint(
            self._num_items,
            (min(self._config.negatives, self._num_items),),
            generator=self._order.generator(epoch, step),
        )
        return self._user[rows], self._item[rows], drawn.to(self._user.device, non_blocking=True)

    def forward(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Compute the cross entropy of the item that was had against the step's negatives."""
        user, item, negative = batch
        # A batch has many users and items more than once: each is computed once.
        asked_for = torch.cat([user, item + self._num_users, negative + self._num_users])
        nodes, place = torch.unique(asked_for, return_inverse=True)
        vectors = F.normalize(self._vectors_of(nodes), dim=1)
        asked, had, drawn = torch.split(vectors[place], [len(user), len(item), len(negative)])
        asked = asked / self._config.temperature
        right = (asked * had).sum(1, keepdim=True)
        wrong = asked @ drawn.T
        wrong = wrong.masked_fill(negative[None, :] == item[:, None], -torch.inf)
        return torch.cat([right, wrong], dim=1).logsumexp(1).sub(right[:, 0]).mean()

    def propagate(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the vectors of all users and items, passed along the graph."""
        _, total = self._hops(self._config.layers)
        return total[: self._num_users], total[self._num_users :]

    def _vectors_of(self, nodes: torch.Tensor) -> torch.Tensor:
        """Compute the vectors of some nodes, as ``propagate`` does, shape (len(nodes), size)."""
        layer, total = self._hops(self._config.layers - 1)
        return total[nodes] + _hop_to(self._graph, nodes, layer)

    def _hops(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pass vectors along the graph: the last layer, and the sum of all."""
        layer, total = self.vectors, self.vectors
        # A GPU's sparse product takes no factor in half precision beside one in full.
        with torch.autocast(self.vectors.device.type, enabled=False):
            for _ in range(number):
                layer = _SymmetricHop.apply(self._graph, layer)  # type: ignore[no-untyped-call]
                total = total + layer
        return layer, total

    def validate(self) -> float | None:
        """See ``Trainee``."""
        users, items = self.propagate()
        items = F.normalize(items, dim=1)
        return self._validation.ndcg(lambda rows: users[rows] @ items.T)


class _SymmetricHop(torch.autograd.Function):
    """A product with a symmetric graph. Torch would transpose the graph for each gradient."""

    @staticmethod
    def forward(ctx: Any, graph: torch.Tensor, layer: torch.Tensor) -> torch.Tensor:
        """Compute a hop, shape of ``layer``."""
        ctx.graph = graph
        return graph @ layer

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:
        """Pass a gradient back: along the same edges."""
        return None, ctx.graph @ gradient


def _hop_to(graph: torch.Tensor, nodes: torch.Tensor, layer: torch.Tensor) -> torch.Tensor:
    """Compute a hop to some nodes alone, shape (len(nodes), size)."""
    begin = graph.crow_indices()[nodes]
    degree = graph.crow_indices()[nodes + 1] - begin
    offsets = degree.cumsum(0) - degree
    edges = torch.arange(int(degree.sum()), device=nodes.device)
    edges += torch.repeat_interleave(begin - offsets, degree)
    return F.embedding_bag(
        graph.col_indices()[edges],
        layer,
        offsets,
        mode="sum",
        per_sample_weights=graph.values()[edges],
    )


class LightGCN:
    """The graph baseline; with ``use_ties`` the social one that most papers compare with."""

    name: ClassVar[str] = "lightgcn"
    label: ClassVar[str] = "LightGCN"
    config_class: ClassVar[type[LightGCNConfig]] = LightGCNConfig
    tuning: ClassVar[Tuning] = Tuning(
        {
            "temperature": LogUniform(0.05, 0.5),
            "layers": Choice((1, 2, 3, 4)),
            "loop.lr": LogUniform(1e-3, 2e-2),
        }
    )
    item_columns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: LightGCNConfig = LightGCNConfig()):
        self.config = config
        self.history = TrainingHistory()
        self._users = self._items = np.zeros((0, config.embedding_size), np.float32)

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

    def trainee(self, data: TrainingSet, device: torch.device) -> LightGCNTrainee:
        """See ``base.Learned``."""
        return LightGCNTrainee(self.config, data, device)

    def adopt(self, trainee: Trainee, data: TrainingSet) -> None:  # noqa: ARG002
        """See ``base.Learned``."""
        assert isinstance(trainee, LightGCNTrainee)
        with torch.no_grad():
            users, items = trainee.propagate()
        self._users = F.normalize(users, dim=1).cpu().numpy()
        self._items = F.normalize(items, dim=1).cpu().numpy()

    def refit_config(self) -> LightGCNConfig:
        """See ``base.Learned``."""
        return replace(self.config, loop=self.config.loop.for_refit(self.history))

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model``; cosines. Users without events score as their friends do, if any."""
        check_users(user_idx, len(self._users))
        return np.asarray(self._users[user_idx] @ self._items.T, np.float32)


def _graph(had: sp.csr_matrix, ties: sp.csr_matrix) -> torch.Tensor:
    """Make users and items nodes, edges over the root of both degrees; symmetric, sparse CSR."""
    users, num_nodes = had.shape[0], sum(had.shape)
    edges, friends = had.tocoo(), ties.tocoo()
    row = np.concatenate([edges.row, edges.col + users, friends.row])
    column = np.concatenate([edges.col + users, edges.row, friends.col])
    degree = np.maximum(np.bincount(row, minlength=num_nodes), 1)
    value = (1.0 / np.sqrt(degree[row] * degree[column])).astype(np.float32)
    graph = sp.csr_matrix((value, (row, column)), shape=(num_nodes, num_nodes))
    return to_tensor(graph, layout="csr")
