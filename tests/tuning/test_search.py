"""Optuna's side of tuning, without Ray."""

import numpy as np
import optuna
import pytest

from coterie.models.space import Choice, LogUniform, Uniform
from coterie.tuning.search import (
    MIN_FOR_IMPORTANCE,
    RANDOM_FIRST,
    Replayable,
    decode,
    distributions,
    encode,
    importances,
    quiet,
)
from coterie.tuning.study import Ending, Trial

SPACE = {
    "embedding_size": Choice((8, 16, 32)),
    "kind": Choice(("sum", "mean")),
    "dropout": Uniform(0.0, 0.9),
    "loop.lr": LogUniform(1e-4, 1e-1),
}


@pytest.fixture(autouse=True)
def without_words():
    with quiet():
        yield


def score(changes):
    return 1.0 - abs(changes["dropout"] - 0.7) - 0.01 * (changes["kind"] == "sum")


def drawn(num, known=(), seed=0):
    """So many trials more, of a study that was told of the known ones."""
    study = optuna.create_study(direction="maximize", sampler=Replayable(seed))
    space = distributions(SPACE)
    for changes in known:
        params = encode(SPACE, changes)
        study.add_trial(
            optuna.trial.create_trial(value=score(changes), params=params, distributions=space)
        )
    found = []
    for _ in range(num):
        trial = study.ask(fixed_distributions=space)
        found.append(decode(SPACE, trial.params))
        study.tell(trial, score(found[-1]))
    return found


def trials_of(found):
    return [Trial(c, Ending.FINISHED, score(c), 0, [], 1.0, 1.0) for c in found]


def test_values_survive_the_way_to_optuna_and_back():
    for changes in drawn(20):
        assert decode(SPACE, encode(SPACE, changes)) == changes
        for name, value in changes.items():
            assert value in SPACE[name]


def test_a_study_told_again_draws_what_it_would_have_drawn():
    whole = drawn(RANDOM_FIRST + 8)
    for broken in (1, 5, RANDOM_FIRST, RANDOM_FIRST + 3):
        assert drawn(len(whole) - broken, whole[:broken]) == whole[broken:]
    assert drawn(3, seed=1) != whole[:3]


def test_the_search_learns_where_the_good_ones_lie():
    late = [c["dropout"] for c in drawn(40)[RANDOM_FIRST + 10 :]]
    assert abs(np.median(late) - 0.7) < 0.1


def test_what_matters_is_told_from_what_does_not():
    shares = importances(SPACE, trials_of(drawn(40)))
    assert max(shares, key=shares.get) == "dropout"
    assert sum(shares.values()) == pytest.approx(1)


def test_of_too_few_trials_nothing_is_said():
    assert importances(SPACE, trials_of(drawn(MIN_FOR_IMPORTANCE - 1))) == {}


def test_what_failed_says_nothing_of_what_matters():
    failed = Trial(drawn(1)[0], Ending.FAILED, None, 0, [], 1.0, 1.0)
    known = trials_of(drawn(12))
    assert importances(SPACE, [*known, failed]) == importances(SPACE, known)
