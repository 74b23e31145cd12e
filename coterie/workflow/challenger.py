"""Fit a challenger and keep it as a folder."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors

import coterie
from coterie.data.circle import CircleRule
from coterie.data.dataset import Floats
from coterie.data.repurchase import RepurchaseSetting, read_repurchase
from coterie.data.vector_columns import encoders_of, vector_digests
from coterie.errors import BadInputError
from coterie.evaluation.protocols import evaluate_model
from coterie.files import write_atomically
from coterie.fitting.fit import chosen_config, fit_twice
from coterie.models import MODELS, Bounded, Learned, Model, Releasable, is_releasable
from coterie.models.bounded import BoundedModel
from coterie.models.popularity import Popularity
from coterie.privacy.promise import Promise
from coterie.progress import Progress, silent
from coterie.recommend.terms import Parameters
from coterie.workflow.features import check_features
from coterie.workflow.feedback import with_exposure
from coterie.workflow.settings import FitSettings, renew
from coterie.workflow.shop import CleanShop
from coterie.workflow.start import open_start

CHALLENGER: Final = "challenger.json"
"""Written last: a folder without it holds no challenger yet."""
PARAMETERS: Final = "parameters.safetensors"
POPULARITY: Final = "popularity.safetensors"
"""Of bounded models: how many people had each item, with noise."""
CHECKPOINTS: Final = "checkpoints"


@dataclass(frozen=True, slots=True)
class Challenger:
    """A fitted model and what it reached on validation, before test was looked at."""

    model: str
    config: Mapping[str, Any]
    chosen: Mapping[str, Any]
    """The config with all that validation chose: what it was fitted with on all events."""
    split: str
    validation: Mapping[str, float]
    popularity: Mapping[str, float]
    """What popularity reached on the same validation part."""
    best_epoch: int
    """Of the fit that chose it; 0 where the model has no epochs."""
    data_fingerprint: str
    code_version: str
    seconds: float
    training: Mapping[str, Any] | None = None
    """Every epoch of the fit that chose, where the model has epochs."""
    start: str = ""
    """The release that it went on from; empty: it began anew."""
    repurchase: Mapping[str, float | None] = field(default_factory=dict)
    """When what was bought may be listed again: ``RepurchaseRule.days``."""
    encoders: Mapping[str, str] = field(default_factory=dict)
    """Name and digest of what made the vectors of items that it was offered, by kind."""
    vectors: Mapping[str, str] = field(default_factory=dict)
    """Digest of these vectors, by kind."""
    circle: Mapping[str, Any] = field(default_factory=dict)
    """Whom lists drew on: ``CircleRule.as_json``; empty, as it was once: all friends."""

    bound: Mapping[str, Any] = field(default_factory=dict)
    """What is promised of any one person: ``Promise.as_json``; empty: nothing."""

    @property
    def promise(self) -> Promise | None:
        """What is promised of any one person, for whoever makes a release of it.

        Raises:
            BadInputError: The model bounds nothing although it is one of those that do.
        """
        if self.bound:
            return Promise.from_json(self.bound)
        if issubclass(MODELS[self.model], BoundedModel):
            raise BadInputError(
                f"the {self.model} model was trained with {dict(self.config)}, which promises "
                "nothing: give an epsilon and no noise_seed, and train again"
            )
        return None

    @property
    def rule(self) -> CircleRule:
        """Whom lists drew on, for whoever opens the shop after it."""
        return CircleRule.from_json(self.circle)

    def repurchase_setting(self) -> RepurchaseSetting:
        """Make the setting of its very rule, for whoever opens the shop after it."""
        return RepurchaseSetting(learned=False, given=self.repurchase)

    def check_content(self, items: pa.Table | None) -> None:
        """Refuse other vectors than those that it was offered.

        Args:
            items: The catalogue of whoever opens the shop after it, with what it found of them.

        Raises:
            BadInputError: They are others, or missing.
        """
        found = encoders_of(items)
        if (found, vector_digests(items)) != (self.encoders, self.vectors):
            raise BadInputError(
                f"the challenger was fitted with vectors of {_in_words(self.encoders)}, and there "
                f"are {'others of' if found == self.encoders else 'ones of'} {_in_words(found)}: "
                "give the content that training had, or train again with this one"
            )


def fit_challenger(
    clean: str,
    out: str,
    settings: FitSettings | None = None,
    progress: Progress = silent,
    training_features: str | None = None,
    checkpoints: str = "",
) -> Challenger:
    """Fit on train, measure on validation, then fit again on both for as many epochs.

    An interrupted run goes on from its checkpoints.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for ``challenger.json`` and, of models that can be released, parameters.
        settings: The social model in this process by default.
        progress: Called after every epoch.
        training_features: Folder of point-in-time features; they must tell the same as ``clean``.
        checkpoints: Folder or URL for them; under ``out`` by default.

    Raises:
        BadInputError: The data or the settings are wrong.
    """
    settings, started = settings or FitSettings(), time.monotonic()
    config = settings.configure()
    again = read_repurchase(*settings.repurchase)
    shop = CleanShop.open(clean, again, settings.content, settings.circle)
    if settings.impressions:
        shop = with_exposure(shop, settings.impressions)
    if training_features is not None:
        check_features(training_features, shop)
    data = shop.split.for_validation()
    start = open_start(settings.start, shop.dataset.items) if settings.start else None
    where = settings.where(checkpoints or f"{out}/{CHECKPOINTS}", data, start)
    fitted = fit_twice(shop.split, settings.model, config, where, progress, start)
    history = history_of(fitted.chosen)
    popularity = Popularity()
    popularity.fit(data)
    challenger = Challenger(
        model=settings.model,
        config=asdict(config),
        chosen=asdict(chosen_config(fitted.chosen)),
        split=shop.split.name,
        validation=evaluate_model(fitted.chosen, data, shop.split.val).means(),
        popularity=evaluate_model(popularity, data, shop.split.val).means(),
        best_epoch=history["best_epoch"] if history else 0,
        data_fingerprint=shop.dataset.fingerprint,
        code_version=coterie.__version__,
        seconds=round(time.monotonic() - started, 1),
        training=history,
        start=settings.start,
        repurchase=dict(shop.split.repurchase.days),
        encoders=encoders_of(shop.split.items),
        vectors=vector_digests(shop.split.items),
        circle=settings.circle.as_json(),
        bound=_bound(fitted.final),
    )
    _save(challenger, fitted.final, Path(out))
    return challenger


def load_challenger(folder: str) -> Challenger:
    """Read what ``fit_challenger`` kept.

    Raises:
        BadInputError: There is none, or it is damaged.
    """
    path = Path(folder, CHALLENGER)
    if not path.is_file():
        raise BadInputError(f"{folder} holds no {CHALLENGER}: train one with coterie train first")
    try:
        found = Challenger(**json.loads(path.read_text()))
        config, chosen = (renew(found.model, one) for one in (found.config, found.chosen))
        return replace(found, config=config, chosen=chosen)
    except (ValueError, TypeError, KeyError) as error:
        raise BadInputError(f"{path} is damaged ({error}): train again") from error


def load_parameters(folder: str) -> Parameters:
    """Read what the challenger in a folder has learned.

    Raises:
        BadInputError: It is of a model that cannot be released, or the file is damaged.
    """
    path = Path(folder, PARAMETERS)
    if not path.is_file():
        raise BadInputError(
            f"{folder} holds no {PARAMETERS}: only the {_releasable()} model can be released, "
            "others are for comparison"
        )
    try:
        return safetensors.load(path.read_bytes())
    except (SafetensorError, ValueError) as error:
        raise BadInputError(f"{path} is damaged ({error}): train again") from error


def load_popularity(folder: str) -> Floats:
    """Read how many people had each item as a bounded challenger has it, shape (items,).

    Raises:
        BadInputError: There is no such file, or it is damaged.
    """
    path = Path(folder, POPULARITY)
    try:
        found = safetensors.load(path.read_bytes())["popularity"].numpy()
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise BadInputError(f"{path} is missing or damaged ({error}): train again") from error
    return np.asarray(found, np.float32)


def _bound(final: Model) -> dict[str, Any]:
    """Tell what the model that may be released promises."""
    promise = final.promise if isinstance(final, Bounded) else None
    return promise.as_json() if promise else {}


def _releasable() -> str:
    return " or ".join(name for name in MODELS if is_releasable(name))


def _in_words(encoders: Mapping[str, str]) -> str:
    """Name encoders, each with as much of its digest as a person needs."""
    return ", ".join(f"{kind} ({made[:-52]})" for kind, made in encoders.items()) or "nothing"


def history_of(model: Model) -> dict[str, Any] | None:
    """Describe how a model learned, as plain values; None for one without epochs."""
    return model.history.as_json() if isinstance(model, Learned) else None


def _save(challenger: Challenger, final: Model, folder: Path) -> None:
    """Write parameters first: a folder with ``challenger.json`` is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHALLENGER).unlink(missing_ok=True)
    for name in (PARAMETERS, POPULARITY):
        (folder / name).unlink(missing_ok=True)
    if isinstance(final, Releasable):
        write_atomically(folder / PARAMETERS, safetensors.save(final.parameters))
    if isinstance(final, Bounded):
        told = {"popularity": torch.from_numpy(final.popularity)}
        write_atomically(folder / POPULARITY, safetensors.save(told))
    write_atomically(folder / CHALLENGER, json.dumps(asdict(challenger), indent=2) + "\n")
