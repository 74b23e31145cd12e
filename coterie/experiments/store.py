"""Where experiments are written down: a folder that replicas, consumer and people share."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError
from coterie.experiments.definition import Experiment, placed
from coterie.files import write_atomically

FILE: Final = "experiments.json"
FORMAT: Final = 1
RESULTS: Final = "results"


class ExperimentStore:
    """One file of all experiments, and a file of the newest result of each."""

    def __init__(self, folder: str) -> None:
        """Take a folder, local or of a store; it is made when something is written.

        Raises:
            BadInputError: Nothing installed knows this kind of path.
        """
        self._fs, self._root = open_store(folder)
        self._local = is_local(self._fs)

    def read(self) -> tuple[Experiment, ...]:
        """Read all experiments, oldest first.

        Raises:
            BadInputError: The file is damaged, or of another version.
            UnavailableError: The store does not answer.
        """
        content = self._content(FILE)
        if content is None:
            return ()
        if content.get("format") != FORMAT:
            raise BadInputError(
                f"{self._root}/{FILE} has format {content.get('format')}, known is {FORMAT}"
            )
        return tuple(Experiment.from_json(one) for one in content["experiments"])

    def mark(self) -> str:
        """Tell one form of the file from another, without reading it; empty: there is none."""
        path = f"{self._root}/{FILE}"
        with reaching(path):
            self._fs.invalidate_cache()
            if not self._fs.exists(path):
                return ""
            told = self._fs.info(path)
        return str([told.get(name) for name in ("ino", "mtime", "size", "ETag", "LastModified")])

    def add(self, new: Experiment) -> Experiment:
        """Begin an experiment; give it back with its shoppers.

        Raises:
            BadInputError: It does not fit beside those that run.
            UnavailableError: The store does not answer.
        """
        with self._locked():
            before = self.read()
            made = placed(new, before)
            self._write((*before, made))
        return made

    def stop(self, name: str, now_ms: int, why: str) -> Experiment:
        """End an experiment: its shoppers get what is live.

        Raises:
            BadInputError: None of that name runs.
            UnavailableError: The store does not answer.
        """
        return self._change(name, lambda one: replace(one, stopped_ms=now_ms, stopped_why=why))

    def stop_arm(self, name: str, arm: str, why: str) -> Experiment:
        """Put an arm's shoppers back on what is live; raises as ``stop`` does."""
        return self._change(name, lambda one: one.with_arm_stopped(arm, why))

    def note_result(self, name: str, result: dict[str, Any]) -> None:
        """Keep the newest result of an experiment.

        Raises:
            UnavailableError: The store does not answer.
        """
        self._put(f"{RESULTS}/{name}.json", result)

    def result(self, name: str) -> dict[str, Any] | None:
        """Read the newest result; None: there is none yet."""
        return self._content(f"{RESULTS}/{name}.json")

    def find(self, name: str) -> Experiment:
        """Find an experiment by its name; raises BadInputError where there is none."""
        for one in self.read():
            if one.name == name:
                return one
        raise BadInputError(f"there is no experiment {name}: see coterie experiment status")

    def _change(self, name: str, change: Callable[[Experiment], Experiment]) -> Experiment:
        with self._locked():
            before = self.read()
            found = [one for one in before if one.name == name and one.runs]
            if not found:
                raise BadInputError(f"no experiment {name} runs: see coterie experiment status")
            changed = change(found[0])
            self._write(tuple(changed if one is found[0] else one for one in before))
        return changed

    def _write(self, experiments: tuple[Experiment, ...]) -> None:
        content = {"format": FORMAT, "experiments": [one.as_json() for one in experiments]}
        self._put(FILE, content)

    def _content(self, name: str) -> dict[str, Any] | None:
        path = f"{self._root}/{name}"
        with reaching(path):
            try:
                text = self._fs.cat_file(path)
            except FileNotFoundError:
                return None
        try:
            content: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise BadInputError(f"{path} is damaged ({error})") from error
        return content

    def _put(self, name: str, content: dict[str, Any]) -> None:
        path, text = f"{self._root}/{name}", json.dumps(content, indent=1)
        with reaching(path):
            if self._local:
                write_atomically(path, text)
            else:
                self._fs.pipe_file(path, text.encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers of this machine out; in a store the last of two at once holds."""
        if not self._local:
            yield
            return
        Path(self._root).mkdir(parents=True, exist_ok=True)
        with Path(self._root, ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
