"""All faults by name, and those of them that the demo shows."""

from typing import Final

from coterie.release.bundle import load_release
from pipelines.faulty_releases import (
    catalogue,
    code,
    data,
    duplicates,
    language,
    latency,
    memory,
    search,
    staleness,
    vectors,
    weights,
)
from pipelines.faulty_releases.fault import Fault
from pipelines.faulty_releases.harmless import HARMLESS

FAMILIES: Final = (
    data,
    catalogue,
    duplicates,
    language,
    vectors,
    weights,
    code,
    latency,
    memory,
    staleness,
    search,
)
FAULTS: Final[dict[str, Fault]] = {one.name: one for family in FAMILIES for one in family.FAULTS}
"""What a rollout has to catch before a shopper sees it."""
SHOWN: Final = ("not-numbers", "shuffled-items", "slow", "raising", "same-list")
"""Faults in the order in which the demo rolls them out."""


def write_faulty(folder: str, fault: str, out: str, version: str) -> str:
    """Write a copy of a release with one of FAULTS into a folder, and return its digest.

    Raises:
        BadInputError: ``folder`` holds no release.
    """
    return FAULTS[fault].write(load_release(folder), out, version)


def write_learned_half(folder: str, out: str, version: str) -> str:
    """Write a copy of a release without its closed-form half, and return its digest."""
    return write_faulty(folder, "learned-half-alone", out, version)


def write_copy(folder: str, out: str, version: str) -> str:
    """Write a copy of a release under another version, and return its digest."""
    [copy] = (one for one in HARMLESS if one.name == "copy")
    return copy.write(load_release(folder), out, version)
