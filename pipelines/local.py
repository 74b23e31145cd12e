"""Run a pipeline on this machine with kfp.local: the steps that compile for the cluster, in
processes of their own, one after another."""

import argparse
import contextlib
import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from kfp import local

from components.progress import parse_note, parse_progress
from coterie.errors import BadInputError, CoterieError
from coterie.files import write_atomically
from coterie.imports import expect_little_garbage
from coterie.monitoring.runs import Outcome, Runs
from pipelines.compile import PIPELINES
from pipelines.forked_steps import forked_steps
from pipelines.parameters import write_help
from pipelines.processes import INTERRUPTED, StopRequestedError, end_children, stoppable
from pipelines.step_display import StepDisplay, open_display
from pipelines.train import train_pipeline

LOG: Final = "pipeline.log"
RESULT: Final = "result.json"
"""Written last: where each output of the run is."""
_STARTED = re.compile(r"Executing task .*?'([\w-]+)'")
_FINISHED = re.compile(r"Task .*?'([\w-]+)'.* finished with status .*?(SUCCESS|FAILURE)")
_CAUSE = re.compile(r"^\s*([\w.]*(?:Error|Exception|Interrupt|Exit))(?:: (.*))?$")


class StepFailedError(CoterieError):
    """A step of the pipeline failed; the text says which, why, and where its log is."""


class LogWatcher(io.TextIOBase):
    """Takes all that KFP and the steps print: into the log, and what is news to ``display``."""

    def __init__(self, log: TextIO, display: StepDisplay):
        self._log, self._display = log, display
        self._half = ""
        self.step = ""
        """The one that runs, or ran last."""
        self.cause = ""
        """The last line that reads like the end of a traceback."""

    def write(self, text: str) -> int:
        """Part of a line, a line, or several."""
        *lines, self._half = (self._half + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def _take(self, line: str) -> None:
        self._log.write(line + "\n")
        self._log.flush()
        if told := parse_progress(line):
            self._display.advance(*told)
        elif note := parse_note(line):
            self._display.note(note)
        elif started := _STARTED.search(line):
            self.step = started[1]
            self._display.start(self.step)
        elif finished := _FINISHED.search(line):
            self._display.finish(finished[2] == "SUCCESS")
        elif cause := _CAUSE.match(line):
            self.cause = _in_words(cause[1], cause[2] or "")


def run_pipeline(
    root: str, arguments: Mapping[str, Any], display: StepDisplay, pipeline: Any = train_pipeline
) -> dict[str, str]:
    """Run a pipeline.

    Args:
        root: Folder for everything that the run leaves: artifacts, ``pipeline.log``, and, when all
            went well, ``result.json``.
        arguments: Of the pipeline.
        display: What shows steps as they start, go on, and finish.
        pipeline: One of ``pipelines.compile.PIPELINES``.

    Returns:
        Path of each output that is a file or a folder, and the others as they are, by name.

    Raises:
        StepFailedError: A step failed.
    """
    home = Path(root).absolute()
    home.mkdir(parents=True, exist_ok=True)
    (home / RESULT).unlink(missing_ok=True)
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(home),
        raise_on_error=True,
        enable_caching=False,
    )
    arguments = _named(arguments, pipeline)
    with (
        (home / LOG).open("w", encoding="utf-8") as log,
        warnings.catch_warnings(),
        _recorded_end(arguments),
    ):
        # KFP warns that our image may not hold Python; the steps run in this very Python.
        warnings.filterwarnings("ignore", "You may be attemping to run a task", RuntimeWarning)
        warnings.filterwarnings("ignore", ".*have no effect in the current local", UserWarning)
        watcher = LogWatcher(log, display)
        try:
            with contextlib.redirect_stdout(watcher):
                task = pipeline(**arguments)
        except RuntimeError as error:
            raise _failure(watcher, home / LOG) from error
    outputs = {name: getattr(made, "path", made) for name, made in task.outputs.items()}
    _write(home / RESULT, outputs)
    return outputs


def _named(arguments: Mapping[str, Any], pipeline: Any = train_pipeline) -> Mapping[str, Any]:
    """With the version that ingest would choose, where we have to speak of the run as well."""
    if not arguments.get("status") or "version" not in pipeline.component_spec.inputs:
        return arguments
    from coterie.workflow.sources import name_version  # takes seconds, with all that it works with

    return {**arguments, "version": name_version(arguments.get("version", ""))}


@contextmanager
def _recorded_end(arguments: Mapping[str, Any]) -> Iterator[None]:
    """Record the end of a run whose step cannot: it was killed, or all were stopped."""
    try:
        yield
    except StopRequestedError:
        _record_end(arguments, Outcome.STOPPED)
        raise
    except StepFailedError as error:
        _record_end(arguments, Outcome.FAILED, str(error))
        raise


def _record_end(arguments: Mapping[str, Any], outcome: Outcome, why: str = "") -> None:
    if arguments.get("status"):
        with contextlib.suppress(CoterieError):
            Runs(arguments["status"]).end(arguments["version"], outcome, why)


def _failure(watcher: LogWatcher, log: Path) -> StepFailedError:
    # What fails by itself says so.
    why = watcher.cause or "it was killed from outside (out of memory?)"
    return StepFailedError(f"step {watcher.step or 'one'} failed: {why} (log: {log})")


def _in_words(kind: str, text: str) -> str:
    """Our own errors are written for people; others need their name."""
    if kind.startswith("coterie.errors."):
        return text
    return f"{kind}: {text}" if text else kind


def _write(path: Path, content: Any) -> None:
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, showing a line a step; 0, 1 after a failure, 130 when asked to stop."""
    expect_little_garbage()
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.local",
        description=__doc__,
        epilog="\n\n".join(write_help(name) for name in PIPELINES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", required=True, help="folder for what the run leaves")
    parser.add_argument(
        "--pipeline", choices=PIPELINES, default="train", help="which one (%(default)s)"
    )
    parser.add_argument(
        "arguments", nargs="*", metavar="NAME=VALUE", help="parameters of the pipeline: see below"
    )
    options = parser.parse_args(arguments)
    pipeline = PIPELINES[options.pipeline]
    started = time.monotonic()
    # For the steps: threads that wait busily for each other took twenty times as long to train on
    # two cores of which somebody else used one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        # KFP would wait until the step that runs has come to its end.
        with stoppable(end_children), open_display() as display:
            given = parse_parameters(options.arguments, pipeline)
            run_pipeline(options.root, given, display, pipeline)
    except StopRequestedError:
        print("pipeline: stopped", file=sys.stderr)
        return INTERRUPTED
    except CoterieError as error:
        print(f"pipeline: {error}", file=sys.stderr)
        return 1
    print(f"pipeline: done in {time.monotonic() - started:.0f} s")
    return 0


def parse_parameters(given: Sequence[str], pipeline: Any = train_pipeline) -> dict[str, Any]:
    """Numbers and yes-or-no as JSON, all else as text.

    Raises:
        BadInputError: There is no such parameter, or its value is of another type.
    """
    known = pipeline.component_spec.inputs
    found: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or name not in known:
            raise BadInputError(f"no parameter {one!r}: expected NAME=VALUE of {', '.join(known)}")
        found[name] = _value(name, text, known[name].type)
    return found


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "Integer": (int,),
    # A whole number is one as well; KFP would refuse it with a traceback.
    "Float": (float, int),
    "Boolean": (bool,),
}


def _value(name: str, text: str, kind: str) -> Any:
    if kind == "String":
        return text
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        # Not isinstance: True is an int to Python, and no number to anybody else.
        if type(value) in _TYPES[kind]:
            return float(value) if kind == "Float" else value
    example = {"Integer": "3", "Float": "0.05", "Boolean": "true"}[kind]
    raise BadInputError(f"{name} is {text!r}: expected a value like {example}")


if __name__ == "__main__":
    with forked_steps():
        sys.exit(main())
