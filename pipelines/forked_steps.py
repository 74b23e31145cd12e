"""Steps as forks of the process that runs a pipeline on this machine.

KFP starts a Python for each step, which imports KFP and what the step needs anew: seconds, and most
steps need the same. Here the process that runs the pipeline imports it when the first step needs it
(that imports have no effects makes this safe), and each step begins with all that is there.
"""

import ast
import atexit
import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NoReturn

from kfp.local import subprocess_task_handler

_RUN: Final = "run_local_subprocess"
"""KFP's function that starts a step's process and waits for its end."""
_FILE: Final = "ephemeral_component.py"
"""KFP's name of the file with a step's code."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def forked_steps() -> Iterator[None]:
    """Have KFP run its steps as forks meanwhile; where forking is not safe, as on macOS, as ever.

    For a process that does nothing but run pipelines: a fork has none of its threads.
    """
    if sys.platform != "linux":
        yield
        return
    usual = getattr(subprocess_task_handler, _RUN)
    setattr(subprocess_task_handler, _RUN, run_step)
    try:
        yield
    finally:
        setattr(subprocess_task_handler, _RUN, usual)


def run_step(full_command: Sequence[str], env_vars: Mapping[str, str] | None = None) -> int:
    """Run a step as a fork, print what it prints, and return its exit status.

    Args:
        full_command: What KFP would run: a shell, its script, the step's code, and arguments.
        env_vars: Variables besides our own.
    """
    _, _, _, code, *arguments = full_command
    for module in needed_modules(code):
        # What cannot be imported is the step's to tell; and some tell Python what to warn of.
        with contextlib.suppress(Exception), warnings.catch_warnings():
            importlib.import_module(module)
    reading, writing = os.pipe()
    # Or a step would look through all that is there for garbage, and copy the memory on the way.
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_step(code, arguments, {**(env_vars or {}), "_KFP_RUNTIME": "true"}, writing)
    os.close(writing)
    try:
        with open(reading, encoding="utf-8", errors="replace") as said:  # noqa: PTH123 - a number
            for line in said:
                print(line, end="")
        print("\n")
    finally:
        status = _await(pid)
    return status


def _await(pid: int) -> int:
    """Wait for a fork's end; its exit status, 1 where whoever stopped us waited for it already."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return 1
    return os.waitstatus_to_exitcode(status)


def needed_modules(code: str) -> list[str]:
    """List the modules that each run of a step's code imports.

    >>> needed_modules("def f(a):\\n    import json\\n    if a:\\n        import kfp")
    ['json']
    """
    functions = [one for one in ast.parse(code).body if isinstance(one, ast.FunctionDef)]
    found = []
    for line in (line for function in functions for line in function.body):
        if isinstance(line, ast.Import):
            found += [alias.name for alias in line.names]
        elif isinstance(line, ast.ImportFrom) and line.module:
            found.append(line.module)
    return found


def _be_step(
    code: str, arguments: Sequence[str], variables: Mapping[str, str], said: int
) -> NoReturn:
    """Run a step's code in this fork as its own process would, and end."""
    status = 1
    try:
        _forget_parent()
        for stream in (1, 2):
            os.dup2(said, stream)
        sys.stdout, sys.stderr = _lines_to(1), _lines_to(2)
        os.environ.update(variables)
        status = _execute(code, arguments)
        threading._shutdown()  # type: ignore[attr-defined]  # as Python does before atexit
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # What would clean up behind the pipeline is its own to run.
        os._exit(status)


def _forget_parent() -> None:
    """Take back what the process that was forked had set up for itself."""
    atexit._clear()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger().handlers.clear()
    if "numpy.random" in sys.modules:
        # Python's own generator takes a new seed in a fork; NumPy's does not.
        sys.modules["numpy.random"].seed()


def _lines_to(stream: int) -> IO[str]:
    return open(stream, "w", buffering=1, encoding="utf-8", closefd=False)


def _execute(code: str, arguments: Sequence[str]) -> int:
    """Run KFP's executor of a step; its exit status."""
    from kfp.dsl.executor_main import executor_main

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, _FILE)
        file.write_text(code, encoding="utf-8")
        sys.argv = [sys.argv[0], "--component_module_path", str(file), *arguments]
        try:
            executor_main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
    return 0
