"""Steps that tell how they stand: a block around a step's work records it, wherever it runs."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from coterie.cancel import CancelledError, cancellable
from coterie.data.stores import open_store, reaching
from coterie.errors import CoterieError, UnavailableError
from coterie.monitoring.runs import STEPS, Outcome, Run, Runs
from coterie.schema import INGEST_REPORT

BEAT_S: Final = 60.0
"""Between two signs that a step is at work."""
log = logging.getLogger(__name__)
_writing = threading.Lock()
"""A run's object is read and written back whole, by one thread at a time."""


@contextmanager
def recorded(
    status: str, run: str, step: str, pipeline: str = "", beat_s: float = BEAT_S
) -> Iterator[None]:
    """Record that a step started, that it is at work, and how it ended.

    A store that does not answer is told of in the log, and holds up no step. A step that is asked
    to end by SIGTERM has failed; one that is killed outright falls silent, which says the same
    (``Run.judged``).

    Args:
        status: Folder or URL of the runs; empty records nothing.
        run: The version that the run makes.
        step: One of STEPS; the first begins a run.
        pipeline: Whose run it is, one of PIPELINES; asked of the first step alone.
        beat_s: Between two signs that it is at work.

    Raises:
        BadInputError: ``status`` can hold no runs; the step has not begun.
    """
    if not status:
        yield
        return
    runs, began = Runs(status), 0.0

    def begin(found: Run) -> Run:
        nonlocal began
        began = time.time()
        return replace(found, pipeline=pipeline or found.pipeline).step_started(step, began)

    with _passing_over(UnavailableError), _writing:
        runs.change(run, begin, anew=step == STEPS[0])
    try:
        with cancellable(), _at_work(runs, run, lambda r, now: r.beaten(step, began, now), beat_s):
            yield
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        with _passing_over(CoterieError):
            runs.change(run, lambda r: r.step_ended(step, time.time(), why))
        raise
    except (CancelledError, SystemExit) as error:
        # A person who stops a run on one machine is told of by who watches it, and that stays.
        with _passing_over(CoterieError):
            runs.end(run, Outcome.FAILED, f"{step}: {error}")
        raise
    except BaseException:
        # Asked to stop: that is no failure.
        with _passing_over(CoterieError):
            runs.end(run, Outcome.STOPPED)
        raise
    # What was worked for is not thrown away because a record may not be written any more.
    with _passing_over(CoterieError):
        runs.change(run, lambda r: r.step_ended(step, time.time()))


@contextmanager
def _at_work(
    runs: Runs, run: str, beaten: Callable[[Run, float], Run], beat_s: float
) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(beat_s):
            with _passing_over(CoterieError), _writing:
                if not over.is_set():
                    runs.change(run, lambda r: beaten(r, time.time()))

    thread = threading.Thread(target=beat, name="at-work", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def record_rows(status: str, run: str, clean: str) -> None:
    """Record how many rows ingest took, and how many it put aside.

    Args:
        status: See ``recorded``.
        run: See ``recorded``.
        clean: Folder that ingest wrote.
    """
    if not status:
        return
    fs, folder = open_store(clean)
    with reaching(clean):
        tables = json.loads(fs.cat_file(f"{folder}/{INGEST_REPORT}"))["tables"]
    kept = {name: counts["kept"] for name, counts in tables.items()}
    bad = {name: counts["bad"] for name, counts in tables.items()}
    with _passing_over(CoterieError), _writing:
        Runs(status).change(run, lambda r: replace(r, ingested=kept, quarantined=bad))


@contextmanager
def _passing_over(errors: type[CoterieError]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        log.warning("the run goes on, but how it stands is not recorded: %s", error)
