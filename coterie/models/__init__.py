"""Every model by its name: the one place that lists them."""

from typing import Any, Final

from coterie.models.base import Bounded, Inductive, Learned, Model, Releasable
from coterie.models.bounded import BoundedModel
from coterie.models.content import ContentModel
from coterie.models.ease import EASE
from coterie.models.gatv2 import GATv2
from coterie.models.gru4rec import GRU4Rec
from coterie.models.hgt import HGT
from coterie.models.item_knn import ItemKNN
from coterie.models.lightgcn import LightGCN
from coterie.models.popularity import Popularity
from coterie.models.sasrec import SASRec
from coterie.models.sequences import SequenceModel
from coterie.models.social import SocialModel
from coterie.models.social_linear import SocialLinear

MODELS: Final[dict[str, type[Any]]] = {
    model.name: model
    for model in (
        Popularity,
        ItemKNN,
        EASE,
        ContentModel,
        LightGCN,
        GRU4Rec,
        SASRec,
        GATv2,
        HGT,
        SocialLinear,
        SocialModel,
        BoundedModel,
    )
}
"""Each a ``Model``, made from its ``config_class``."""


def is_releasable(name: str) -> bool:
    """Tell whether releases can be made of a model of ``MODELS``: whether it is ``Releasable``."""
    return hasattr(MODELS[name], "use")


COMPARED: Final = tuple(
    name
    for name, model in MODELS.items()
    if not issubclass(model, BoundedModel | GATv2 | SequenceModel)
)
"""Models that an evaluation compares where nobody names any: a bound is asked for, and networks
that take long to learn, too."""

__all__ = [
    "COMPARED",
    "MODELS",
    "Bounded",
    "Inductive",
    "Learned",
    "Model",
    "Releasable",
    "is_releasable",
]
