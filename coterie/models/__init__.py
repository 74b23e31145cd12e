"""Every model by its name: the one place that lists them."""

from typing import Any, Final

from coterie.models.base import Model
from coterie.models.ease import EASE, EASEConfig
from coterie.models.popularity import Popularity, PopularityConfig

MODELS: Final[dict[str, type[Model]]] = {
    Popularity.name: Popularity,
    EASE.name: EASE,
}
CONFIGS: Final[dict[str, type[Any]]] = {
    Popularity.name: PopularityConfig,
    EASE.name: EASEConfig,
}

__all__ = ["CONFIGS", "MODELS", "Model"]
