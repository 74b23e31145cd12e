"""A study as a process of its own: there to be killed by a test."""

import os
import sys
from functools import partial

import ray
from synthetic import planted

from coterie.errors import BadInputError
from coterie.fitting.dataset_file import digest
from coterie.models.social_config import SocialConfig
from coterie.models.space import Choice, LogUniform, describe
from coterie.training.loop import LoopConfig
from coterie.tuning.study import StudyPlan, open_study
from coterie.tuning.study_progress import unwatched
from coterie.tuning.trials import Bounds, Search
from coterie.tuning.tune import run_study
from coterie.workflow.settings import change

BASE = SocialConfig(embedding_size=8, loop=LoopConfig(max_epochs=9, patience=9, lr=1e-2))
SPACE = {"loop.patience": Choice((7, 8, 9)), "loop.lr": LogUniform(1e-4, 5e-2)}
OWN = {"loop.patience": 9, "loop.lr": 1e-2}
SEARCH = Search("social", partial(change, BASE), SPACE, OWN, BASE.loop.max_epochs)
TRIALS = 6


def treacherous(changes):
    """Configurations of which some are refused, and some take their process with them."""
    if changes["loop.patience"] == 7:
        raise BadInputError("seven are too few")
    if changes["loop.patience"] == 8:
        os._exit(9)
    return change(BASE, changes)


def stumbling(marker, changes):
    """Takes its process with it once."""
    if not marker.exists():
        marker.touch()
        os._exit(9)
    return change(BASE, changes)


def run(folder, bounds, search=SEARCH, watch=unwatched):
    """Run the study up to its bounds; its trials."""
    data = planted().data
    plan = StudyPlan(search.model, {}, describe(search.space), digest(data), 0)
    with open_study(folder, plan) as study:
        run_study(study, search, data, bounds, watch)
        return study.trials


if __name__ == "__main__":
    folder, address = sys.argv[1:]
    ray.init(address=address, log_to_driver=False, logging_level="CRITICAL")
    run(folder, Bounds(trials=TRIALS, parallel=1))
