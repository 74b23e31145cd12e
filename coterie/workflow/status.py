"""Steps that tell how they stand: a block around a step's work records it, wherever it runs."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from coterie.data.stores import open_store, reaching
from coterie.errors import CoterieError, UnavailableError
from coterie.monitoring.runs import STEPS, Outcome, Runs
from coterie.schema import INGEST_REPORT

log = logging.getLogger(__name__)


@contextmanager
def recorded(status: str, run: str, step: str, pipeline: str = "") -> Iterator[None]:
    """Record that a step started, and how it ended.

    A store that does not answer is told of in the log, and holds up no step.

    Args:
        status: Folder or URL of the runs; empty records nothing.
        run: The version that the run makes.
        step: One of STEPS; the first begins a run.
        pipeline: Whose run it is, one of PIPELINES; asked of the first step alone.

    Raises:
        BadInputError: There can be no runs in such a place; the step has not begun.
    """
    if not status:
        yield
        return
    runs = Runs(status)
    with _passing_over(UnavailableError):
        runs.change(
            run,
            lambda r: replace(r, pipeline=pipeline or r.pipeline).step_started(step, time.time()),
            anew=step == STEPS[0],
        )
    try:
        yield
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        with _passing_over(CoterieError):
            runs.change(run, lambda r: r.step_ended(step, time.time(), why))
        raise
    except BaseException:
        # Asked to stop: that is no failure.
        with _passing_over(CoterieError):
            runs.end(run, Outcome.STOPPED)
        raise
    # What was worked for is not thrown away because a record may not be written any more.
    with _passing_over(CoterieError):
        runs.change(run, lambda r: r.step_ended(step, time.time()))


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
    with _passing_over(CoterieError):
        Runs(status).change(run, lambda r: replace(r, ingested=kept, quarantined=bad))


@contextmanager
def _passing_over(errors: type[CoterieError]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        log.warning("the run goes on, but how it stands is not recorded: %s", error)
