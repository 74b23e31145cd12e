"""The social model: a shopper is what they and their friends did lately; only items are learned.

Items have input vectors Q (what having one says of a person) and output vectors P (who will like
it), both smoothed over the items that the same people had. The shopper's vector is
``coterie.recommend.encoder``'s, the score a scaled cosine plus an item bias, the loss a sampled
softmax with the target taken out of the shopper's own sum: a model that may see the answer in
the question only learns to copy it.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Ints, TrainingSet
from coterie.errors import BadInputError
from coterie.graph.ties import to_tensor
from coterie.models.base import Scores
from coterie.models.engagement import check_users, engagement
from coterie.progress import Progress, silent
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoded, Encoder, ShopperTensors
from coterie.recommend.recommender import Parameters, Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.training.loop import LoopConfig, Trainee, TrainingHistory, run_epochs
from coterie.training.validation import Validation


@dataclass(frozen=True, slots=True)
class SocialConfig:
    """What the social model is made of and how it learns."""

    dim: int = 64
    """Numbers an item vector."""
    scale: float = 6.0
    """Of the cosine: the inverse of the softmax's temperature."""
    use_ties: bool = True
    """Without them the same model knows the shopper alone."""
    neighbours: int = 20
    """Items that one item's vectors are smoothed over; 0 for none."""
    entry_dropout: float = 0.6
    """Share of history entries left out in training. On Beidian's validation part .5 took NDCG@20
    from .0815 to .0961, more than any other single choice."""
    dropout: float = 0.0
    """Share of a shopper's vector left out in training."""
    negatives: int = 2048
    """Items sampled a step; all of them where the shop has no more."""
    batch_shoppers: int = 256
    targets_a_shopper: int = 32
    """Drawn anew each epoch from longer histories, so that the heaviest do not fill the batches."""
    max_items: int = 200
    """Longest history, newest first."""
    max_friends: int = 50
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(max_epochs=120, patience=12, lr=3e-3, weight_decay=1e-4)
    )

    def __post_init__(self) -> None:
        sizes = (self.dim, self.negatives, self.batch_shoppers, self.targets_a_shopper)
        if min(sizes) < 1 or self.scale <= 0 or not 0 <= self.entry_dropout < 1:
            raise BadInputError(f"sizes and scale must be over 0, dropout in [0, 1), found {self}")


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: shoppers with the people they draw on, and t targets from their histories."""

    people: ShopperTensors
    row: torch.Tensor
    """Shape (t,): the target's shopper."""
    entry: torch.Tensor
    """Shape (t,): the target's place among the history entries."""
    negatives: torch.Tensor | None
    """Shape (n,): sampled items; None for all."""


class SocialTrainee(Trainee):
    """The learned tensors and the loss, over one training set."""

    def __init__(self, config: SocialConfig, data: TrainingSet, device: torch.device):
        super().__init__()
        self.config, self.device = config, device
        self.community = _community(config, data)
        self.num_items = data.num_items
        rng = torch.Generator().manual_seed(config.loop.seed)
        self.item_in = nn.Parameter(torch.randn(data.num_items, config.dim, generator=rng) * 0.1)
        self.item_out = nn.Parameter(torch.randn(data.num_items, config.dim, generator=rng) * 0.1)
        self.item_bias = nn.Parameter(torch.zeros(data.num_items))
        self.smoothing = nn.Parameter(torch.tensor([0.5, 0.5]))
        self.encoder = Encoder()
        self._neighbours = _neighbours(data, config.neighbours).to(device)
        counts = np.diff(self.community.histories.offsets)
        self._learners = np.flatnonzero(counts > 0)
        self._validation = Validation(data, device)
        self.to(device)

    def num_batches(self, world: int) -> int:
        """Enough for every shopper with a history once."""
        return -(-len(self._learners) // (self.config.batch_shoppers * world))

    def batch(self, epoch: int, step: int, rank: int, world: int) -> Batch:
        """The shoppers of one step: every world-th of the epoch's order from ``rank`` on."""
        order = np.random.default_rng([self.config.loop.seed, epoch]).permutation(self._learners)
        size = self.config.batch_shoppers
        padded = np.resize(order, self.num_batches(world) * size * world)
        users = padded[step * size * world + rank :: world][:size]
        rng = np.random.default_rng([self.config.loop.seed, epoch, step, rank])
        shoppers = self.community.shoppers(users)
        row, entry = _draw_targets(shoppers, self.config.targets_a_shopper, rng)
        negatives = None
        if self.num_items > self.config.negatives:
            sample = rng.choice(self.num_items, self.config.negatives, replace=False)
            negatives = torch.from_numpy(sample).to(self.device, non_blocking=True)
        return Batch(
            ShopperTensors.of(shoppers, self.device),
            torch.from_numpy(row).to(self.device, non_blocking=True),
            torch.from_numpy(entry).to(self.device, non_blocking=True),
            negatives,
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Mean softmax loss of the targets, each taken out of its shopper's own sum."""
        item_in, item_out = self.item_vectors()
        keep = None
        if self.config.entry_dropout > 0:
            kept = torch.full_like(batch.people.log_age, 1.0 - self.config.entry_dropout)
            keep = torch.bernoulli(kept)
        encoded: Encoded = self.encoder(item_in, batch.people, keep)
        state = self._states_without_target(item_in, encoded, batch)
        query = self.config.scale * F.dropout(F.normalize(state, dim=1), self.config.dropout)
        target = batch.people.item[batch.entry]
        if batch.negatives is None:
            return F.cross_entropy(query @ item_out.T + self.item_bias, target)
        return _sampled_softmax(query, target, batch.negatives, item_out, self.item_bias)

    def item_vectors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Q and P, smoothed over co-engagement; P of length 1. Shapes (items, d)."""
        both = torch.cat([self.item_in, self.item_out], dim=1)
        near = torch.sparse.mm(self._neighbours, both.float())
        near_in, near_out = near.split(self.config.dim, dim=1)
        item_in = self.item_in + self.smoothing[0] * near_in
        return item_in, F.normalize(self.item_out + self.smoothing[1] * near_out, dim=1)

    def validate(self) -> float | None:
        """NDCG@20 of what a release of this moment would show."""
        parameters = self.release_parameters()
        recommender = Recommender(parameters, np.zeros(self.num_items, np.float32))
        return self._validation.ndcg(
            lambda users: recommender.scores(self.community.shoppers(users.cpu().numpy())).to(
                self.device
            )
        )

    @torch.no_grad()
    def release_parameters(self) -> Parameters:
        """All that was learned, as the recommender takes it."""
        item_in, item_out = self.item_vectors()
        parameters = {
            "item_in": item_in,
            "item_out": item_out,
            "item_bias": self.item_bias,
            "scale": torch.tensor(self.config.scale),
            **{f"encoder.{name}": p for name, p in self.encoder.named_parameters()},
        }
        return {name: p.detach().float().cpu().clone() for name, p in parameters.items()}

    def _states_without_target(
        self, item_in: torch.Tensor, encoded: Encoded, batch: Batch
    ) -> torch.Tensor:
        weight = encoded.entry_weight[batch.entry]
        taken = item_in[batch.people.item[batch.entry]] * weight[:, None]
        sums = encoded.sums[batch.row] - taken
        total = (encoded.total[batch.row] - weight).clamp_min(0.0)
        return self.encoder.states(
            sums, total, encoded.friends[batch.row], encoded.tie_total[batch.row]
        )


def _sampled_softmax(
    query: torch.Tensor,
    target: torch.Tensor,
    negatives: torch.Tensor,
    item_out: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Softmax over the target and items drawn evenly; a drawn target counts once."""
    positive = (query * item_out[target]).sum(1) + bias[target]
    others = query @ item_out[negatives].T + bias[negatives]
    others = others.masked_fill(negatives[None, :] == target[:, None], -torch.inf)
    # Each drawn item stands for items / drawn of them (Bengio and Senecal, 2003).
    correction = float(np.log(len(item_out) / len(negatives)))
    logits = torch.cat([positive[:, None], others + correction], dim=1)
    return F.cross_entropy(logits, torch.zeros_like(target))


class SocialModel:
    """Fits the trainee, then scores and lists through the recommender, as serving does."""

    name: ClassVar[str] = "social"

    def __init__(self, config: SocialConfig | None = None):
        self.config = config or SocialConfig()
        self.history = TrainingHistory()
        self._recommender: Recommender | None = None
        self._community: Community | None = None

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """See ``base.Model.fit``; in this process, on the CPU."""
        trainee = SocialTrainee(self.config, data, torch.device("cpu"))
        total = self.config.loop.max_epochs
        self.history = run_epochs(
            trainee,
            self.config.loop,
            on_epoch=lambda record: progress(self.name, record.epoch, total),
        )
        self.use(trainee.release_parameters(), data)

    def trainee(self, data: TrainingSet, device: torch.device) -> SocialTrainee:
        """See ``base.Learned``."""
        return SocialTrainee(self.config, data, device)

    def adopt(self, trainee: Trainee, data: TrainingSet) -> None:
        """See ``base.Learned``."""
        assert isinstance(trainee, SocialTrainee)
        self.use(trainee.release_parameters(), data)

    def use(self, parameters: Parameters, data: TrainingSet) -> None:
        """Serve ``data``'s users from parameters trained elsewhere."""
        had = engagement(data)
        popularity = np.asarray(had.sum(axis=0), dtype=np.float32).ravel()
        self.parameters = parameters
        self._recommender = Recommender(parameters, popularity)
        self._community = _community(self.config, data)

    @property
    def recommender(self) -> Recommender:
        """The one path, loaded with what was learned.

        Raises:
            BadInputError: Not fitted yet.
        """
        if self._recommender is None:
            raise BadInputError("the model is not fitted: call fit first")
        return self._recommender

    def shoppers(self, user_idx: Ints) -> Shoppers:
        """A batch of the training set's users.

        Raises:
            BadInputError: As ``base.Model.scores`` says.
        """
        people = self._community.histories.num_people if self._community else 0
        check_users(user_idx, people)
        assert self._community is not None
        return self._community.shoppers(user_idx)

    def scores(self, user_idx: npt.NDArray[np.int64]) -> Scores:
        """See ``base.Model.scores``."""
        shoppers = self.shoppers(user_idx)
        scores: Scores = self.recommender.scores(shoppers).numpy()
        return scores

    def lists(self, user_idx: npt.NDArray[np.int64], k: int) -> Ints:
        """The lists that serving would show, shape (users, k), -1 where short."""
        shoppers = self.shoppers(user_idx)
        return self.recommender.recommend(shoppers, k).item_idx


def _community(config: SocialConfig, data: TrainingSet) -> Community:
    seen = data if config.use_ties else data.without_ties()
    return Community.of(seen, config.max_items, config.max_friends)


def _draw_targets(shoppers: Shoppers, most: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Up to ``most`` of each shopper's entries at random: their shopper rows, their places."""
    bounds = shoppers.histories.offsets[: len(shoppers) + 1]
    row = np.repeat(np.arange(len(shoppers)), np.diff(bounds))
    order = np.lexsort((rng.random(len(row)), row))
    kept = order[np.arange(len(row)) - bounds[row] < most]
    return row[kept], kept


def _neighbours(data: TrainingSet, most: int) -> torch.Tensor:
    """Each item's ``most`` nearest by cosine of who had them, rows adding up to 1; sparse CSR."""
    had = engagement(data)
    length = np.sqrt(np.maximum(np.asarray(had.sum(axis=0)).ravel(), 1.0))
    scaled = had @ sp.diags_array(1.0 / length)
    cosine = (scaled.T @ scaled).tocoo()
    kept = (cosine.row != cosine.col) & (most > 0)
    row, col, value = cosine.row[kept], cosine.col[kept], cosine.data[kept]
    order = np.lexsort((col, -value, row))
    row, col, value = row[order], col[order], value[order]
    starts = np.searchsorted(row, np.arange(data.num_items))
    near = np.arange(len(row)) - starts[row] < most
    row, col, value = row[near], col[near], value[near]
    whole = np.bincount(row, weights=value, minlength=data.num_items)
    matrix = sp.csr_matrix(
        ((value / whole[row]).astype(np.float32), (row, col)), (data.num_items, data.num_items)
    )
    return to_tensor(matrix, layout="csr")
