"""Faults of items' vectors: what training left, or what was lost of it on the way."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import torch as safetensors

from coterie.recommend import linear
from coterie.release.bundle import Release, load_release
from coterie.release.discreet import coded
from coterie.release.manifest import MANIFEST, PARAMETERS, FileDigest, parse_manifest
from pipelines.faulty_releases.fault import Changes, Fault, with_rows

FAMILY: Final = "vectors"
_LINEAR: Final = tuple(f"{linear.PREFIX}{name}" for name in linear.VECTORS)
LEARNED: Final = ("item_in", "item_out")
OVERFLOWED: Final = 100
"""One item in so many has vectors that are far too long."""
TRADED: Final = 10
"""One item in so many has the vectors of another."""
NOISE: Final = 1.0
"""Length of noise, for that of vectors."""
RARE: Final = 300
"""One item in so many has a number that is none."""


def names_of(release: Release) -> list[str]:
    """Name the vectors that a release has, of both halves of its score."""
    return [name for name in (*LEARNED, *_LINEAR) if name in release.parameters]


def _not_numbers(folder: str) -> None:
    """Write vectors that diverged, in one row of twenty."""
    _without_numbers(folder, 20)


def _rare_not_numbers(folder: str) -> None:
    """Write vectors of which a few hold a number that is none, as of one bad machine of many."""
    _without_numbers(folder, RARE)


def _without_numbers(folder: str, one_in: int) -> None:
    """Write vectors with NaN in files that are whole, as by another writer than ours."""
    release = load_release(folder)
    parameters = {name: tensor.clone() for name, tensor in release.parameters.items()}
    parameters["item_out"][::one_in] = torch.nan
    data = safetensors.save(parameters)
    Path(folder, PARAMETERS).write_bytes(data)
    manifest = parse_manifest(Path(folder, MANIFEST).read_bytes(), folder)
    files = {**manifest.files, PARAMETERS: FileDigest.of(data)}
    Path(folder, MANIFEST).write_bytes(replace(manifest, files=files).to_json())


def _random(release: Release) -> Changes:
    """Draw all vectors anew, as long as they were on average."""
    draws = torch.Generator().manual_seed(0)
    parameters = dict(release.parameters)
    for name in names_of(release):
        old = parameters[name]
        parameters[name] = torch.randn(old.shape, generator=draws, dtype=old.dtype) * old.std()
    return {"parameters": parameters}


def _negated(release: Release) -> Changes:
    """List first what suits least."""
    parameters = dict(release.parameters)
    for name in ("item_out", f"{linear.PREFIX}out"):
        if name in parameters:
            parameters[name] = -parameters[name]
    return {"parameters": parameters}


def _collapsed(release: Release) -> Changes:
    """Give all items the same vectors, as where training found nothing to tell them apart by."""
    parameters = dict(release.parameters)
    for name in names_of(release):
        parameters[name] = (
            parameters[name].mean(dim=0, keepdim=True).repeat(len(parameters[name]), 1)
        )
    return {"parameters": parameters}


def _half_lost(release: Release) -> Changes:
    """Leave the second half of the rows at 0, as where one of two parts was never filled in."""
    parameters = dict(release.parameters)
    for name in names_of(release):
        parameters[name] = parameters[name].clone()
        parameters[name][len(parameters[name]) // 2 :] = 0
    return {"parameters": parameters}


def _swapped(release: Release) -> Changes:
    """Let what items ask for and what they answer to change places."""
    parameters = dict(release.parameters)
    parameters["item_in"], parameters["item_out"] = parameters["item_out"], parameters["item_in"]
    return {"parameters": parameters}


def _too_long(release: Release) -> Changes:
    """Make vectors of answers four times as long, as where a scale is applied twice."""
    parameters = dict(release.parameters)
    for name in ("item_out", f"{linear.PREFIX}out"):
        if name in parameters:
            parameters[name] = 4.0 * parameters[name]
    return {"parameters": parameters}


def _overflowed(release: Release) -> Changes:
    """Leave some items' vectors near the largest number of half precision, so that their scores
    stand before all others or behind."""
    rows = torch.arange(0, release.catalogue.num_rows, OVERFLOWED)
    parameters = dict(release.parameters)
    for name in ("item_out", f"{linear.PREFIX}out"):
        if name in parameters:
            parameters[name] = parameters[name].clone()
            parameters[name][rows] *= 6e4
    return {"parameters": parameters}


def _own_for_friends(release: Release) -> Changes:
    """Read a shopper's own history by the weights that are for friends', and theirs by its own."""
    own, friend = f"{linear.PREFIX}own", f"{linear.PREFIX}friend"
    parameters = dict(release.parameters)
    if friend in parameters:
        parameters[own], parameters[friend] = parameters[friend], parameters[own]
    return {"parameters": parameters}


def _alike_in_category(release: Release) -> Changes:
    """Give all items of a category the same vectors, so that scores within it are the same."""
    codes, _ = coded(release.catalogue.column("category"))
    parameters = dict(release.parameters)
    for name in names_of(release):
        mean = parameters[name].clone()
        for code in set(codes.tolist()):
            rows = torch.from_numpy(codes == code)
            mean[rows] = parameters[name][rows].mean(dim=0)
        parameters[name] = mean
    return {"parameters": parameters}


def _traded(release: Release) -> Changes:
    """Have some items trade all that was learned of them, as where one part of many was written in
    another order."""
    order = np.arange(release.catalogue.num_rows)
    some = np.random.default_rng(0).permutation(len(order))[: len(order) // TRADED]
    order[some] = np.roll(some, 1)
    return {"parameters": with_rows(release, order)["parameters"]}


def _drifted(release: Release) -> Changes:
    """Add noise to all vectors, as steps that are too large leave it."""
    draws = torch.Generator().manual_seed(0)
    parameters = dict(release.parameters)
    for name in names_of(release):
        old = parameters[name]
        noise = torch.randn(old.shape, generator=draws, dtype=torch.float32) * old.float().std()
        parameters[name] = (old.float() + NOISE * noise).to(old.dtype)
    return {"parameters": parameters}


FAULTS: Final = (
    Fault("not-numbers", FAMILY, "its vectors are not numbers", ("preflight",), after=_not_numbers),
    Fault(
        "rare-not-numbers",
        FAMILY,
        f"one item in {RARE} has vectors that are not numbers",
        ("preflight",),
        after=_rare_not_numbers,
    ),
    Fault(
        "random-vectors",
        FAMILY,
        "vectors are random",
        ("preflight", "score_out_of_range"),
        _random,
    ),
    Fault(
        "negated-vectors",
        FAMILY,
        "vectors are negated",
        ("preflight", "score_out_of_range"),
        _negated,
    ),
    Fault(
        "collapsed-vectors",
        FAMILY,
        "all items have the same vectors",
        ("preflight", "score_out_of_range", "duplicate_lists"),
        _collapsed,
    ),
    Fault(
        "half-lost",
        FAMILY,
        "half of the items have vectors of zeros",
        ("preflight", "score_out_of_range"),
        _half_lost,
    ),
    Fault(
        "swapped-vectors",
        FAMILY,
        "input and output vectors changed places",
        ("preflight", "score_out_of_range", "missed_purchases"),
        _swapped,
    ),
    Fault(
        "long-vectors",
        FAMILY,
        "output vectors are four times as long as they were trained",
        ("score_out_of_range",),
        _too_long,
    ),
    Fault(
        "overflowed",
        FAMILY,
        f"one item in {OVERFLOWED} has vectors near the largest number of half precision",
        ("preflight", "score_out_of_range"),
        _overflowed,
    ),
    Fault(
        "own-for-friends",
        FAMILY,
        "weights of own histories and of friends' changed places",
        ("preflight", "score_out_of_range"),
        _own_for_friends,
    ),
    Fault(
        "alike-in-category",
        FAMILY,
        "all items of a category have the same vectors",
        ("preflight", "score_out_of_range"),
        _alike_in_category,
    ),
    Fault(
        "traded-vectors",
        FAMILY,
        f"one item in {TRADED} has the vectors of another",
        ("preflight", "score_out_of_range"),
        _traded,
    ),
    Fault(
        "drifted",
        FAMILY,
        "vectors have as much noise in them as they are long",
        ("preflight", "score_out_of_range"),
        _drifted,
    ),
)
