"""Find a model's best settings for a shop, and keep them where training takes them from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from coterie.data.circle import CircleRule
from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.evaluation.tuning import write_page
from coterie.files import write_atomically
from coterie.fitting.dataset_file import digest
from coterie.models import MODELS
from coterie.models.space import Space, Tuning, describe
from coterie.renamed import renamed_fields
from coterie.tuning.study import Study, StudyPlan, Trial, open_study
from coterie.tuning.study_progress import StudyProgress, Watch, unwatched
from coterie.tuning.trials import Bounds, Search
from coterie.workflow.config_values import flatten, nest
from coterie.workflow.settings import FitSettings, change, renew
from coterie.workflow.shop import CleanShop

BEST: Final = "best.json"
"""What ``coterie train --config`` and the pipeline's ``settings`` take."""
PAGE: Final = "tuning.html"
TRIALS: Final = 30
"""Where neither trials nor minutes are bounded."""


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """What to tune, and how much to spend on it."""

    model: str = "social"
    """One of ``coterie.models.MODELS``."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Fields that every trial has, nested or with dots; a field named here is not searched."""
    trials: int | None = None
    """In the study, with those of earlier runs."""
    minutes: float | None = None
    """From now on; what is in flight then ends at its next report."""
    seed: int = 0
    """Of the search; ``loop.seed`` is that of learning."""
    parallel: int = 0
    """Trials at once; 0 for one on every GPU, or on every two cores."""
    use_gpu: bool = False
    """One GPU for each trial, or a share where more run at once than there are."""
    address: str = "local"
    """Of the Ray cluster; with ``auto``, the folder must be one that its machines share."""
    content: str = ""
    """Folder or URL with vectors of items that the content step left; empty: none."""
    circle: CircleRule = field(default_factory=CircleRule)
    """Whom lists draw on: whom served ones draw on."""

    def __post_init__(self) -> None:
        if self.model in MODELS:
            object.__setattr__(self, "config", renew(self.model, self.config))

    @property
    def bounds(self) -> Bounds:
        """How much may be spent."""
        trials = TRIALS if self.trials is None and self.minutes is None else self.trials
        seconds = None if self.minutes is None else 60.0 * self.minutes
        return Bounds(trials, seconds, self.parallel, self.use_gpu, self.address)

    def search(self) -> Search:
        """Set up what is searched, and from where.

        Raises:
            BadInputError: A field is unknown, its value is refused, or none is left to search.
        """
        config = FitSettings(self.model, self.config).configure()
        fixed, own = flatten(self.config), flatten(asdict(config))
        tuning: Tuning = MODELS[self.model].tuning
        space = {name: f for name, f in tuning.space.items() if name not in fixed}
        if not space:
            raise BadInputError(
                f"{self.model} has nothing to tune"
                + (f" beside {', '.join(fixed)}: fix less of it" if fixed else "")
            )
        defaults = {name: own[name] for name in space}
        _check(space, defaults)
        epochs = config.loop.max_epochs if hasattr(config, "loop") else 0
        starts = tuple(
            defaults | {name: value for name, value in start.items() if name in space}
            for start in tuning.starts
        )
        seeds = {name: seed for name, seed in own.items() if name.rpartition(".")[2] == "seed"}
        learns = seeds if epochs else {}  # what is solved differs by less than can be told
        return Search(self.model, partial(change, config), space, defaults, epochs, starts, learns)

    def plan(self, search: Search, data: TrainingSet) -> StudyPlan:
        """Plan the study: what tells it from another."""
        config = flatten(asdict(FitSettings(self.model, self.config).configure()))
        return StudyPlan(self.model, config, describe(search.space), digest(data), self.seed)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study came to."""

    study: Study
    best: Trial
    defaults: Trial | None
    """The model's own settings; None where time was up before they were through."""
    config: Mapping[str, Any]
    """The best settings, nested: what ``best.json`` holds."""


def tune_model(
    clean: str, out: str, settings: TuneSettings | None = None, watch: Watch = unwatched
) -> Tuned:
    """Search a model's settings on train, judged by validation; test is not looked at.

    The same call goes on with a study that was broken off, or with one of which more trials are
    wanted now. ``best.json`` is there from the first trial on, ``tuning.html`` at the end, however
    that comes.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder of the study.
        settings: 30 trials of the social model by default.
        watch: Called whenever a trial starts, reports or ends.

    Raises:
        BadInputError: The data or the settings are wrong, or ``out`` holds another study.
        UnavailableError: The process that tried the model's own settings died.
    """
    settings = settings or TuneSettings()
    search, bounds = settings.search(), settings.bounds  # refused before anything is written
    model = MODELS[settings.model](FitSettings(settings.model, settings.config).configure())
    shop = CleanShop.open(clean, content=settings.content, rule=settings.circle)
    data = shop.split.for_validation().with_item_columns(model.item_columns)
    renamed = renamed_fields(model.config)
    with open_study(out, settings.plan(search, data), renamed) as study:
        try:
            # Ray and Optuna take seconds to import: only who tunes waits for them.
            from coterie.tuning.tune import run_study

            run_study(study, search, data, bounds, _keeping(study, settings, watch))
        finally:
            if study.best is not None:
                _draw(study, search)
        return _outcome(study, search, settings)


def _outcome(study: Study, search: Search, settings: TuneSettings) -> Tuned:
    best = study.best
    if best is None:
        raise BadInputError("time was up before any trial had a score: give it more minutes")
    config = _keep_best(study, settings, best)
    return Tuned(study, best, study.of(search.defaults), config)


def _keeping(study: Study, settings: TuneSettings, watch: Watch) -> Watch:
    """Wrap ``watch``: keep the best settings whenever they are others."""
    kept: list[Trial] = []

    def tell(progress: StudyProgress) -> None:
        if study.best is not None and [study.best] != kept:
            _keep_best(study, settings, study.best)
            kept[:] = [study.best]
        watch(progress)

    return tell


def _keep_best(study: Study, settings: TuneSettings, best: Trial) -> dict[str, Any]:
    config = nest(flatten(settings.config) | dict(best.changes))
    write_atomically(study.folder / BEST, json.dumps(config, indent=2) + "\n")
    return config


def _draw(study: Study, search: Search) -> None:
    from coterie.tuning.search import importances

    shares = importances(search.space, study.searched)
    write_page(study, search.space, search.defaults, shares, Path(study.folder, PAGE))


def _check(space: Space, defaults: Mapping[str, Any]) -> None:
    for name, value in defaults.items():
        if value not in space[name]:
            raise BadInputError(
                f"{name} = {value!r} lies outside what is searched, {space[name]}: fix it with "
                f"{name}={value}, or widen the model's tuning"
            )
