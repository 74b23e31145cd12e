"""A study as a folder: what is tuned on what, and each trial as a line of JSON, kept at once."""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from coterie.errors import BadInputError
from coterie.files import write_atomically
from coterie.renamed import under_new_names

PLAN: Final = "study.json"
TRIALS: Final = "trials.jsonl"
LOCK: Final = ".lock"
FORMAT: Final = 1
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
# Two seeds of the same settings came .3 to 1.4 % apart on Beidian and LastFM: who leads by less
# than this may lead by luck.
CLOSE: Final = 0.01
"""Part of the best score within which others are its rivals."""
MAX_RIVALS: Final = 3
"""That are fitted again, the best one too."""

log = logging.getLogger(__name__)


class Ending(StrEnum):
    """How a trial came to its end."""

    FINISHED = "finished"
    """It learned all that it could."""
    STOPPED = "stopped"
    """Others were better after as many epochs."""
    CUT = "cut"
    """Time was up; it is not counted, and its like may be tried again."""
    FAILED = "failed"
    """Its settings were refused, learning diverged, or its process died."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration, and what it reached on validation."""

    changes: Mapping[str, Any]
    """The fields that the space names, by dotted name."""
    ending: Ending
    score: float | None
    """Best NDCG@20 that it reached; None where it reached none."""
    best_epoch: int
    """Where it did; 0 of a model without epochs."""
    curve: Sequence[tuple[int, float]]
    """Epochs and their scores."""
    seconds: float
    elapsed_s: float
    """Time spent on the study when it ended, over all runs of it."""
    error: str = ""
    repeat: int = 0
    """0 in the search; 1 where its settings were fitted again, with the next seeds."""

    @property
    def counts(self) -> bool:
        """Whether it is one of the trials that were asked for."""
        return self.ending is not Ending.CUT and not self.repeat


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What tells a study from another."""

    model: str
    config: Mapping[str, Any]
    """What every trial starts from."""
    space: Mapping[str, Any]
    """What is searched, as ``coterie.models.space.describe`` puts it."""
    data: str
    """Digest of the training set, validation and all."""
    seed: int

    def differences(self, other: "StudyPlan") -> list[str]:
        """Name what differs, in words: ``seed``, or ``config (heads, loop.lr)``."""
        ours, theirs = _plain(self), _plain(other)
        return [_difference(n, ours[n], theirs[n]) for n in ours if ours[n] != theirs[n]]


class Study:
    """The trials of a plan so far; of an open study, more can be added."""

    def __init__(self, folder: Path, plan: StudyPlan, trials: list[Trial]):
        """Hold trials that :func:`open_study` or :func:`load_study` read."""
        self.folder, self.plan, self._trials = folder, plan, trials

    @property
    def trials(self) -> tuple[Trial, ...]:
        """In the order in which they ended, and what was fitted again."""
        return tuple(self._trials)

    @property
    def searched(self) -> tuple[Trial, ...]:
        """Those of the search, in the order in which they ended."""
        return tuple(trial for trial in self._trials if not trial.repeat)

    @property
    def num_counted(self) -> int:
        """Trials done of those that were asked for."""
        return sum(trial.counts for trial in self._trials)

    @property
    def elapsed_s(self) -> float:
        """Time spent, over all runs."""
        return max((trial.elapsed_s for trial in self._trials), default=0.0)

    @property
    def best(self) -> Trial | None:
        """What the search found best, or won the runoff; None while nothing has a score.

        The highest score of the search leads; of equal ones the earliest. Once the leader was
        fitted again, the highest mean of those that were.
        """
        leader = self._leader
        if leader is None or len(self.scores(leader)) == 1:
            return leader
        twice = [trial for trial in self.searched if len(self.scores(trial)) > 1]
        return max(twice, key=self.mean)

    @property
    def rivals(self) -> tuple[Trial, ...]:
        """What seeds may have put in their order: the leader and those CLOSE to it, best first.

        At most MAX_RIVALS; empty where the leader is alone, or did not learn to its end.
        """
        leader = self._leader
        if leader is None or leader.ending is not Ending.FINISHED:
            return ()
        least = (1 - CLOSE) * (leader.score or 0.0)
        finished = [trial for trial in self.searched if trial.ending is Ending.FINISHED]
        close = [trial for trial in finished if (trial.score or 0.0) >= least]
        first = {json.dumps(dict(trial.changes)): trial for trial in reversed(close)}.values()
        ranked = sorted(first, key=lambda trial: (-(trial.score or 0.0), close.index(trial)))
        return tuple(ranked[:MAX_RIVALS]) if len(ranked) > 1 else ()

    @property
    def pending(self) -> tuple[Trial, ...]:
        """Rivals that wait to be fitted again."""
        return tuple(trial for trial in self.rivals if len(self.scores(trial)) == 1)

    @property
    def _leader(self) -> Trial | None:
        scored = [trial for trial in self.searched if trial.score is not None]
        return max(scored, key=lambda trial: trial.score or 0.0, default=None)

    def scores(self, trial: Trial) -> tuple[float, ...]:
        """List the scores of every fit of a trial's settings; 0 of a second one that failed."""
        again = [
            one.score or 0.0
            for one in self._trials
            if one.repeat and one.ending is not Ending.CUT and one.changes == trial.changes
        ]
        return (trial.score or 0.0, *again)

    def mean(self, trial: Trial) -> float:
        """Average the scores of every fit of a trial's settings."""
        scores = self.scores(trial)
        return sum(scores) / len(scores)

    def gain(self, trial: Trial, own: Trial) -> float | None:
        """Measure how far a trial is above another, over both's seeds; None where that scored 0.

        .05 is 5 % more.
        """
        pairs = list(zip(self.scores(trial), self.scores(own), strict=False))
        ours, theirs = (sum(scores) for scores in zip(*pairs, strict=True))
        return ours / theirs - 1 if theirs else None

    def of(self, changes: Mapping[str, Any]) -> Trial | None:
        """Find the counted trial of a configuration, None if there is none."""
        return next(
            (t for t in self._trials if t.counts and dict(t.changes) == dict(changes)), None
        )

    def add(self, trial: Trial) -> None:
        """Keep a trial: it is on the disk when this returns."""
        with (self.folder / TRIALS).open("ab") as file:
            file.write(json.dumps(asdict(trial)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._trials.append(trial)


@contextmanager
def open_study(
    folder: str | Path, plan: StudyPlan, renamed: Mapping[str, str] = NOTHING
) -> Iterator[Study]:
    """Begin a study, or go on with the one that the folder holds; nobody else may meanwhile.

    Args:
        folder: Of the study.
        plan: What is tuned on what.
        renamed: New names of fields by old ones, which an earlier version's study has.

    Raises:
        BadInputError: The folder holds another study, is damaged, or another process is at it.
    """
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    with (where / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadInputError(f"another process is tuning in {where}: wait for it") from error
        if (where / PLAN).exists():
            _refuse_another(where, plan, renamed)
        else:
            _begin(where, plan)
        yield Study(where, plan, _read_trials(where / TRIALS, renamed, mend=True))


def load_study(folder: str | Path) -> Study:
    """Read what a study has come to, to look at.

    Raises:
        BadInputError: There is none, or it is damaged.
    """
    where = Path(folder)
    if not (where / PLAN).is_file():
        raise BadInputError(f"{where} holds no {PLAN}: make one with coterie tune")
    return Study(where, _read_plan(where), _read_trials(where / TRIALS, NOTHING, mend=False))


def _begin(where: Path, plan: StudyPlan) -> None:
    """Begin a study by writing its plan last: a folder without it holds none."""
    strangers = [path.name for path in where.iterdir() if path.name != LOCK]
    if strangers:
        raise BadInputError(
            f"{where} holds {sorted(strangers)[0]} and no study: name a new or an empty folder"
        )
    write_atomically(where / PLAN, json.dumps({"format": FORMAT} | asdict(plan), indent=2) + "\n")


def _refuse_another(where: Path, plan: StudyPlan, renamed: Mapping[str, str]) -> None:
    differ = plan.differences(_read_plan(where, renamed))
    if differ:
        raise BadInputError(
            f"{where} holds another study: its {' and '.join(differ)} "
            f"{'differs' if len(differ) == 1 else 'differ'}; name another folder, or remove it "
            "to start anew"
        )


def _read_plan(where: Path, renamed: Mapping[str, str] = NOTHING) -> StudyPlan:
    try:
        content = json.loads((where / PLAN).read_text())
        if content.pop("format") != FORMAT:
            raise BadInputError(f"{where / PLAN} is of another format than {FORMAT}")
        plan = StudyPlan(**content)
        config = under_new_names(plan.config, renamed, f"{where / PLAN}: settings")
        space = {renamed.get(name, name): one for name, one in plan.space.items()}
        return replace(plan, config=config, space=space)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{where / PLAN} is damaged ({error}): remove the folder") from error


def _read_trials(path: Path, renamed: Mapping[str, str], mend: bool) -> list[Trial]:
    """Read whole lines; a kill within one leaves a part, which ``mend`` cuts off."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole, newline, torn = content.rpartition(b"\n")
    if torn:
        log.warning("%s ends within a line: that trial is lost", path)
        if mend:
            os.truncate(path, len(whole) + len(newline))
    return [_trial(line, path, at, renamed) for at, line in enumerate(whole.splitlines(), 1)]


def _trial(line: bytes, path: Path, at: int, renamed: Mapping[str, str]) -> Trial:
    try:
        content = json.loads(line)
        names = {field.name for field in fields(Trial)}
        needed = {field.name for field in fields(Trial) if field.default is MISSING}
        if not needed <= set(content) <= names or not isinstance(content["changes"], dict):
            raise ValueError(f"expected {', '.join(sorted(names))}")
        curve = [(int(epoch), float(score)) for epoch, score in content["curve"]]
        changes = {renamed.get(name, name): one for name, one in content["changes"].items()}
        known = {"changes": changes, "ending": Ending(content["ending"]), "curve": curve}
        return Trial(**content | known)
    except (ValueError, TypeError) as error:
        raise BadInputError(f"line {at} of {path} is no trial ({error}): remove it") from error


def _difference(name: str, ours: Any, theirs: Any) -> str:
    if not isinstance(ours, dict):
        return name
    fields = [f for f in {**ours, **theirs} if ours.get(f) != theirs.get(f)]
    more = f" and {len(fields) - 3} more" if len(fields) > 3 else ""
    return f"{name} ({', '.join(fields[:3])}{more})"


def _plain(plan: StudyPlan) -> dict[str, Any]:
    """Convert a plan to what JSON would give back: no tuples."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(plan)))
    return content
