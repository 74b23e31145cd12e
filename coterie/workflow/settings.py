"""What to fit and where, and how a config is changed by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from coterie.data.circle import CircleRule
from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.fitting.fit import Here
from coterie.fitting.runs import RayWorkers, run_identity
from coterie.models import MODELS
from coterie.renamed import renamed_fields, under_new_names
from coterie.training.loop import Start
from coterie.workflow.config_values import flatten


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What to fit, and with what."""

    model: str = "social"
    """One of ``coterie.models.MODELS``."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the model's config that differ from its own, nested or with dots (``loop.lr``)."""
    workers: int = 0
    """Ray Train workers; 0 trains in this process."""
    use_gpu: bool = False
    """One GPU for each worker, or for this process."""
    address: str = "local"
    """Of the Ray cluster: ``local`` starts one for this run, ``auto`` joins the one we are on."""
    start: str = ""
    """Folder or URL of a release to go on from; empty begins anew."""
    repurchase: Sequence[str] = ()
    """When what was bought may be listed again, as ``repurchase.read_repurchase`` takes it."""
    content: str = ""
    """Folder or URL with vectors of items that the content step left; empty: words alone tell of
    items."""
    circle: CircleRule = field(default_factory=CircleRule)
    """Whom lists draw on while learning, and where they are measured: whom served ones draw on."""
    impressions: str = ""
    """Folder of impressions: what lists showed often counts less when a model learns that can tell
    (``exposure_power``); empty: all events count as they are."""

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise BadInputError(f"no model {self.model!r}: choose one of {', '.join(MODELS)}")
        object.__setattr__(self, "config", renew(self.model, self.config))
        if self.workers < 0:
            raise BadInputError(f"{self.workers} workers: 0 trains here, 1 and more with Ray Train")

    def where(
        self, storage: str, data: TrainingSet, start: Start | None = None
    ) -> Here | RayWorkers:
        """Choose who trains, with states under ``storage`` for just this model, config and data."""
        config = self.configure()
        if not hasattr(config, "loop"):
            return Here()
        data = data.with_item_columns(MODELS[self.model](config).item_columns)
        run = f"{run_identity(self.model, config, data, start)}-{config.loop.max_epochs}"
        if self.workers:
            return RayWorkers(
                str(Path(storage).absolute()) if "://" not in storage else storage,
                run,
                self.workers,
                self.use_gpu,
                address=self.address,
            )
        return Here(f"{storage}/{run}", "cuda" if self.use_gpu else "cpu")

    def configure(self) -> Any:
        """Make the model's config.

        Raises:
            BadInputError: A field is unknown, or its value is refused.
        """
        return change(MODELS[self.model].config_class(), flatten(self.config))


def renew(model: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Bring a model's settings, nested or with dots, from old names to the ones of its config.

    >>> renew("ease", {"l2": 50.0})
    {'l2': 50.0}

    Raises:
        BadInputError: A setting has its old name and its new one.
    """
    flat, renamed = flatten(config), renamed_fields(MODELS[model].config_class())
    return under_new_names(flat, renamed, "settings") if flat.keys() & renamed.keys() else config


def change(config: Any, changes: Mapping[str, Any]) -> Any:
    """Replace some fields of a config; old names are read like new ones.

    >>> from coterie.models.ease import EASEConfig
    >>> change(EASEConfig(), {"l2": 50.0}).l2
    50.0

    Args:
        config: A frozen dataclass, with such dataclasses within.
        changes: New values by name; a dot reaches inside.

    Raises:
        BadInputError: There is no such field, or its value is of another type.
    """
    changes = under_new_names(changes, renamed_fields(config), "settings")
    for name, value in changes.items():
        outer, _, inner = name.partition(".")
        known = {f.name: f.type for f in fields(config)}
        if outer not in known:
            raise BadInputError(
                f"{type(config).__name__} has no field {outer!r}, only {', '.join(known) or 'none'}"
            )
        old = getattr(config, outer)
        if inner and is_dataclass(old):
            new = change(old, {inner: value})
        elif value is None and NoneType in get_args(known[outer]):
            new = None
        else:
            new = _like(old, value, name)
        config = replace(config, **{outer: new})
    return config


def _like(old: Any, new: Any, name: str) -> Any:
    """Convert a value to the old one's type: JSON knows no tuples, and may write 1.0 as 1."""
    if isinstance(old, bool) is isinstance(new, bool):
        if isinstance(old, float) and isinstance(new, int):
            return float(new)
        if isinstance(old, tuple) and isinstance(new, list):
            return tuple(new)
        if isinstance(new, type(old)) or old is None:
            return new
    raise BadInputError(f"{name} = {new!r}: expected a value like {old!r}")
