"""Daft, started once: the one switch between this machine and a Ray cluster."""

import os
from types import ModuleType
from typing import Final, Literal

from coterie.errors import BadInputError

Runner = Literal["native", "ray"]
RUNNERS: Final = ("native", "ray")


def daft_on(runner: Runner) -> ModuleType:
    """Import ``daft`` and let it work on ``runner``; a Ray cluster that is connected to is used.

    Raises:
        BadInputError: No such runner, or this process has already worked on the other one.
    """
    if runner not in RUNNERS:
        raise BadInputError(f"runner is {runner!r}, expected one of {', '.join(RUNNERS)}")
    # Daft reports its use to a server outside unless told not to, before it is imported.
    os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    import daft
    from daft.daft import get_runner

    working = get_runner()
    if working is None:
        daft.set_runner_ray(
            noop_if_initialized=True
        ) if runner == "ray" else daft.set_runner_native()
    elif working.name != runner:
        raise BadInputError(
            f"this process reads tables on the {working.name} runner already, and Daft cannot "
            f"change it: start a new process to use {runner!r}"
        )
    module: ModuleType = daft
    return module
