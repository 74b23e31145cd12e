"""What the shop says of its items, as a term of a score: settings in the config of a model."""

from dataclasses import fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch

from coterie.data.dataset import TrainingSet
from coterie.recommend.batches import Community
from coterie.recommend.terms import OptionalTerm


@runtime_checkable
class ItemSignal(Protocol):
    """The settings of an item signal, a frozen dataclass, and how it is made.

    A field of a config that holds one adds its term to the score.
    """

    columns: ClassVar[tuple[str, ...]]
    """Of ``schema.ITEMS``, those that it reads."""
    share: float | None
    """Of the score, 0 to below 1; 0 leaves it out, None: validation chooses."""

    def fit(
        self, data: TrainingSet, community: Community, device: torch.device | str
    ) -> OptionalTerm:
        """Make the term; its class stands in ``coterie.recommend.score.TERMS``.

        Args:
            data: What may be learned from; ``data.item_column`` gives ``columns``.
            community: Its shoppers.
            device: Where to compute.
        """


def signals_of(config: Any) -> dict[str, ItemSignal]:
    """Collect the item signals of a model's config by field, without those of share 0."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    return {n: v for n, v in values.items() if isinstance(v, ItemSignal) and v.share != 0}
