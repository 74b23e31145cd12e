"""Every model by its name: the one place that lists them."""

from typing import Any, Final

from coterie.models.base import Inductive, Learned, Model
from coterie.models.ease import EASE, EASEConfig
from coterie.models.item_knn import ItemKNN, ItemKNNConfig
from coterie.models.lightgcn import LightGCN, LightGCNConfig
from coterie.models.popularity import Popularity, PopularityConfig
from coterie.models.social import SocialConfig, SocialModel
from coterie.models.social_linear import SocialLinear, SocialLinearConfig

MODELS: Final[dict[str, type[Any]]] = {
    Popularity.name: Popularity,
    ItemKNN.name: ItemKNN,
    EASE.name: EASE,
    LightGCN.name: LightGCN,
    SocialLinear.name: SocialLinear,
    SocialModel.name: SocialModel,
}
"""Each a ``Model``, made from its config of ``CONFIGS``."""
CONFIGS: Final[dict[str, type[Any]]] = {
    Popularity.name: PopularityConfig,
    ItemKNN.name: ItemKNNConfig,
    EASE.name: EASEConfig,
    LightGCN.name: LightGCNConfig,
    SocialLinear.name: SocialLinearConfig,
    SocialModel.name: SocialConfig,
}

__all__ = ["CONFIGS", "MODELS", "Inductive", "Learned", "Model"]
