"""The social model: a shopper is what they and their friends did lately; only items are learned.

Two halves are added up. The learned half: items have input vectors Q (what having one says of a
person) and output vectors P (who will like it); the shopper's vector is
``coterie.recommend.encoder``'s, the score a scaled cosine plus an item bias. It learns as a
denoising autoencoder does (Liang et al., 2018, arXiv:1802.05814): some of a shopper's entries are
left out, and a softmax over the items is to find them from the rest and from friends. The
closed-form half is ``social_linear``. How much each counts is chosen on validation.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from coterie.data.dataset import Floats, Ints, TrainingSet
from coterie.data.polarity import is_target
from coterie.errors import BadInputError
from coterie.models.base import Scores
from coterie.models.blending import LINEAR_WEIGHTS, Added, Blend, PopularityBlend, popularity
from coterie.models.engagement import check_users, engagement
from coterie.models.signals import signals_of
from coterie.models.social_linear import SocialLinearConfig, fit_linear
from coterie.models.space import DISLIKE_WEIGHTS, Choice, LogUniform, Tuning, Uniform
from coterie.progress import Progress, silent
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder, ShopperTensors, of_all_kinds, to_device
from coterie.recommend.learned import FriendsFor
from coterie.recommend.linear import DISLIKE_WEIGHT
from coterie.recommend.recommender import Recommender
from coterie.recommend.shoppers import Shoppers
from coterie.recommend.terms import Parameters, renew_tensors
from coterie.training.loop import LoopConfig, Start, Trainee, TrainingHistory, run_epochs
from coterie.training.validation import Validation


@dataclass(frozen=True, slots=True)
class SocialConfig:
    """What the social model is made of and how it learns."""

    embedding_size: int = 128
    """Numbers of an item's embedding, over all heads."""
    heads: int = 1
    """Parts of an embedding, of one length, each with a cosine of its own; a score is their mean.
    They start apart and learn from draws of their own, so the mean is steadier than one of them."""
    inverse_temperature: float = 6.0
    """What the cosine is multiplied with before the softmax."""
    use_ties: bool = True
    """Whether friends count at all; without them the same model knows a shopper's own events."""
    friends_for_cold_start_only: bool = False
    """Whether friends count only for shoppers without a history: where ties say nothing of people
    who are known, they may still do of newcomers. By default they count for everybody."""
    dislike_weight: float = 0.0
    """Share that an item that was turned down takes away from others, of what it would have added
    had it been liked, in both halves; 0: nothing. It is never a target."""
    use_times: bool = True
    """Whether the age of events counts, beyond which of them are the newest."""
    entry_dropout: float = 0.5
    """Share of a shopper's entries that is hidden in training, and to be found again."""
    next_item_share: float = 0.0
    """Share of shoppers, drawn anew each epoch, whose newest entries are hidden instead of any:
    what is next is foreseen from older ones, as a list is by a shopper's whole past."""
    friend_dropout: float = 0.2
    """Share of shoppers, drawn anew each epoch, whose friends are hidden, so that the model also
    works for people without any."""
    weak_event_weight: float = 1.0
    """Weight of a target that was only viewed, clicked or shared; one that was had weighs 1."""
    target_decay: float = 0.5
    """Power by which a target loses weight, (1 + age in days) to minus this: what comes next is
    like what was last. 0 weighs old and new ones alike."""
    softmax_items: int = 8_192
    """Items that the softmax is over: all, where the shop has no more; else those that a batch
    asks for and a random sample, each logit corrected for how likely it was to be there."""
    batch_size: int = 256
    """Shoppers a step, of each worker."""
    linear_weight: float | None = None
    """Share of the closed form in a score, 0 to below 1; None: validation chooses, .5 where there
    is none."""
    popularity_weight: float | None = None
    """Weight of popularity for shoppers without history and friends, in units of the scores'
    spread; None: validation chooses, .5 where there is none."""
    linear: SocialLinearConfig = field(default_factory=SocialLinearConfig)
    """Settings of the closed form; ``use_ties``, ``dislike_weight`` and times are those above."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            max_epochs=150,
            patience=6,
            validate_every=2,
            lr=5e-3,
            weight_decay=1e-4,
            ema_decay=0.99,
        )
    )

    renamed: ClassVar[Mapping[str, str]] = {
        "dim": "embedding_size",
        "scale": "inverse_temperature",
        "newcomers_only": "friends_for_cold_start_only",
        "ahead": "next_item_share",
        "alone": "friend_dropout",
        "browsing": "weak_event_weight",
        "recency": "target_decay",
        "candidates": "softmax_items",
        "batch_shoppers": "batch_size",
        "mix": "linear_weight",
        "prior": "popularity_weight",
    }
    """See ``coterie.renamed``."""

    def __post_init__(self) -> None:
        sizes = (self.embedding_size, self.softmax_items, self.batch_size)
        if min(sizes) < 1 or self.inverse_temperature <= 0 or not 0 < self.entry_dropout < 1:
            raise BadInputError(
                "sizes and inverse_temperature must be over 0, entry_dropout in (0, 1), "
                f"found {self}"
            )
        if self.heads < 1 or self.embedding_size % self.heads:
            raise BadInputError(
                "embedding_size must be a multiple of heads, "
                f"found {self.embedding_size}, {self.heads}"
            )
        shares = (self.next_item_share, self.friend_dropout)
        if not 0 <= min(shares) <= max(shares) <= 1:
            raise BadInputError(f"next_item_share and friend_dropout must be shares, found {self}")
        if self.linear_weight is not None and not 0 <= self.linear_weight < 1:
            raise BadInputError(f"linear_weight must be in [0, 1), found {self.linear_weight}")
        if not 0 <= self.dislike_weight < math.inf:
            raise BadInputError(f"dislike_weight must not be below 0, found {self}")
        if self.popularity_weight is not None and not 0 <= self.popularity_weight < math.inf:
            raise BadInputError(
                f"popularity_weight must not be below 0, found {self.popularity_weight}"
            )

    @property
    def friends_for(self) -> FriendsFor:
        """Whose friends count."""
        if not self.use_ties:
            return FriendsFor.NOBODY
        return FriendsFor.NEWCOMERS if self.friends_for_cold_start_only else FriendsFor.EVERYONE

    def closed_form(self) -> SocialLinearConfig:
        """The closed form's config, with what it shares."""
        return replace(
            self.linear,
            use_ties=self.friends_for is FriendsFor.EVERYONE,
            dislike_weight=self.dislike_weight,
            age_decay=self.linear.age_decay if self.use_times else 0.0,
        )


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """Shoppers with the people they draw on, and what was left out of their histories; each head
    has another one in a step."""

    people: ShopperTensors
    keep: torch.Tensor
    """Shape (entries,): 0 for what was left out, and is to be found."""
    row: torch.Tensor
    """Shape (t,): the target's shopper."""
    target: torch.Tensor
    """Shape (t,): its place among the candidates."""
    weight: torch.Tensor
    """Shape (t,)."""
    known_row: torch.Tensor
    """Shape (m,): shoppers of the targets that were kept: no list would show these again."""
    known: torch.Tensor
    """Shape (m,): their places among the candidates."""
    sample: "ItemSample | None"
    """What the softmax is over; None for all items."""


@dataclass(frozen=True, slots=True)
class ItemSample:
    """Items of one step's softmax, in their order."""

    items: torch.Tensor
    """Shape (n,)."""
    log_odds: torch.Tensor
    """Shape (n,): log of how likely each was to be among them."""


class SocialTrainee(Trainee):
    """The learned tensors and the loss, over one training set."""

    def __init__(self, config: SocialConfig, data: TrainingSet, device: torch.device):
        super().__init__()
        self.config, self.device = config, device
        # Who has no history has nothing to be found: friends of newcomers alone teach nothing.
        learns_ties = config.friends_for is FriendsFor.EVERYONE
        self.community = Community.of(data if learns_ties else data.without_ties())
        self.num_items = data.num_items
        rng = torch.Generator().manual_seed(config.loop.seed)
        shape = (config.heads, data.num_items, config.embedding_size // config.heads)
        # A table a head, not one of all: its gradients would be copied together in each step.
        self.item_in = nn.ParameterList([*torch.randn(shape, generator=rng) * 0.1])
        self.item_out = nn.ParameterList([*torch.randn(shape, generator=rng) * 0.1])
        self.item_bias = nn.Parameter(torch.zeros(data.num_items))
        self.encoder = Encoder()
        if not config.use_times:
            # softplus is 0 there, and so is its gradient: no decay with age, now or later.
            self.encoder.rate.data.fill_(-100.0)
        had = engagement(data)
        self._item_share = np.asarray(had.sum(axis=0)).ravel() / had.nnz
        self._learners = np.flatnonzero(np.diff(had.indptr) > 0)
        self._epoch, self._order = -1, self._learners
        self._validation = Validation(data, device)
        self.to(device)

    def num_batches(self, world: int) -> int:
        """Enough for every shopper with a target once."""
        return -(-len(self._learners) // (self.config.batch_size * world))

    def batch(self, epoch: int, step: int, rank: int, world: int) -> tuple[MaskedBatch, ...]:
        """One step's shoppers, every world-th of the epoch's order from ``rank`` on, for each
        head."""
        if epoch != self._epoch:
            rng = np.random.default_rng([self.config.loop.seed, epoch])
            self._epoch, self._order = epoch, rng.permutation(self._learners)
        size = self.config.batch_size
        padded = np.resize(self._order, self.num_batches(world) * size * world)
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
        left_out, known = ~kept & (weight > 0), kept & is_had
        keep = np.ones(len(shoppers.histories.item_idx), np.float32)
        keep[: len(row)] = kept
        target, known_row, known_item = item[left_out], row[known], item[known]
        sample = None
        if self.num_items > self.config.softmax_items:
            items = self._sample(target, rng)
            sample = ItemSample(self._there(items), self._there(self._log_odds(items, len(target))))
            target, place = np.searchsorted(items, target), np.searchsorted(items, known_item)
            there = items[np.minimum(place, len(items) - 1)] == known_item
            known_row, known_item = known_row[there], place[there]
        ages = shoppers.histories.age_days.copy()
        ages[: len(row)] = _since_newest(age, kept, row, len(shoppers))
        histories = replace(shoppers.histories, age_days=ages)
        friends = shoppers.friends.without(rng.random(len(shoppers)) < self.config.friend_dropout)
        seen = replace(shoppers, histories=histories, friends=friends)
        return MaskedBatch(
            people=ShopperTensors.of(seen, self.device, dislike_weight=self.config.dislike_weight),
            keep=self._there(keep),
            row=self._there(row[left_out]),
            target=self._there(target),
            weight=self._there(weight[left_out].astype(np.float32)),
            known_row=self._there(known_row),
            known=self._there(known_item),
            sample=sample,
        )

    def _kept(self, bounds: Ints, row: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Own entries that are known in this step, shape (n,)."""
        kept = rng.random(len(row)) >= self.config.entry_dropout
        if self.config.next_item_share == 0 or not self.config.use_times:
            return np.asarray(kept)
        counts = np.diff(bounds)
        # Up to twice the share, so the share on average; rounded by chance.
        most = 2 * self.config.entry_dropout * counts
        hidden = np.floor(most * rng.random(len(counts)) + rng.random(len(counts)))
        looks_ahead = rng.random(len(counts)) < self.config.next_item_share
        place = np.arange(len(row)) - bounds[:-1][row]
        return np.where(looks_ahead[row], place >= hidden[row], kept)

    def _sample(self, asked: Ints, rng: np.random.Generator) -> Ints:
        drawn = rng.choice(self.num_items, self.config.softmax_items, replace=False)
        return np.union1d(asked, drawn)

    def _log_odds(self, items: Ints, num_asked: int) -> npt.NDArray[np.float32]:
        """Log of the chance that an item is drawn, or asked for by one of the targets."""
        missed = (1.0 - self.config.softmax_items / self.num_items) * np.exp(
            num_asked * np.log1p(-self._item_share[items])
        )
        return np.asarray(np.log1p(-missed), np.float32)

    def _there(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return to_device(array, self.device)

    def forward(self, batch: tuple[MaskedBatch, ...]) -> torch.Tensor:
        """Mean softmax loss of what was left out, given what was kept; the mean over heads."""
        each = zip(batch, self.item_in, self.item_out, strict=True)
        return torch.stack([self._loss(*one) for one in each]).mean()

    def _loss(
        self, batch: MaskedBatch, item_in: torch.Tensor, item_out: torch.Tensor
    ) -> torch.Tensor:
        encoded = self.encoder(item_in, batch.people, batch.keep)
        b = batch.people.num_shoppers
        state = self.encoder.states(
            encoded.sums[:b], encoded.total[:b], encoded.friends, encoded.tie_total
        )
        bias: torch.Tensor = self.item_bias
        if batch.sample is not None:
            item_out = item_out.index_select(0, batch.sample.items)
            bias = bias.index_select(0, batch.sample.items) - batch.sample.log_odds
        query = self.config.inverse_temperature * F.normalize(state, dim=1)
        logits = torch.addmm(bias, query, F.normalize(item_out, dim=1).T)
        logits = logits.float()
        never = logits.new_full((), -1e4)  # made there: a copy of a number would be waited for
        logits = logits.index_put((batch.known_row, batch.known), never)
        chances = F.log_softmax(logits, dim=1)
        # A step's shoppers may all have kept everything: a sum over nothing is 0, its mean nan.
        found = chances[batch.row, batch.target] @ batch.weight
        return -found / batch.weight.sum().clamp_min(1.0)

    def validate(self) -> float | None:
        """NDCG@20 of what the learned half of this moment would show."""
        recommender = Recommender(self.release_parameters(), np.zeros(self.num_items, np.float32))
        return self._validation.ndcg(
            lambda users: recommender.scores(self.community.shoppers(users.cpu().numpy())).to(
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
        """All that was learned, as the recommender takes it."""
        parameters = {
            "item_in": torch.cat(list(self.item_in), dim=1),
            "item_out": torch.cat([F.normalize(p, dim=1) for p in self.item_out], dim=1),
            "item_bias": self.item_bias,
            "inverse_temperature": torch.tensor(self.config.inverse_temperature),
            "popularity_weight": torch.tensor(0.0),
            **{f"encoder.{name}": p for name, p in self.encoder.named_parameters()},
        }
        if self.config.heads > 1:
            parameters["heads"] = torch.tensor(self.config.heads)
        if self.config.dislike_weight > 0:
            parameters[DISLIKE_WEIGHT] = torch.tensor(self.config.dislike_weight)
        if self.config.friends_for is not FriendsFor.EVERYONE:
            parameters["friends_for"] = torch.tensor(self.config.friends_for.value)
        return {name: p.detach().float().cpu().clone() for name, p in parameters.items()}


def _since_newest(age: Floats, kept: npt.NDArray[np.bool_], row: Ints, num_shoppers: int) -> Floats:
    """Ages as they were when the newest kept entry was made, shape (n,); 0 for what came later."""
    newest = np.full(num_shoppers, np.inf, np.float32)
    np.minimum.at(newest, row[kept], age[kept])
    newest[np.isinf(newest)] = 0.0
    return np.asarray(np.maximum(age - newest[row], 0.0), np.float32)


LONG_LISTS: Final[dict[str, Any]] = {
    "embedding_size": 512,
    "heads": 4,
    "inverse_temperature": 9.0,
    "entry_dropout": 0.65,
    "target_decay": 0.0,
}
"""A shop of long lists: more numbers an item, more left out, old tastes like new ones."""
TUNING: Final = Tuning(
    {
        "friends_for_cold_start_only": Choice((False, True)),
        "embedding_size": Choice((128, 256, 512)),
        "heads": Choice((1, 2, 4)),
        "inverse_temperature": LogUniform(3.0, 14.0),
        "entry_dropout": Uniform(0.4, 0.8),
        "next_item_share": Choice((0.0, 0.5)),
        "target_decay": Uniform(0.0, 1.0),
        "dislike_weight": DISLIKE_WEIGHTS,
    },
    starts=(
        {"embedding_size": 512, "heads": 4},
        LONG_LISTS,
        LONG_LISTS | {"friends_for_cold_start_only": True},
        {"entry_dropout": 0.75, "target_decay": 0.0},
    ),
)
"""The starts have more numbers an item, which a few trials do not find. One leaves ties to
newcomers: where they say nothing of who is known, the search is to know. Three weigh old targets as
new ones, which was better by 2 to 6 % where times say little (LastFM by time), and is the same
where there are none."""


class SocialModel:
    """Fits both halves, then scores and lists through the recommender, as serving does."""

    name: ClassVar[str] = "social"
    label: ClassVar[str] = "Social"
    config_class: ClassVar[type[SocialConfig]] = SocialConfig
    tuning: ClassVar[Tuning] = TUNING

    def __init__(self, config: SocialConfig | None = None):
        self.config = config or self.config_class()
        self.history = TrainingHistory()
        self.shares: dict[str, float] = {
            "linear": 0.5 if self.config.linear_weight is None else self.config.linear_weight
        }
        """Of the terms beside the learned one, each of those before it, in what was fitted."""
        self.popularity_weight = (
            0.5 if self.config.popularity_weight is None else self.config.popularity_weight
        )
        """How much popularity counts there for who is new."""
        self.parameters: Parameters = {}
        """See ``base.Releasable``; empty before it is fitted."""
        self._recommender: Recommender | None = None
        self._community: Community | None = None

    @property
    def item_columns(self) -> tuple[str, ...]:
        """See ``base.Model``: what its item signals read."""
        return tuple(sorted({c for s in signals_of(self.config).values() for c in s.columns}))

    def fit(self, data: TrainingSet, progress: Progress = silent) -> None:
        """See ``base.Model.fit``; in this process, on the CPU."""
        trainee = SocialTrainee(self.config, data, torch.device("cpu"))
        total = self.config.loop.max_epochs
        self.history = run_epochs(
            trainee,
            self.config.loop,
            on_epoch=lambda record: progress(self.name, record.epoch, total),
        )
        self.adopt(trainee, data)

    def trainee(self, data: TrainingSet, device: torch.device) -> SocialTrainee:
        """See ``base.Learned``."""
        return SocialTrainee(self.config, data, device)

    def adopt(self, trainee: Trainee, data: TrainingSet) -> None:
        """See ``base.Learned``; solves the closed form, and finds both shares on validation."""
        assert isinstance(trainee, SocialTrainee)
        parameters = trainee.release_parameters()
        others = self._others(trainee, data)
        if others:
            blend = Blend(parameters, [*others.values()], trainee.community, data)
            found = blend.shares(data)
            self.shares |= zip(others, found, strict=True)
            parameters = blend.mixed(found)
        # Where friends count for newcomers alone both shares are chosen as if nobody had any: who
        # is known gets the very list of a model without ties.
        weighed = PopularityBlend(parameters, trainee.community, data)
        if self.config.popularity_weight is None and data.validation is not None:
            self.popularity_weight = weighed.best(data)
        self.use(weighed.added(self.popularity_weight), data)

    def _others(self, trainee: SocialTrainee, data: TrainingSet) -> dict[str, Added]:
        """What is added to what was learned, by its field of the config."""
        community, device = trainee.community, trainee.device
        others: dict[str, Added] = {}
        if self.config.linear_weight != 0:
            solved = fit_linear(self.config.closed_form(), data, community, device)
            others["linear"] = Added(solved, self.config.linear_weight, LINEAR_WEIGHTS)
        for name, signal in signals_of(self.config).items():
            others[name] = Added(signal.fit(data, community, device), signal.share)
        return others

    @property
    def linear_weight(self) -> float:
        """Share of the closed form in what was fitted."""
        return self.shares["linear"]

    def refit_config(self) -> SocialConfig:
        """See ``base.Learned``."""
        signals: dict[str, Any] = {
            name: replace(cast(Any, signal), share=self.shares[name])
            for name, signal in signals_of(self.config).items()
        }
        loop = self.config.loop.for_refit(self.history)
        return replace(
            self.config,
            loop=loop,
            linear_weight=self.linear_weight,
            popularity_weight=self.popularity_weight,
            **signals,
        )

    def use(self, parameters: Parameters, data: TrainingSet) -> None:
        """See ``base.Releasable``."""
        self.parameters = parameters
        self._recommender = Recommender(parameters, popularity(data))
        self._community = Community.of(data)  # with all ties: the recommender knows whose count

    def serve(self, data: TrainingSet) -> None:
        """See ``base.Inductive``."""
        assert self.recommender
        self._community = Community.of(data)

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
