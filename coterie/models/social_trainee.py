"""How the social model's learned half is trained: steps, what they hide, and the loss.

It learns as a denoising autoencoder does (Liang et al., 2018, arXiv:1802.05814): some of a
shopper's entries are left out, and a softmax over the items is to find them from the rest and from
friends.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.data.polarity import is_target
from coterie.errors import BadInputError
from coterie.models.content_map import content_features
from coterie.models.device_batches import DeviceBatches
from coterie.models.engagement import engagement
from coterie.models.exposure import target_weights
from coterie.models.masked_batch import ItemSample, MaskedBatch
from coterie.models.social_config import SocialConfig
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder, ShopperTensors, of_all_kinds, to_device
from coterie.recommend.learned import FriendsFor
from coterie.recommend.linear import DISLIKE_WEIGHT, LEAST_FRIEND
from coterie.recommend.recommender import Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Parameters, renew_tensors
from coterie.training.cosine_softmax import Targets, cosine_softmax_loss
from coterie.training.loop import Start, Trainee
from coterie.training.validation import Validation


class SocialTrainee(Trainee):
    """The learned tensors and the loss, over one training set."""

    def __init__(self, config: SocialConfig, data: TrainingSet, device: torch.device):
        super().__init__()
        self.config, self.device = config, device
        # Who has no history has nothing to be found: friends of newcomers alone teach nothing.
        learns_ties = config.friends_for is FriendsFor.EVERYONE
        seen = data if learns_ties else data.without_ties()
        # Of all friends more is learned than of those whom lists draw on (ADR 39); what is chosen
        # on validation is chosen for the lists that are served.
        self.community = Community.of(seen.with_all_friends())
        self.served = self.community.in_circle(seen)
        self.num_items = data.num_items
        rng = torch.Generator().manual_seed(config.loop.seed)
        shape = (config.heads, data.num_items, config.embedding_size // config.heads)
        # A table a head, not one of all: its gradients would be copied together in each step.
        self.item_in = nn.ParameterList([*torch.randn(shape, generator=rng) * 0.1])
        self.item_out = nn.ParameterList([*torch.randn(shape, generator=rng) * 0.1])
        self.item_bias = nn.Parameter(torch.zeros(data.num_items))
        self._begin_content_map(data)
        self.encoder = Encoder()
        if not config.use_times:
            # softplus is 0 there, and so is its gradient: no decay with age, now or later.
            self.encoder.rate.data.fill_(-100.0)
        had = engagement(data)
        self._log_not_asked = np.log1p(-np.asarray(had.sum(axis=0)).ravel() / had.nnz)
        self._target_weight = target_weights(data, config.exposure_power, config.exposure_clip)
        self._learners = np.flatnonzero(np.diff(had.indptr) > 0)
        self._epoch, self._order = -1, self._learners
        self._on_device: DeviceBatches | None = None
        self._validation = Validation(data, device)
        self.to(device)

    def _begin_content_map(self, data: TrainingSet) -> None:
        """Let content speak in training, where it is asked to: of no item anything at the start."""
        self._features: torch.Tensor | None = None
        if not self.config.content.in_training:
            return
        features = content_features(data, self.config.content.kinds)
        if features.shape[1]:
            size = (features.shape[1], self.config.embedding_size // self.config.heads)
            self._features = torch.from_numpy(features).float().to(self.device)
            self.content_in, self.content_out = (
                nn.ParameterList([torch.zeros(size) for _ in range(self.config.heads)])
                for _ in range(2)
            )
            self.content_bias = nn.Parameter(torch.zeros(size[0]))

    def _tables(self) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        """Make the items' input and output vectors, head by head, and their biases: what is learned
        of each, and what the map makes of its content."""
        if self._features is None:
            return list(self.item_in), list(self.item_out), self.item_bias
        # Half precision is for the softmax.
        with torch.autocast(self.device.type, enabled=False):
            item_in, item_out = (
                [own + self._features @ more for own, more in zip(tables, maps, strict=True)]
                for tables, maps in (
                    (self.item_in, self.content_in),
                    (self.item_out, self.content_out),
                )
            )
            return item_in, item_out, self.item_bias + self._features @ self.content_bias

    def num_batches(self, world: int) -> int:
        """Count the steps in which every shopper with a target comes once."""
        return -(-len(self._learners) // (self.config.batch_size * world))

    def device_batches(self) -> DeviceBatches:
        """See ``Trainee``: all learners, made where the parameters are."""
        if self._on_device is None:
            self._on_device = DeviceBatches(
                self.config,
                self.community,
                self._log_not_asked,
                lambda epoch: self.order(epoch, 1),
                self.device,
                self._target_weight,
            )
        return self._on_device

    def order(self, epoch: int, world: int) -> Ints:
        """Put the learners of an epoch in their order, filled up to whole batches."""
        if epoch != self._epoch:
            rng = np.random.default_rng([self.config.loop.seed, epoch])
            self._epoch, self._order = epoch, rng.permutation(self._learners)
        return np.resize(self._order, self.num_batches(world) * self.config.batch_size * world)

    def batch(self, epoch: int, step: int, rank: int, world: int) -> tuple[MaskedBatch, ...]:
        """Draw a step's shoppers for each head: every world-th of the epoch from ``rank`` on."""
        size, padded = self.config.batch_size, self.order(epoch, world)
        users = padded[step * size * world + rank :: world][:size]
        shoppers = self.community.shoppers(users).counting(self.config.dislike_weight)
        drawn = [self.config.loop.seed, epoch, step, rank]
        return tuple(
            self._batch_of(shoppers, np.random.default_rng(drawn + [head] * (head > 0)))
            for head in range(self.config.heads)
        )

    def _batch_of(self, shoppers: Shoppers, rng: np.random.Generator) -> MaskedBatch:
        """Leave out some of the shoppers' own entries; friends' stay."""
        bounds = shoppers.histories.offsets[: len(shoppers) + 1]
        row = np.repeat(np.arange(len(shoppers)), np.diff(bounds))
        item, kind = shoppers.histories.item_idx[: len(row)], shoppers.histories.kind[: len(row)]
        age = shoppers.histories.age_days[: len(row)]
        against = shoppers.histories.against[: len(row)]
        kept = self._kept(bounds, row, rng)
        is_had = is_target(kind) & ~against
        weight = np.where(is_had, 1.0, np.where(against, 0.0, self.config.weak_event_weight))
        if self.config.use_times:
            weight *= (1.0 + age) ** -self.config.target_decay
        weight *= self._target_weight[item]
        left_out, known = ~kept & (weight > 0), kept & is_had
        keep = np.ones(len(shoppers.histories.item_idx), np.float32)
        keep[: len(row)] = kept
        target, known_row, known_item = item[left_out], row[known], item[known]
        sample = None
        if self.num_items > self.config.softmax_items:
            drawn = self._drawn(target, rng)
            items = np.flatnonzero(drawn)
            sample = ItemSample(self._there(items), self._there(self._log_odds(items, len(target))))
            place = np.cumsum(drawn) - 1  # of each item, where it was drawn
            there = drawn[known_item]
            target, known_row, known_item = (
                place[target],
                known_row[there],
                place[known_item[there]],
            )
        ages = shoppers.histories.age_days.copy()
        ages[: len(row)] = _since_newest(age, kept, row, len(shoppers))
        histories = replace(shoppers.histories, age_days=ages)
        friends = shoppers.friends.without(rng.random(len(shoppers)) < self.config.friend_dropout)
        seen = replace(shoppers, histories=histories, friends=friends)
        return MaskedBatch(
            people=ShopperTensors.of(seen, self.device, dislike_weight=self.config.dislike_weight),
            keep=self._there(keep),
            targets=Targets(
                row=self._there(row[left_out]),
                candidate=self._there(target),
                weight=self._there(weight[left_out].astype(np.float32)),
                known_row=self._there(known_row),
                known=self._there(known_item),
            ),
            sample=sample,
        )

    def _kept(self, bounds: Ints, row: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Choose the own entries that are known in this step, shape (n,)."""
        kept = rng.random(len(row)) >= self.config.entry_dropout
        if self.config.next_item_share == 0 or not self.config.use_times:
            return np.asarray(kept)
        counts = np.diff(bounds)
        # Up to twice the share, so the share on average; rounded by chance.
        most = 2 * self.config.entry_dropout * counts
        hidden = np.floor(most * rng.random(len(counts)) + rng.random(len(counts)))
        looks_ahead = rng.random(len(counts)) < self.config.next_item_share
        rank = np.arange(len(row)) - bounds[:-1][row]
        return np.where(looks_ahead[row], rank >= hidden[row], kept)

    def _drawn(self, asked: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Choose the items of one softmax, shape (items,): a random sample, and what is asked."""
        drawn = np.zeros(self.num_items, np.bool_)
        drawn[rng.choice(self.num_items, self.config.softmax_items, replace=False)] = True
        drawn[asked] = True
        return drawn

    def _log_odds(self, items: Ints, num_asked: int) -> npt.NDArray[np.float32]:
        """Compute the log of the chance that an item is drawn, or a target asks for it."""
        missed = (1.0 - self.config.softmax_items / self.num_items) * np.exp(
            num_asked * self._log_not_asked[items]
        )
        return np.asarray(np.log1p(-missed), np.float32)

    def _there(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return to_device(array, self.device)

    def forward(self, batch: tuple[MaskedBatch, ...]) -> torch.Tensor:
        """Compute the softmax loss of what was left out, given what was kept, over all heads."""
        item_in, item_out, bias = self._tables()
        each = zip(batch, item_in, item_out, strict=True)
        return torch.stack([self._loss(*one, bias) for one in each]).mean()

    def _loss(
        self,
        batch: MaskedBatch,
        item_in: torch.Tensor,
        item_out: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        b = batch.people.num_shoppers
        # Half precision is for the softmax: here it would change numbers' kind and save nothing.
        with torch.autocast(self.device.type, enabled=False):
            encoded = self.encoder(item_in, batch.people, batch.keep)
            state = self.encoder.states(
                encoded.sums[:b], encoded.total[:b], encoded.friends, encoded.tie_total
            )
        if batch.sample is not None:
            item_out = item_out.index_select(0, batch.sample.items)
            bias = bias.index_select(0, batch.sample.items) - batch.sample.log_odds
        query = self.config.inverse_temperature * F.normalize(state, dim=1)
        return cosine_softmax_loss(query, item_out, bias, batch.targets)

    def validate(self) -> float | None:
        """Measure NDCG@20 of the lists of the learned half as it is now."""
        recommender = Recommender(self.release_parameters(), np.zeros(self.num_items, np.float32))
        return self._validation.ndcg(
            lambda users: recommender.scores(self.served.shoppers(users.cpu().numpy())).to(
                self.device
            )
        )

    @torch.no_grad()
    def start_from(self, start: Start) -> None:
        """See ``Trainee``; items that are new begin where they would have begun."""
        start = renew_tensors(start)
        missing = [
            n for n in ("item_in", "item_out", "item_bias", "inverse_temperature") if n not in start
        ]
        if missing:
            raise BadInputError(f"the release holds no {', '.join(missing)}: is it a social one?")
        found = start["item_in"].shape[1], int(start.get("heads", torch.tensor(1)))
        if found != (self.config.embedding_size, self.config.heads):
            raise BadInputError(
                f"the release has {found[0]} numbers an item in {found[1]} heads, expected "
                f"{self.config.embedding_size} in {self.config.heads}: go on with the settings "
                f'{{"embedding_size": {found[0]}, "heads": {found[1]}}}, or train from the start'
            )
        # What was released was brought to the closed form's size: only biases tell of it.
        size = float(start["inverse_temperature"]) / self.config.inverse_temperature
        known = start["rows"] >= 0
        rows = start["rows"][known]
        here = known.to(self.device)
        self.item_bias[here] = (start["item_bias"][rows].float() / size).to(self.device)
        for name in ("item_in", "item_out"):
            heads = start[name][rows].float().chunk(self.config.heads, dim=1)
            for table, vectors in zip(getattr(self, name), heads, strict=True):
                table[here] = vectors.to(self.device)
        for name, parameter in self.encoder.named_parameters():
            released = start[f"encoder.{name}"]
            if name == "kind":
                released = of_all_kinds(released, loudest=0.0)
            parameter.copy_(released)

    @torch.no_grad()
    def release_parameters(self) -> Parameters:
        """Name all that was learned as a release does."""
        item_in, item_out, bias = self._tables()
        parameters = {
            "item_in": torch.cat(item_in, dim=1),
            "item_out": torch.cat([F.normalize(p, dim=1) for p in item_out], dim=1),
            "item_bias": bias,
            "inverse_temperature": torch.tensor(self.config.inverse_temperature),
            "popularity_weight": torch.tensor(0.0),
            **{f"encoder.{name}": p for name, p in self.encoder.named_parameters()},
        }
        if self.config.heads > 1:
            parameters["heads"] = torch.tensor(self.config.heads)
        if self.config.dislike_weight > 0:
            parameters[DISLIKE_WEIGHT] = torch.tensor(self.config.dislike_weight)
        if self.config.least_friend_history > 0:
            parameters[LEAST_FRIEND] = torch.tensor(self.config.least_friend_history)
        if self.config.friends_for is not FriendsFor.EVERYONE:
            parameters["friends_for"] = torch.tensor(self.config.friends_for.value)
        return {name: p.detach().float().cpu().clone() for name, p in parameters.items()}


def _since_newest(age: Floats, kept: npt.NDArray[np.bool_], row: Ints, num_shoppers: int) -> Floats:
    """Age entries as of the newest kept one, shape (n,); 0 for what came later."""
    newest = np.full(num_shoppers, np.inf, np.float32)
    np.minimum.at(newest, row[kept], age[kept])
    newest[np.isinf(newest)] = 0.0
    return np.asarray(np.maximum(age - newest[row], 0.0), np.float32)
