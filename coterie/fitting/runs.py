"""A training run: who works on it, and what tells it from another of the same name."""

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from coterie.data.dataset import TrainingSet
from coterie.errors import BadInputError
from coterie.fitting.dataset_file import digest, digest_start
from coterie.models.exposure import EXPOSURE, OF_EXPOSURE
from coterie.models.signals import ItemSignal
from coterie.training.loop import Start

LATER: Final = frozenset({"least_friend_history"})
"""Settings that came after runs which may still go on."""


@dataclass(frozen=True, slots=True)
class RayWorkers:
    """Ray Train's workers, and where the run's states outlive them."""

    storage: str
    """A folder, or a bucket's address; several machines must all reach it."""
    run_name: str = "train"
    """A run of this name that was broken off goes on where it stood."""
    count: int = 1
    """Workers that share every step."""
    use_gpu: bool = False
    """Whether each worker has a GPU."""
    retries: int = 1
    """How often a worker may die before the run is given up."""
    address: str = "local"
    """``local`` starts Ray for this run alone; ``auto`` joins the cluster that we are on."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise BadInputError(f"training needs at least one worker, found {self.count}")

    @property
    def folder(self) -> str:
        """Where this run's states lie."""
        return f"{self.storage.rstrip('/')}/{self.run_name}"


def _under_old_names(config: Any) -> dict[str, Any]:
    """List a config's fields, each under the name that ``renamed`` says it had."""
    old = {new: name for name, new in getattr(config, "renamed", {}).items()}
    found = {}
    for field in fields(config):
        value = getattr(config, field.name)
        plain = _under_old_names(value) if is_dataclass(value) else value
        found[old.get(field.name, field.name)] = plain
    return found


def _without_later(settings: dict[str, Any]) -> dict[str, Any]:
    """Leave out ``LATER`` settings that are 0: they change nothing, as before there were any."""
    return {
        name: _without_later(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if value or name not in LATER
    }


def run_identity(
    model_name: str, config: Any, data: TrainingSet, start: Start | None = None
) -> str:
    """Hash what is learned from what; how long does not count, so that a run may go on."""
    # Under the names of the version before: a run that it began goes on after an upgrade.
    settings = _without_later(_under_old_names(config))
    for name in ("max_epochs", "patience"):
        settings["loop"].pop(name)
    for field in fields(config):
        signal = getattr(config, field.name)
        if isinstance(signal, ItemSignal) and signal.share == 0:
            settings.pop(field.name)  # left out of the score, so nothing is learned of it
    if data.items is None or EXPOSURE not in data.items.column_names:
        for name in OF_EXPOSURE:
            settings.pop(name, None)  # nobody said what lists showed, so they do nothing
    parts = [model_name, settings, digest(data)] + ([digest_start(start)] if start else [])
    whole = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]
