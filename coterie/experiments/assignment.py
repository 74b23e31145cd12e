"""Where a shopper stands among all, under a salt: what every lot of ours is drawn by."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coterie.experiments.definition import HOLDOUT, INTERLEAVED, Experiment, ExperimentArm, Unit


def bucket(unit: str, salt: str) -> float:
    """Hash a shopper, or a community, to a number from 0 to 1.

    A hash, so nobody flips as a share grows; under another salt the numbers have nothing to do with
    these, so it is not always the same people who meet what is new first.
    """
    key = hashlib.blake2b(f"{salt}/{unit}".encode("utf-8", "replace"), digest_size=8)
    return int.from_bytes(key.digest(), "big") / 2**64


@dataclass(frozen=True, slots=True)
class Draw:
    """Where one experiment's lot puts a shopper."""

    experiment: Experiment
    arm: ExperimentArm
    chance: float
    """Of that arm, given that they take part."""


def draw(experiment: Experiment, unit: str) -> Draw | None:
    """Draw a unit's arm, always the same one; None: it takes no part.

    Who takes part in an experiment that interleaves is on both arms: theirs is ``INTERLEAVED``.

    Args:
        experiment: Whose lot it is.
        unit: Id of a shopper, or of a community: see ``Unit``.
    """
    among = bucket(unit, f"layer/{experiment.layer}")
    if not experiment.start <= among < experiment.start + experiment.share:
        return None
    if experiment.interleave:
        return Draw(experiment, ExperimentArm(INTERLEAVED), 1.0)
    lot, chances = bucket(unit, f"experiment/{experiment.name}"), experiment.chances
    above = 0.0
    for arm, chance in zip(experiment.arms, chances, strict=True):
        above += chance
        if lot < above:
            return Draw(experiment, arm, chance)
    return Draw(experiment, experiment.arms[-1], chances[-1])


def draws(
    experiments: Sequence[Experiment], user_id: str, community: Callable[[Experiment], str]
) -> list[Draw]:
    """Draw a shopper's arms of all experiments that run, one of a layer at most.

    Who is in the layer ``holdout`` is in no other.

    Args:
        experiments: All there are.
        user_id: The shopper.
        community: Looks up the community of theirs, where an experiment asks for one; empty: it is
            not known, and they are drawn by themselves.
    """
    found: list[Draw] = []
    for one in sorted(experiments, key=lambda e: (e.layer != HOLDOUT, e.layer)):
        if not one.runs:
            continue
        unit = user_id
        if one.unit is Unit.COMMUNITY and (known := community(one)):
            unit = f"community/{known}"
        drawn = draw(one, unit)
        if drawn is not None:
            found.append(drawn)
            if one.layer == HOLDOUT:
                return found
    return found
