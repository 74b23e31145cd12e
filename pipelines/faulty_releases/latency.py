"""Faults that make lists slow."""

from typing import Final

import torch

from coterie.release.bundle import Release
from pipelines.faulty_releases.fault import Changes, Fault
from pipelines.faulty_releases.vectors import names_of

FAMILY: Final = "latency"
WIDER: Final = 160
"""How many times more numbers an item vector gets, all of them 0, to be slow: a list takes 94 ms
where it took 4. With 96 times, 63 ms, only one in four was told from stable's on a busy machine."""


def _slow(release: Release) -> Changes:
    """Make vectors far too long: they make the same lists, slowly."""
    parameters = dict(release.parameters)
    for name in names_of(release):
        width = parameters[name].shape[1] * (WIDER - 1)
        parameters[name] = torch.nn.functional.pad(parameters[name], (0, width))
    return {"parameters": parameters}


FAULTS: Final = (
    Fault("slow", FAMILY, "more than ten times slower", ("preflight", "slow", "failures"), _slow),
)
