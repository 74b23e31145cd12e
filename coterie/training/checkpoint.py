"""Training states as folders of safetensors and JSON: whole or not there, and never pickled."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from coterie.data.stores import answering, open_store
from coterie.errors import BadInputError
from coterie.files import atomic_folder
from coterie.training.history import TrainingHistory, TrainingState

TENSORS = "tensors.safetensors"
STATE = "state.json"
FORMAT = 2

log = logging.getLogger(__name__)


class CheckpointFolder:
    """Keeps the newest states of one run in a folder, one subfolder an epoch."""

    def __init__(self, folder: str | Path, run: str, keep: int = 2):
        """Keep states in a folder.

        Args:
            folder: Made when first saved to.
            run: Digest of what is trained on what; a state of another run is refused.
            keep: States kept; over one, so that a damaged newest one costs an epoch only.
        """
        self._folder, self._run, self._keep = Path(folder), run, keep

    def save(self, state: TrainingState) -> None:
        """Write a state, whole or not at all; then drop what is older than ``keep`` states."""
        target = self._folder / f"epoch-{len(state.history.epochs):06d}"
        with atomic_folder(target) as beside:
            write_state(beside, state, self._run)
            shutil.rmtree(target, ignore_errors=True)
        for old in sorted(self._folder.glob("epoch-*"))[: -self._keep]:
            shutil.rmtree(old)

    def load(self) -> TrainingState | None:
        """Read the newest whole state, None if there is none; pass over damaged ones, loudly.

        Raises:
            BadInputError: The folder is another run's.
        """
        return newest_state(self._folder.glob("epoch-*"), self._run)


class CheckpointStore:
    """Keeps the newest states of one run at a URL, as :class:`CheckpointFolder` does in a folder.

    So training goes on in another pod, whose disk is empty, from where this one was broken off.
    """

    def __init__(self, url: str, run: str, keep: int = 2):
        """Keep states at a URL that fsspec opens; see :class:`CheckpointFolder`."""
        self._url, self._run, self._keep = url.rstrip("/"), run, keep

    def save(self, state: TrainingState) -> None:
        """Write a state, what vouches for it last; then drop what is older than ``keep`` states.

        Raises:
            UnavailableError: The store did not answer.
        """
        name = f"epoch-{len(state.history.epochs):06d}"
        with TemporaryDirectory() as scratch, answering(f"cannot keep a state in {self._url}"):
            written = Path(scratch, name)
            write_state(written, state, self._run)
            fs, root = open_store(self._url)
            for file in (TENSORS, STATE):
                fs.put_file(str(written / file), f"{root}/{name}/{file}")
            for old in self._kept(fs, root)[: -self._keep]:
                fs.rm(old, recursive=True)

    def load(self) -> TrainingState | None:
        """Read the newest whole state, None if there is none; pass over damaged ones, loudly.

        Raises:
            BadInputError: The states are another run's.
            UnavailableError: The store did not answer.
        """
        return newest_state_at(self._url, "epoch-*", self._run)

    def _kept(self, fs: Any, root: str) -> list[str]:
        """List the folders of states, the one with the fewest epochs first."""
        fs.invalidate_cache()
        return sorted(fs.glob(f"{root}/epoch-*"))


def checkpoints_in(location: str, run: str) -> CheckpointFolder | CheckpointStore:
    """Choose who keeps a run's states: in a folder, or at a URL."""
    return CheckpointStore(location, run) if "://" in location else CheckpointFolder(location, run)


def write_state(folder: Path, state: TrainingState, run: str) -> None:
    """Write a state into an empty folder, what vouches for it last."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"weights.{name}": tensor for name, tensor in state.weights.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best_weights.items()}
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    for index, moments in state.optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    save_file(
        {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, folder / TENSORS
    )
    content = {
        "format": FORMAT,
        "run": run,
        "sha256": _digest(folder / TENSORS),
        "history": state.history.as_json(),
        "param_groups": state.optimizer["param_groups"],
    }
    (folder / STATE).write_text(json.dumps(content))


def read_state(folder: Path, run: str) -> TrainingState:
    """Read a state back.

    Raises:
        BadInputError: It is damaged, or another run's.
    """
    content = _vouched(folder)
    if content["run"] != run:
        raise BadInputError(
            f"{folder} holds the training of something else: other data, another model or other "
            "settings; use another run name, or remove the folder to start anew"
        )
    tensors = load_file(folder / TENSORS)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            moments.setdefault(int(index), {})[name] = tensor
    return TrainingState(
        _under("weights.", tensors),
        _under("best.", tensors),
        _under("average.", tensors),
        {"state": moments, "param_groups": content["param_groups"]},
        TrainingHistory.from_json(content["history"]),
    )


def newest_state(folders: Iterable[Path], run: str) -> TrainingState | None:
    """Read the state with the most epochs among folders; pass over damaged ones, loudly.

    Raises:
        BadInputError: The newest whole one is another run's.
    """
    whole = []
    for folder in folders:
        try:
            whole.append((len(_vouched(folder)["history"]["epochs"]), folder))
        except BadInputError as error:
            log.warning("passing over a damaged checkpoint: %s", error)
    return read_state(max(whole)[1], run) if whole else None


def newest_state_at(url: str, folders: str, run: str) -> TrainingState | None:
    """Fetch the folders under a URL that match a pattern; see :func:`newest_state`.

    Raises:
        BadInputError: The newest whole one is another run's.
        UnavailableError: The store did not answer.
    """
    with TemporaryDirectory() as scratch, answering(f"cannot read states from {url}"):
        fs, root = open_store(url)
        fs.invalidate_cache()
        for folder in fs.glob(f"{root}/{folders}"):
            fs.get(f"{folder}/", str(Path(scratch, Path(folder).name)) + "/", recursive=True)
        return newest_state(Path(scratch).glob("*"), run)


def _vouched(folder: Path) -> dict[str, Any]:
    """Read the JSON of a state whose tensors are as they were written."""
    try:
        content: dict[str, Any] = json.loads((folder / STATE).read_text())
        if content["format"] != FORMAT:
            raise BadInputError(f"{folder} has format {content['format']}, known is {FORMAT}")
        if content["sha256"] != _digest(folder / TENSORS):
            raise BadInputError(f"{folder / TENSORS} is not what was written")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{folder} is no whole checkpoint: {error}") from error
    return content


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key[len(prefix) :]: t for key, t in tensors.items() if key.startswith(prefix)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
