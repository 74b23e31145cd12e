"""Parts of a score that changed places, by what items say of each other in each of them."""

import numpy as np
import pytest

from coterie.release.learned_roles import LearnedRoles
from coterie.rollout.figures import FIGURES

NUM, WIDTH = 80, 12
OWN, FRIEND, OUT = "linear.own", "linear.friend", "linear.out"
KIND = "linear.kind"
LEAST, MOST = FIGURES["kinds_agree"].limit, FIGURES["roles_traded"].limit


def learned(seed=0, turn=None, noise=0.1, **changed):
    """What training leaves: the same products each time, with some noise, in a space of its own."""
    truth, rng = np.random.default_rng(0), np.random.default_rng(seed)
    vectors = {
        name: truth.normal(size=(NUM, WIDTH)) + noise * rng.normal(size=(NUM, WIDTH))
        for name in (OWN, FRIEND, OUT, "item_in", "item_out")
    }
    if turn is not None:
        space = np.linalg.qr(np.random.default_rng(turn).normal(size=(WIDTH, WIDTH)))[0]
        vectors = {name: of @ space for name, of in vectors.items()}
    kinds = {KIND: np.linspace(0.4, 1.0, 9) + 0.05 * rng.normal(size=9)}
    rows = {f"item-{row}": row for row in range(NUM)}
    return LearnedRoles(rows, {**vectors, **changed}, kinds)


def trade(one, name, other):
    vectors = {**one.vectors, name: one.vectors[other], other: one.vectors[name]}
    return LearnedRoles(one.rows, vectors, one.kinds)


def values(live, canary):
    return [figure.value for figure in live.compare(canary)]


def test_what_was_trained_anew_has_its_parts_where_they_were():
    traded, kinds = values(learned(), learned(seed=1, turn=2))
    assert traded == 0.0
    assert kinds > 0.9


@pytest.mark.parametrize(("name", "other"), [(OWN, FRIEND), ("item_in", "item_out")])
def test_parts_that_changed_places_are_found_after_training_as_well(name, other):
    [figure, _] = learned().compare(trade(learned(seed=1, turn=2), name, other))
    assert figure.value == 1.0 > MOST
    assert figure.examples[0] in (name, other)


def test_one_part_in_the_place_of_another_is_found_too():
    live, canary = learned(), learned(seed=1, turn=2)
    copied = {**canary.vectors, FRIEND: canary.vectors[OWN]}
    [figure, _] = live.compare(LearnedRoles(canary.rows, copied, canary.kinds))
    assert (figure.value, figure.examples) == (1.0, (FRIEND,))


def test_parts_that_say_the_same_cannot_change_places():
    """As vectors that are shared by both: a coin would find half of them traded."""
    live = learned()
    live.vectors[FRIEND][:] = live.vectors[OWN]
    live.vectors["item_in"][:] = live.vectors["item_out"]
    canary = learned(seed=1, **{name: live.vectors[name] for name in (OWN, FRIEND, OUT)})
    canary.vectors[FRIEND][:] += 0.1 * np.random.default_rng(4).normal(size=(NUM, WIDTH))
    assert values(trade(live, OWN, FRIEND), canary)[0] < 0.05


def test_kinds_that_count_the_other_way_round_are_found():
    live, canary = learned(), learned(seed=1)
    reversed_kinds = {KIND: canary.kinds[KIND][::-1]}
    [_, figure] = live.compare(LearnedRoles(canary.rows, canary.vectors, reversed_kinds))
    assert figure.value < 0.0 < LEAST
    assert figure.examples == (KIND,)
    alike = {KIND: np.ones(9)}
    assert values(live, LearnedRoles(live.rows, live.vectors, alike))[1] == 0.0


def test_what_cannot_be_told_is_no_figure():
    live = learned()
    few = LearnedRoles({"item-0": 0}, live.vectors, {KIND: np.ones(9)})
    assert values(few, few) == [None, None]
    bare = LearnedRoles(live.rows, {}, {})
    assert values(live, bare) == [None, None]
    narrow = LearnedRoles(live.rows, {**live.vectors, OUT: live.vectors[OUT][:, :3]}, {})
    assert values(live, narrow) == [0.0, None]
