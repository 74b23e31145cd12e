"""SIGTERM as an exception, so that whoever is asked to end can clean up and say so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class CancelledError(BaseException):
    """SIGTERM came. No ``Exception``: it is on its way to the outermost caller."""


@contextmanager
def cancellable() -> Iterator[None]:
    """Turn SIGTERM into ``CancelledError``, once: a second one finds us cleaning up.

    Kubeflow sends it to the step of a run that is terminated or deleted, Kubernetes to one whose
    node is drained.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not asked.is_set():
            asked.set()
            raise CancelledError("SIGTERM came: the run was terminated, or its pod evicted")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
