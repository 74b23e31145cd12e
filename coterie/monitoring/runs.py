"""What pipeline runs leave behind for whoever watches: one small JSON object a run.

Steps are gone before a scrape would find them, so each writes how it stands into a folder or a
bucket, and serving exports what is there. Steps of one run do not overlap: each reads its run's
object and writes it back whole.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from coterie.data.stores import is_local, open_store, reaching
from coterie.errors import BadInputError

PIPELINES: Final = ("train", "refresh")
"""That make releases."""
STEPS: Final = (
    "ingest",
    "features",
    "content",
    "network",
    "behaviour",
    "train",
    "evaluate",
    "release",
)
"""Of all pipelines; a run starts with the first and has succeeded with the last. Content,
network and behaviour have no place in runs of shops that ask for none."""
KEPT: Final = 50
SILENT_S: Final = 600.0
"""A step that is at work says so more often; after so long without a sign of it, it was killed."""
IDLE_S: Final = 86_400.0
"""After so long no next step begins any more. Pods wait for nodes and queues, so it is long."""
MAX_WHY: Final = 500
_ENDING: Final = ".json"


class Outcome(StrEnum):
    """How a run ended, if it did."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    """By a person: no failure."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run; times are seconds since 1970."""

    started: float
    ended: float | None = None
    """None while it runs, or when it was killed outright."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as far as its steps told."""

    name: str
    """The version that it makes."""
    started: float
    pipeline: str = PIPELINES[0]
    outcome: Outcome = Outcome.RUNNING
    ended: float | None = None
    why: str = ""
    """Of a failure: the step and its error."""
    steps: Mapping[str, Step] = field(default_factory=dict)
    ingested: Mapping[str, int] = field(default_factory=dict)
    """Good rows by table; empty until ingest is through."""
    quarantined: Mapping[str, int] = field(default_factory=dict)
    """Bad rows by table."""
    alive: float = 0.0
    """When a step last said that it is at work; 0 where none ever did."""

    @property
    def at_work(self) -> str:
        """The step that began and has not ended; empty between steps."""
        return next((name for name, step in self.steps.items() if step.ended is None), "")

    def judged(self, now: float) -> "Run":
        """Call a run failed whose step was killed: nobody else can say so for it."""
        if self.outcome is not Outcome.RUNNING:
            return self
        # Images of before never said that they are at work.
        told = self.at_work and self.alive
        limit = SILENT_S if told else IDLE_S
        times = (t for s in self.steps.values() for t in (s.started, s.ended or 0.0))
        last = max((self.started, self.alive, *times))
        if now - last <= limit:
            return self
        said = f"{self.at_work}: no sign of it" if self.at_work else "no other step began"
        why = f"{said} for {limit:.0f} s: killed, out of memory, or its pod is gone?"
        return replace(self, outcome=Outcome.FAILED, ended=last + limit, why=why)

    def beaten(self, step: str, began: float, now: float) -> "Run":
        """Note that the step that began then is at work; a word too late changes nothing."""
        mine = self.at_work == step and self.steps[step].started == began
        return replace(self, alive=now) if mine else self

    def step_started(self, step: str, now: float) -> "Run":
        """Begin a step; one that is tried again begins anew, and so its run goes on."""
        steps = {**self.steps, step: Step(now)}
        return replace(self, steps=steps, outcome=Outcome.RUNNING, ended=None, why="", alive=now)

    def step_ended(self, step: str, now: float, why: str = "") -> "Run":
        """End a step, well unless ``why`` says otherwise."""
        began = self.steps.get(step, Step(now)).started
        after = replace(self, steps={**self.steps, step: Step(began, now)})
        if why:
            return replace(after, outcome=Outcome.FAILED, ended=now, why=f"{step}: {why}"[:MAX_WHY])
        if step == STEPS[-1]:
            return replace(after, outcome=Outcome.SUCCEEDED, ended=now)
        return after

    def as_json(self) -> dict[str, Any]:
        """Make plain values for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> "Run":
        """Read back what :meth:`as_json` made.

        Raises:
            BadInputError: It is anything else.
        """
        try:
            read = {
                "outcome": Outcome(content["outcome"]),
                "started": float(content["started"]),
                "ended": None if content["ended"] is None else float(content["ended"]),
                "steps": {name: Step(**step) for name, step in content["steps"].items()},
                "ingested": {table: int(rows) for table, rows in content["ingested"].items()},
                "quarantined": {table: int(rows) for table, rows in content["quarantined"].items()},
                "alive": float(content.get("alive", 0.0)),
            }
            return cls(**{**content, **read})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError(f"this is no run of a pipeline ({error!r})") from error


class Runs:
    """The last runs in one folder or bucket (any fsspec URL)."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        """Read and write nothing yet.

        Raises:
            BadInputError: Nothing installed knows this kind of URL.
        """
        self.url, self._clock = url.rstrip("/"), clock
        self._fs, self._folder = open_store(self.url)
        self._known: dict[str, tuple[str, Run]] = {}

    def read(self) -> list[Run]:
        """Read all runs, oldest first, those whose step was killed as failed.

        What cannot be read as one is passed over.

        Objects that did not change since they were last read here are not fetched again.

        Raises:
            BadInputError: The store does not let us.
            UnavailableError: The store does not answer.
        """
        known: dict[str, tuple[str, Run]] = {}
        for file, stamp in self._files().items():
            if self._known.get(file, ("", None))[0] == stamp:
                known[file] = self._known[file]
            elif run := self._fetch(file):
                known[file] = stamp, run
        self._known = known
        now = self._clock()
        return [run.judged(now) for _, run in known.values()]

    def change(self, name: str, change: Callable[[Run], Run], anew: bool = False) -> None:
        """Write how a run stands now, and forget the oldest runs.

        Args:
            name: Of the run; the newest of this name is meant.
            change: From how it stood to how it stands.
            anew: Whether another run of this name begins.

        Raises:
            BadInputError: The store does not let us.
            UnavailableError: The store does not answer.
        """
        files = self._files()
        mine = [file for file in files if _name(file) == quote(name, safe="")]
        file = mine[-1] if mine and not anew else ""
        run = self._fetch(file) if file else None
        if run is None:
            run = Run(name, time.time())
            file = f"{self._folder}/{_stamp(run.started)}-{quote(name, safe='')}{_ENDING}"
        self._write(file, json.dumps(change(run).as_json(), indent=1).encode())
        with reaching(self.url):
            for old in sorted({*files, file})[:-KEPT]:
                self._fs.rm_file(old)

    def end(self, name: str, outcome: Outcome, why: str = "") -> None:
        """End a run whose step could not do so itself; one that has ended stays as it is.

        Raises:
            BadInputError: See ``change``.
            UnavailableError: See ``change``.
        """

        def ended(run: Run) -> Run:
            if run.outcome is not Outcome.RUNNING:
                return run
            return replace(run, outcome=outcome, ended=time.time(), why=why[:MAX_WHY])

        self.change(name, ended)

    def _files(self) -> dict[str, str]:
        """List the objects of runs, oldest first, each with what changes when it does."""
        try:
            with reaching(self.url):
                self._fs.invalidate_cache()
                found = self._fs.ls(self._folder, detail=True)
        except FileNotFoundError:
            return {}
        marks = ("ETag", "LastModified", "mtime", "created", "size")
        return {
            one["name"]: repr([one.get(mark) for mark in marks])
            for one in sorted(found, key=lambda one: str(one["name"]))
            if str(one["name"]).endswith(_ENDING)
        }

    def _fetch(self, file: str) -> Run | None:
        try:
            with reaching(self.url):
                return Run.from_json(json.loads(self._fs.cat_file(file)))
        except (FileNotFoundError, ValueError, BadInputError):
            return None  # forgotten meanwhile, or somebody else's

    def _write(self, file: str, data: bytes) -> None:
        with reaching(self.url):
            self._fs.makedirs(self._folder, exist_ok=True)
            if not is_local(self._fs):
                self._fs.pipe_file(file, data)  # a store shows objects whole
                return
            beside = f"{self._folder}/.{uuid.uuid4().hex}.part"
            try:
                self._fs.pipe_file(beside, data)
                self._fs.mv(beside, file)
            except OSError:
                # A half would stay for ever, on a disk that is full already.
                with suppress(OSError):
                    self._fs.rm_file(beside)
                raise


def _name(file: str) -> str:
    """Read the name of a run out of that of its object.

    >>> _name("status/20260102T030405000006-v1-b.json")
    'v1-b'
    """
    return PurePosixPath(file).name.removesuffix(_ENDING).partition("-")[2]


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S%f")
