"""Where experiments are written down: a folder that replicas, consumer and people share."""

import contextlib
import fcntl
import io
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError, UnavailableError
from coterie.experiments.communities import FOLDER, CommunityMap, file_name
from coterie.experiments.definition import Experiment, placed
from coterie.files import write_atomically

FILE: Final = "experiments.json"
FORMAT: Final = 1
RESULTS: Final = "results"
TURNS: Final = "turns"
"""Each change of the file in a store without locks, one object a change: who makes it is first."""
TRIES: Final = 20
"""Of a change while others make theirs."""


class ExperimentStore:
    """One file of all experiments, and a file of the newest result of each."""

    def __init__(self, folder: str) -> None:
        """Take a folder, local or of a store; it is made when something is written.

        Raises:
            BadInputError: Nothing installed knows this kind of path.
        """
        self._fs, self._root = open_store(folder)
        self._local, self._writer = is_local(self._fs), secrets.token_hex(8)

    def read(self) -> tuple[Experiment, ...]:
        """Read all experiments, oldest first.

        Raises:
            BadInputError: The file is damaged, or of another version.
            UnavailableError: The store does not answer.
        """
        return self._newest()[1]

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
        return self._rewrite(lambda before: (*before, placed(new, before)))[-1]

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
        self._put(f"{RESULTS}/{name}.json", json.dumps(result, indent=1).encode())

    def result(self, name: str) -> dict[str, Any] | None:
        """Read the newest result; None: there is none yet."""
        return self._content(f"{RESULTS}/{name}.json")

    def find(self, name: str) -> Experiment:
        """Find an experiment by its name; raises BadInputError where there is none."""
        for one in self.read():
            if one.name == name:
                return one
        raise BadInputError(f"there is no experiment {name}: see coterie experiment status")

    def freeze(self, rows: pa.Table, started_ms: int) -> str:
        """Keep the communities with which an experiment begins; return the name of their file.

        Args:
            rows: As ``communities.frozen`` makes them.
            started_ms: When, milliseconds since 1970.

        Raises:
            UnavailableError: The store does not answer.
        """
        content = io.BytesIO()
        pq.write_table(rows, content, compression="zstd")
        name = file_name(content.getvalue(), started_ms, rows.num_rows)
        self._put(f"{FOLDER}/{name}", content.getvalue())
        return name

    def communities(self, name: str) -> CommunityMap:
        """Read what ``freeze`` kept.

        Raises:
            BadInputError: It is not there any more.
            UnavailableError: The store does not answer.
        """
        path = f"{self._root}/{FOLDER}/{name}"
        with reaching(path):
            try:
                content = self._fs.cat_file(path)
            except FileNotFoundError as error:
                raise BadInputError(
                    f"{path} is gone: communities are kept until the last window of their "
                    "experiment is over, and its result says what was found by then"
                ) from error
        return CommunityMap.of(pq.read_table(pa.BufferReader(content)))

    def thaw(self, name: str) -> None:
        """Let go of what ``freeze`` kept; raises UnavailableError where that fails."""
        path = f"{self._root}/{FOLDER}/{name}"
        with reaching(path), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(path)

    def _change(self, name: str, change: Callable[[Experiment], Experiment]) -> Experiment:
        changed: list[Experiment] = []

        def of_all(before: tuple[Experiment, ...]) -> tuple[Experiment, ...]:
            found = [one for one in before if one.name == name and one.runs]
            if not found:
                raise BadInputError(f"no experiment {name} runs: see coterie experiment status")
            changed[:] = [change(found[0])]
            return tuple(changed[0] if one is found[0] else one for one in before)

        self._rewrite(of_all)
        return changed[0]

    def _rewrite(
        self, change: Callable[[tuple[Experiment, ...]], tuple[Experiment, ...]]
    ) -> tuple[Experiment, ...]:
        """Change what is written down; again where somebody else was quicker."""
        with self._locked():
            for _ in range(TRIES):
                turn, before = self._newest()
                after = change(before)
                if self._claim(turn + 1, after):
                    self._put(FILE, self._text(turn + 1, after))
                    return after
        raise UnavailableError(
            f"{self._root}/{FILE} was changed by others {TRIES} times: try again"
        )

    def _newest(self) -> tuple[int, tuple[Experiment, ...]]:
        """Read all experiments, and by which turn they were written."""
        content, known = self._content(FILE), 0
        if content is not None:
            known = int(content.get("turn", 0))
        while not self._local:
            # Whoever claimed the next turn may not have written the file yet.
            after = self._content(f"{TURNS}/{known + 1:06d}.json")
            if after is None:
                break
            content, known = after, known + 1
        return known, () if content is None else self._read(content)

    def _read(self, content: dict[str, Any]) -> tuple[Experiment, ...]:
        if content.get("format") != FORMAT:
            raise BadInputError(
                f"{self._root}/{FILE} has format {content.get('format')}, known is {FORMAT}"
            )
        return tuple(Experiment.from_json(one) for one in content["experiments"])

    def _claim(self, turn: int, experiments: tuple[Experiment, ...]) -> bool:
        """Take the next turn, which one alone can; False: somebody else did.

        Under a lock nobody else can. A store has none, but makes an object that is not there yet
        for one of several at once.
        """
        if self._local:
            return True
        path, text = f"{self._root}/{TURNS}/{turn:06d}.json", self._text(turn, experiments)
        with reaching(path):
            try:
                self._fs.pipe_file(path, text, mode="create")
            except OSError:
                # By s3fs a refusal is an error like any other; so is an answer that was lost.
                self._fs.invalidate_cache()
                if not self._fs.exists(path):
                    raise
                return bool(self._fs.cat_file(path) == text)
        return True

    def _text(self, turn: int, experiments: tuple[Experiment, ...]) -> bytes:
        content = {"format": FORMAT, "turn": turn, "by": self._writer}
        content["experiments"] = [one.as_json() for one in experiments]
        return json.dumps(content, indent=1).encode()

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

    def _put(self, name: str, content: bytes) -> None:
        path = f"{self._root}/{name}"
        with reaching(path):
            if self._local:
                write_atomically(path, content)
            else:
                self._fs.pipe_file(path, content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers of this machine out; in a store they take turns, see ``_claim``."""
        if not self._local:
            yield
            return
        Path(self._root).mkdir(parents=True, exist_ok=True)
        with Path(self._root, ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
