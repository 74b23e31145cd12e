"""Faults by which lists fail: a release is data, so it is data that code trips over."""

from typing import Final

import torch

from coterie.release.bundle import Release
from coterie.schema import EVENT_KINDS, EventKind
from pipelines.faulty_releases.fault import Changes, Fault, with_parameters

FAMILY: Final = "code path"


def _raising(release: Release) -> Changes:
    """Weigh too few kinds of events: no list for whoever bought something or has friends who
    did."""
    kinds = release.parameters["linear.kind"][: EVENT_KINDS.index(EventKind.PURCHASE)]
    return with_parameters(release, linear__kind=kinds)


def _overflowing(release: Release) -> Changes:
    """Weigh friends beyond all numbers: scores of whoever has some are none."""
    return with_parameters(release, linear__friend_power=torch.tensor(-1e4, dtype=torch.float64))


FAULTS: Final = (
    Fault(
        "raising",
        FAMILY,
        "raises for whoever bought something",
        ("preflight", "failures"),
        _raising,
    ),
    Fault(
        "overflowing",
        FAMILY,
        "scores of whoever has friends are no numbers",
        ("preflight", "malformed", "failures"),
        _overflowing,
    ),
)
