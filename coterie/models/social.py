"""The social model: a shopper is what they and their friends did lately; only items are learned.

Two halves are added up. The learned half: items have input vectors Q (what having one says of a
person) and output vectors P (who will like it); the shopper's vector is
``coterie.recommend.encoder``'s, the score a scaled cosine plus an item bias; ``social_trainee``
learns it. The closed-form half is ``social_linear``. How much each counts is chosen on validation.
"""

from dataclasses import replace
from typing import Any, ClassVar, cast

import torch

from coterie.data.dataset import TrainingSet
from coterie.models.blending import LINEAR_WEIGHTS, Added, Blend, PopularityBlend, popularity
from coterie.models.content_map import ContentMap
from coterie.models.content_rows import ContentRows, best_rows
from coterie.models.content_signal import ContentSignal
from coterie.models.exposure import EXPOSURE, target_weights
from coterie.models.listing import Listing
from coterie.models.new_items import fill_new, lift_new
from coterie.models.signals import signals_of
from coterie.models.social_config import TUNING, SocialConfig
from coterie.models.social_linear import fit_linear
from coterie.models.social_trainee import SocialTrainee
from coterie.models.space import Tuning
from coterie.progress import Progress, silent
from coterie.recommend.linear import LinearPart
from coterie.recommend.terms import Parameters
from coterie.training.history import TrainingHistory
from coterie.training.loop import Trainee, run_epochs


class SocialModel(Listing):
    """Fits both halves, then scores and lists through the recommender, as serving does."""

    name: ClassVar[str] = "social"
    label: ClassVar[str] = "Social"
    config_class: ClassVar[type[SocialConfig]] = SocialConfig
    tuning: ClassVar[Tuning] = TUNING

    def __init__(self, config: SocialConfig | None = None):
        super().__init__()
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
        self.new_item_bonus = self.config.content.new_item_bonus
        """See ``ContentSignal``; where content counts, what was found."""
        self.row_weight = self.config.content.row_weight
        """Likewise."""

    @property
    def item_columns(self) -> tuple[str, ...]:
        """See ``base.Model``: what its item signals read."""
        read = {c for s in signals_of(self.config).values() for c in s.columns}
        if self.config.exposure_power:
            read.add(EXPOSURE)
        return tuple(
            sorted(read.union(ContentSignal.columns if self.config.content.is_read else ()))
        )

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
        content = self.config.content.map_of(data) if self.config.content.is_read else None
        parameters, others = self._terms(trainee, data, content)
        if others:
            blend = Blend(parameters, [*others.values()], trainee.served, data)
            found = blend.shares(data)
            self.shares |= zip(others, found, strict=True)
            parameters = blend.mixed(found)
        if content is not None:
            given = self.config.content.new_item_bonus
            parameters, self.new_item_bonus = lift_new(
                parameters, given, content, trainee.served, data
            )
        # Where friends count for newcomers alone both shares are chosen as if nobody had any: who
        # is known gets the very list of a model without ties.
        weighed = PopularityBlend(parameters, trainee.served, data)
        if self.config.popularity_weight is None and data.validation is not None:
            self.popularity_weight = weighed.best(data)
        self.use(weighed.added(self.popularity_weight), data)

    def _terms(
        self, trainee: SocialTrainee, data: TrainingSet, content: ContentMap | None
    ) -> tuple[Parameters, dict[str, Added]]:
        """Make the learned term's tensors, and the terms beside it by field of the config."""
        community, device = trainee.community, trainee.device
        parameters, others, solved = trainee.release_parameters(), dict[str, Added](), None
        if self.config.linear_weight != 0:
            solved, self.row_weight = self._closed_form(trainee, data)
        if content is not None:
            parameters, solved = fill_new(parameters, solved, content)
        if solved is not None:
            others["linear"] = Added(solved, self.config.linear_weight, LINEAR_WEIGHTS)
        for name, signal in signals_of(self.config).items():
            others[name] = Added(signal.fit(data, community, device), signal.share)
        return parameters, others

    def _closed_form(self, trainee: SocialTrainee, data: TrainingSet) -> tuple[LinearPart, float]:
        """Solve the closed form, with what words say of items as validation weighs it."""
        config, signal = self.config.closed_form(), self.config.content
        weight = target_weights(data, self.config.exposure_power, self.config.exposure_clip)

        def fitted(rows: ContentRows | None) -> LinearPart:
            return fit_linear(config, data, trainee.community, trainee.device, rows, weight)

        words = signal.rows_of(data) if signal.is_read and signal.row_weight != 0 else None
        if words is None or not words.nnz:
            return fitted(None), 0.0
        if signal.row_weight is not None:
            return fitted(ContentRows(words, signal.row_weight)), signal.row_weight
        return best_rows(words, fitted, trainee.served, data)

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
        if self.config.content.is_read:
            content = cast(ContentSignal, signals.get("content", self.config.content))
            signals["content"] = replace(
                content, new_item_bonus=self.new_item_bonus, row_weight=self.row_weight
            )
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
        self.use_with(parameters, popularity(data), data)
