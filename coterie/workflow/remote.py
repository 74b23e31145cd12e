"""Training elsewhere: what it needs is put under a URL, and what it makes is fetched from there.

A pipeline step sees its tables as a folder of its own pod; other pods do not (ADR 10).
"""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from coterie.data.circle import CircleRule
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.progress import Progress, silent
from coterie.workflow.challenger import CHALLENGER, PARAMETERS, fit_challenger
from coterie.workflow.settings import FitSettings

CLEAN: Final = "clean"
TRAINING_FEATURES: Final = "training_features"
CONTENT: Final = "content"
MADE: Final = "challenger"
JOB: Final = "job.json"
"""Written last of what is sent."""
OUTCOME: Final = "outcome.json"
"""Written last of what comes back: that it is done, or why it never will be."""
ALIVE: Final = "alive"
"""Written anew by whoever waits, as long as it does."""
SILENT_S: Final = 900.0
"""After so long without a sign of it nobody waits any more."""
LOOK_S: Final = 30.0


def send(
    url: str, clean: str, training_features: str, settings: FitSettings, checkpoints: str
) -> None:
    """Put under ``url`` what :func:`fit_sent` needs.

    Args:
        url: A folder that both sides reach.
        clean: Folder that ``ingest`` wrote.
        training_features: Folder of point-in-time features.
        settings: What to fit; a folder of vectors that it names is sent as well.
        checkpoints: URL where states outlive the work.

    Raises:
        BadInputError: The store does not let us.
        UnavailableError: It does not answer.
    """
    forget(url)
    _put(clean, f"{url}/{CLEAN}")
    _put(training_features, f"{url}/{TRAINING_FEATURES}")
    if settings.content:
        _put(settings.content, f"{url}/{CONTENT}")
    _write(f"{url}/{JOB}", {"settings": asdict(settings), "checkpoints": checkpoints})


def fit_sent(url: str, progress: Progress = silent) -> None:
    """Fit what was sent; leave the challenger there, and how it went.

    Raises:
        BadInputError: The data or the settings are wrong; this is left there too.
        UnavailableError: Workers died too often, or the store does not answer: may be called again.
    """
    job = _read(f"{url}/{JOB}")
    if job is None:
        raise BadInputError(f"{url} holds no {JOB}: nothing was sent there")
    rule = CircleRule.from_json(job["settings"].get("circle", {}))
    settings = FitSettings(**{**job["settings"], "circle": rule})
    with tempfile.TemporaryDirectory(prefix="coterie-") as folder:
        clean, features, content, made = (
            f"{folder}/{part}" for part in (CLEAN, TRAINING_FEATURES, CONTENT, MADE)
        )
        _get(f"{url}/{CLEAN}", clean)
        _get(f"{url}/{TRAINING_FEATURES}", features)
        if settings.content:
            _get(f"{url}/{CONTENT}", content)
            settings = replace(settings, content=content)
        try:
            fit_challenger(clean, made, settings, progress, features, job["checkpoints"])
        except BadInputError as error:
            _write(f"{url}/{OUTCOME}", {"refused": str(error)})
            raise
        for name in (PARAMETERS, CHALLENGER):
            if Path(made, name).is_file():
                _put_file(str(Path(made, name)), f"{url}/{MADE}/{name}")
        _write(f"{url}/{OUTCOME}", {"refused": ""})


def beat(url: str) -> None:
    """Say that somebody waits; where that cannot be said, the next time will do."""
    with suppress(CoterieError):
        _write(f"{url}/{ALIVE}", time.time())


@contextmanager
def awaited(
    url: str, gone: Callable[[], None], silent_s: float = SILENT_S, look_s: float = LOOK_S
) -> Iterator[None]:
    """Call ``gone`` once nobody has said for ``silent_s`` that they wait for the work.

    A step that is killed outright cannot take its job along, and its pod may stay.
    """
    over = threading.Event()

    def look() -> None:
        seen, since = None, time.monotonic()
        while not over.wait(look_s):
            # A ValueError: on a disk, it is being written at this moment.
            with suppress(CoterieError, ValueError):
                now = _read(f"{url}/{ALIVE}")
                if now != seen:
                    seen, since = now, time.monotonic()
            if time.monotonic() - since > silent_s:
                gone()
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def fetch(url: str, out: str) -> None:
    """Copy the challenger to a folder.

    Raises:
        BadInputError: The work was refused: what it was given is wrong.
        UnavailableError: It was not done, for reasons of its own; or the store does not answer.
    """
    check_refusal(url)
    if _read(f"{url}/{OUTCOME}") is None:
        raise UnavailableError(f"{url} holds no {OUTCOME}: training was broken off")
    _get(f"{url}/{MADE}", out)


def check_refusal(url: str) -> None:
    """Raise what the work said was wrong, if it did.

    Raises:
        BadInputError: It did.
        UnavailableError: The store does not answer.
    """
    outcome = _read(f"{url}/{OUTCOME}")
    if outcome is not None and outcome["refused"]:
        raise BadInputError(outcome["refused"])


def forget(url: str) -> None:
    """Remove all under a URL.

    Raises:
        BadInputError: The store does not let us.
        UnavailableError: It does not answer.
    """
    fs, folder = open_store(url)
    with reaching(url):
        fs.invalidate_cache()
        if fs.exists(folder):
            fs.rm(folder, recursive=True)


def _put(folder: str, url: str) -> None:
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            _put_file(str(path), f"{url}/{path.relative_to(folder).as_posix()}")


def _put_file(path: str, url: str) -> None:
    fs, within = open_store(url)
    with reaching(url):
        fs.makedirs(within.rpartition("/")[0], exist_ok=True)
        fs.put_file(path, within)


def _get(url: str, folder: str) -> None:
    fs, within = open_store(url)
    with reaching(url):
        fs.invalidate_cache()
        for path in fs.find(within):
            target = Path(folder, path.removeprefix(f"{within}/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(path, str(target))


def _write(url: str, content: Any) -> None:
    fs, within = open_store(url)
    with reaching(url):
        fs.makedirs(within.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(within, json.dumps(content).encode())


def _read(url: str) -> Any:
    """Read what was written at a URL; None where nothing was."""
    fs, within = open_store(url)
    with reaching(url):
        fs.invalidate_cache()
        try:
            return json.loads(fs.cat_file(within))
        except FileNotFoundError:
            return None
