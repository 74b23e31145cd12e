"""Encoding by several workers: Ray Data hands them batches, each worker loads the encoder once."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coterie.content.batches import BatchReader
from coterie.content.encoder import EncodedBatch
from coterie.errors import BadInputError
from coterie.local_ray import ray_at

PRELOADED = ("ray.data", "coterie.workflow.content_workers", "torch")
"""What Ray's workers on this machine need; encoders of texts, pictures and sounds come on top."""


@dataclass(frozen=True, slots=True)
class ContentWorkers:
    """Who encodes."""

    count: int = 0
    """Ray Data workers, a core each; 0 encodes in this process."""
    gpus: float = 0.0
    """GPUs of each worker, in parts of one; the encoder's ``device`` is then ``cuda``."""
    address: str = "local"
    """Ray cluster to join: ``auto`` in a pod of one; ``local`` starts one for as long as needed."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A number below 0.
        """
        if self.count < 0 or self.gpus < 0:
            raise BadInputError(f"{self.count} workers with {self.gpus} GPUs: at least 0 of each")


def encode_here(
    reader: BatchReader, values: Sequence[str], batch: int
) -> Iterator[tuple[Sequence[int], EncodedBatch]]:
    """Encode batch by batch in this process; yield places among ``values``, and what was made."""
    for start in range(0, len(values), batch):
        part = values[start : start + batch]
        yield range(start, start + len(part)), reader.read(part)


def encode_by_workers(
    make: Callable[[], BatchReader], values: Sequence[str], batch: int, workers: ContentWorkers
) -> Iterator[tuple[Sequence[int], EncodedBatch]]:
    """Encode by Ray Data's workers; yield as ``encode_here``, in whatever order they are done.

    Args:
        make: Makes what encodes, within a worker: encoders themselves do not travel.
        values: Texts or addresses.
        batch: Values at a time.
        workers: How many, with what.
    """
    import ray.data

    table = pa.table({"place": np.arange(len(values)), "value": pa.array(values, pa.string())})
    with _joined(workers):
        # A block is what one worker takes; several each, so that none waits for a slow one.
        blocks = max(1, min(-(-len(values) // batch), 4 * workers.count))
        encoded = (
            ray.data.from_arrow(table)
            .repartition(blocks)
            .map_batches(
                _Worker,
                fn_constructor_args=(make,),
                batch_size=batch,
                batch_format="pyarrow",
                concurrency=min(workers.count, blocks),
                num_gpus=workers.gpus or None,
            )
        )
        for part in encoded.iter_batches(batch_format="pyarrow", batch_size=None):
            faults = part["fault"].to_pylist()
            width = part["vector"].type.list_size
            vectors = np.asarray(part["vector"].combine_chunks().flatten()).reshape(-1, width)
            found = {row: why for row, why in enumerate(faults) if why is not None}
            yield part["place"].to_pylist(), EncodedBatch(vectors, found)


class _Worker:
    """One process of Ray's, with an encoder."""

    def __init__(self, make: Callable[[], BatchReader]) -> None:
        self._reader = make()

    def __call__(self, part: pa.Table) -> pa.Table:
        found = self._reader.read(part["value"].to_pylist())
        width = self._reader.encoder.width
        flat = pa.array(np.ascontiguousarray(found.vectors, np.float32).reshape(-1))
        faults = [found.faults.get(row) for row in range(part.num_rows)]
        return pa.table(
            {
                "place": part["place"],
                "vector": pa.FixedSizeListArray.from_arrays(flat, width),
                "fault": pa.array(faults, pa.string()),
            }
        )


@contextmanager
def _joined(workers: ContentWorkers) -> Iterator[None]:
    """Start Ray, or join it, for as long as it is needed, unless the caller has it up already."""
    import ray

    # One core more: Ray Data's own small tasks need one beside the workers.
    with ray_at(workers.address, PRELOADED, logging.ERROR, num_cpus=workers.count + 1):
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
