"""A step of training as one graph of a GPU: captured once, then replayed.

To tell a GPU of a step's two hundred kernels takes a processor several times as long as they run.
A graph is told of at once. It needs shapes, and places in memory, that do not change.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final, Protocol

import torch

WARM_UP: Final = 3
"""Steps that are taken before one is captured, as torch asks for: libraries are loaded and memory
is found in them. They are steps like any other."""


class DrawnBatches(Protocol):
    """Batches that are made on the device, by operations that never wait for it."""

    def begin(self, epoch: int) -> Hashable:
        """Begin an epoch.

        Returns:
            The shapes of its batches: another value where a captured step no longer fits.
        """

    def draw(self) -> Any:
        """Make the next batch of the epoch; after the last one, any."""


class CapturedSteps:
    """One step, replayed as often as it is asked for; the next batch is drawn beside it."""

    def __init__(self, draw: Callable[[], Any], step: Callable[[Any], None]) -> None:
        """Replay ``step`` on what ``draw`` makes: both take nothing from the host, and leave
        nothing there. A batch is tensors in tuples and data classes."""
        self._draw, self._step = draw, step
        self._graph: torch.cuda.CUDAGraph | None = None
        self._shapes: Hashable = None
        self._batch: Any = None

    def run(self, count: int, shapes: Hashable) -> None:
        """Take the steps of an epoch; a graph of other shapes is made anew."""
        if self._graph is None or shapes != self._shapes:
            warm_up = min(WARM_UP, count)
            self._warm_up(warm_up)
            self._shapes, count = shapes, count - warm_up
            # What the old one held is given back before the new one asks for it.
            self._graph = None
            self._batch = self._draw()
            self._graph = self._captured()
        else:
            _copy(self._draw(), self._batch)
        for _ in range(count):
            self._graph.replay()

    def _warm_up(self, count: int) -> None:
        aside, here = _stream(), torch.cuda.current_stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(count):
                self._step(self._draw())
        here.wait_stream(aside)

    def _captured(self) -> torch.cuda.CUDAGraph:
        """Capture a step, and beside it, in a stream of its own, the next batch."""
        graph = torch.cuda.CUDAGraph()
        aside = _stream()
        with torch.cuda.graph(graph):
            here = torch.cuda.current_stream()
            aside.wait_stream(here)
            with torch.cuda.stream(aside):
                following = self._draw()
            self._step(self._batch)
            here.wait_stream(aside)
            _copy(following, self._batch)
        return graph


def _stream() -> torch.cuda.Stream:
    made: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    return made


def _copy(source: Any, target: Any) -> None:
    """Copy all tensors of a batch to where another of the same shapes lies."""
    for one, other in zip(_tensors(source), _tensors(target), strict=True):
        other.copy_(one)


def _tensors(batch: Any) -> Iterator[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, tuple):
        for one in batch:
            yield from _tensors(one)
    elif is_dataclass(batch):
        for field in fields(batch):
            yield from _tensors(getattr(batch, field.name))
