"""Faulty releases, made of a good one: what a rollout has to catch before a shopper sees it."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from safetensors import torch as safetensors

from coterie.recommend import linear
from coterie.release.bundle import Release, ReleaseContent, load_release, write_release
from coterie.release.manifest import MANIFEST, PARAMETERS, FileDigest, parse_manifest
from coterie.schema import EVENT_KINDS, EventKind

WIDER: Final = 48
"""How many times more numbers an item vector gets, all of them 0, to be slow."""


def write_faulty(folder: str, fault: str, out: str, version: str) -> str:
    """Write a copy of a release with one of FAULTS into a new folder, and return its digest.

    Raises:
        BadInputError: ``out`` exists, or ``folder`` holds no release.
    """
    release = load_release(folder)
    return FAULTS[fault](release, out, version)


def write_learned_half(folder: str, out: str, version: str) -> str:
    """Write a copy of a release without its closed-form half, and return its digest.

    Its weights are 0, not missing: the copy is as quick as the whole release, so that the two
    differ in their lists alone.
    """
    release = load_release(folder)
    parameters = dict(release.parameters)
    weights = {f"{linear.PREFIX}{name}" for name in (*linear.VECTORS, "near")}
    for name in weights & parameters.keys():
        parameters[name] = torch.zeros_like(parameters[name])
    # Its scores are others: what is known of the whole model's does not hold for them.
    known = {name: value for name, value in release.manifest.metrics.items() if name != "lists"}
    return _write(release, out, version, parameters, metrics=known)


def write_copy(folder: str, out: str, version: str) -> str:
    """Write a copy of a release under another version, and return its digest."""
    release = load_release(folder)
    return _write(release, out, version, release.parameters)


def _not_numbers(release: Release, out: str, version: str) -> str:
    """Write vectors that diverged in files that are whole, as by another writer than ours."""
    _write(release, out, version, release.parameters)
    parameters = {name: tensor.clone() for name, tensor in release.parameters.items()}
    parameters["item_out"][:: len(parameters["item_out"]) // 20] = torch.nan
    data = safetensors.save(parameters)
    Path(out, PARAMETERS).write_bytes(data)
    manifest = parse_manifest(Path(out, MANIFEST).read_bytes(), out)
    files = {**manifest.files, PARAMETERS: FileDigest.of(data)}
    content = replace(manifest, files=files).to_json()
    Path(out, MANIFEST).write_bytes(content)
    return FileDigest.of(content).sha256


def _shuffled(release: Release, out: str, version: str) -> str:
    """Write ids and titles on the vectors of other items: whole, quick, and useless."""
    order = np.random.default_rng(0).permutation(release.catalogue.num_rows)
    return _write(release, out, version, release.parameters, release.catalogue.take(order))


def _slow(release: Release, out: str, version: str) -> str:
    """Write vectors that are far too long: they make the same lists, slowly."""
    parameters = dict(release.parameters)
    vectors = {f"{linear.PREFIX}{name}" for name in linear.VECTORS}
    for name in sorted({"item_in", "item_out", *vectors} & parameters.keys()):
        width = parameters[name].shape[1] * (WIDER - 1)
        parameters[name] = torch.nn.functional.pad(parameters[name], (0, width))
    return _write(release, out, version, parameters)


def _raising(release: Release, out: str, version: str) -> str:
    """Write too few weights of event kinds: no list for whoever bought something or has friends
    who did."""
    parameters = dict(release.parameters)
    parameters["linear.kind"] = parameters["linear.kind"][: EVENT_KINDS.index(EventKind.PURCHASE)]
    return _write(release, out, version, parameters)


def _same(release: Release, out: str, version: str) -> str:
    """Write a popularity that outweighs all that is known of a shopper."""
    parameters = dict(release.parameters)
    popularity = torch.from_numpy(release.popularity)
    parameters["item_bias"] = parameters["item_bias"] + 100.0 * popularity
    return _write(release, out, version, parameters)


FAULTS: Final[dict[str, Callable[[Release, str, str], str]]] = {
    "not-numbers": _not_numbers,
    "shuffled-items": _shuffled,
    "slow": _slow,
    "raising": _raising,
    "same-list": _same,
}
"""Writers of faulty copies by name of the fault, in the order in which the demo rolls them out."""


def _write(
    release: Release,
    out: str,
    version: str,
    parameters: dict[str, torch.Tensor],
    catalogue: pa.Table | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> str:
    shutil.rmtree(out, ignore_errors=True)
    content = ReleaseContent(
        version=version,
        parameters=parameters,
        catalogue=release.catalogue if catalogue is None else catalogue,
        popularity=release.popularity,
        metrics=release.manifest.metrics if metrics is None else metrics,
        data_fingerprint=release.manifest.data_fingerprint,
        limits=release.manifest.limits,
        vectors=release.vectors,
        encoders=release.manifest.encoders,
    )
    return write_release(out, content).digest
