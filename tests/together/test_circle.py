"""Who of somebody's friends know each other."""

import pytest

from coterie.together.circle import ALONE, groups_of, ties_among


def test_a_tie_is_there_where_both_tell_of_it():
    friends = ("bea", "cleo", "dora")
    assert ties_among(friends, [{"cleo", "dora"}, {"bea"}, set()]) == ((0, 1),)
    assert ties_among(friends, [{"bea"}, {"stranger"}, {"cleo"}]) == ()
    assert ties_among((), []) == ()


@pytest.mark.parametrize(
    ("ties", "groups"),
    [
        ([], [ALONE] * 6),
        ([(3, 4)], [ALONE, ALONE, ALONE, 1, 1, ALONE]),
        ([(0, 5), (1, 2), (2, 4)], [2, 1, 1, ALONE, 1, 2]),
        ([(0, 5), (1, 2)], [1, 2, 2, ALONE, ALONE, 1]),
    ],
)
def test_groups_are_numbered_by_size_and_then_by_who_comes_first(ties, groups):
    assert groups_of(6, ties) == groups
