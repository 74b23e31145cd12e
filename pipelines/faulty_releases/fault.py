"""What a fault is, and how a good release is copied with one through the writer of releases."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy import sparse

from coterie.data.dataset import Ints
from coterie.recommend import linear
from coterie.release.bundle import Release, ReleaseContent, write_release

Changes = Mapping[str, Any]
"""Fields of ``ReleaseContent`` that differ from those of the good release."""


def nothing(release: Release) -> Changes:  # noqa: ARG001 - every damage takes a release
    """Change nothing: the copy is as good."""
    return {}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a release can be bad, or differ and be good all the same."""

    name: str
    family: str
    about: str
    """What a person reads of it, within a sentence."""
    caught_by: tuple[str, ...]
    """Signals that should speak against it, or ``preflight``; the first that does rolls it back.
    Empty where nothing can before shoppers have seen it, and where there is no harm; beside a
    ``why`` it names what does in some runs."""
    damage: Callable[[Release], Changes] = nothing
    """What to change of a good release."""
    after: Callable[[str], None] | None = None
    """What to change of the folder that was written, past the writer's checks; nothing if None."""
    why: str = ""
    """Why nothing can catch it; empty where something should."""

    def write(self, release: Release, out: str, version: str) -> str:
        """Write a copy of a release with this fault into a folder, and return its digest.

        Args:
            release: A good one.
            out: Folder; what is there already is replaced.
            version: Of the copy.

        Raises:
            UnavailableError: The disk refused.
        """
        shutil.rmtree(out, ignore_errors=True)
        content = replace(content_of(release, version), **self.damage(release))
        digest = write_release(out, content).digest
        if self.after is None:
            return digest
        self.after(out)
        from coterie.release.files import read_files

        return read_files(out).digest


def content_of(release: Release, version: str) -> ReleaseContent:
    """Give what a release was written from, under another version."""
    return ReleaseContent(
        version=version,
        parameters=dict(release.parameters),
        catalogue=release.catalogue,
        popularity=release.popularity,
        metrics=release.manifest.metrics,
        data_fingerprint=release.manifest.data_fingerprint,
        limits=release.manifest.limits,
        repurchase=release.manifest.repurchase,
        vectors=release.vectors,
        encoders=release.manifest.encoders,
    )


def with_parameters(release: Release, **tensors: torch.Tensor) -> Changes:
    """Replace parameters; a name's first ``__`` stands for a dot, and what a release lacks is left
    out."""
    named = {name.replace("__", ".", 1): tensor for name, tensor in tensors.items()}
    known = {name: tensor for name, tensor in named.items() if name in release.parameters}
    return {"parameters": {**release.parameters, **known}}


def with_column(release: Release, name: str, values: Sequence[Any]) -> Changes:
    """Replace a column of the catalogue."""
    table = release.catalogue
    place = table.column_names.index(name)
    column = pa.array(values, table.schema.field(name).type)
    return {"catalogue": table.set_column(place, table.schema.field(name), column)}


def column(release: Release, name: str) -> list[Any]:
    """Read a column of the catalogue."""
    values: list[Any] = release.catalogue.column(name).to_pylist()
    return values


def with_rows(release: Release, rows: Ints) -> Changes:
    """Take some of the items, in this order; one may be taken several times, and then needs an id
    of its own."""
    parameters = dict(release.parameters)
    for name in release.manifest.per_item:
        parameters[name] = parameters[name][torch.from_numpy(rows)]
    near = f"{linear.PREFIX}near"
    if near in parameters:
        names = (near, f"{near}_item", f"{near}_offsets")
        size = release.catalogue.num_rows
        found = sparse.csr_matrix(tuple(parameters[n].numpy() for n in names), (size, size))
        taken = found[rows][:, rows].tocsr()
        taken.sort_indices()
        for name, part in zip(names, (taken.data, taken.indices, taken.indptr), strict=True):
            parameters[name] = torch.from_numpy(part.astype(parameters[name].numpy().dtype))
    return {
        "parameters": parameters,
        "catalogue": release.catalogue.take(rows),
        "popularity": np.ascontiguousarray(release.popularity[rows]),
        "vectors": {kind: one[rows] for kind, one in release.vectors.items()},
    }


def renamed(changes: Changes, ids: Sequence[str]) -> Changes:
    """Give the items of a changed catalogue other ids."""
    table = changes["catalogue"]
    place = table.column_names.index("item_id")
    field = table.schema.field("item_id")
    return {**changes, "catalogue": table.set_column(place, field, pa.array(ids, field.type))}
