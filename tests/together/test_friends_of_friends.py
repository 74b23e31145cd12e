"""Who has friends in common with somebody."""

import numpy as np

from coterie.together.people import cosines, friends_of_friends, rank_people


def test_common_friends_count_the_less_the_more_friends_they_have():
    bridges = [
        ["me", "dora", "emil"],
        ["me", "emil"],
        ["me", "dora", *(f"u{n}" for n in range(40))],
    ]
    found = friends_of_friends(bridges, ["me", "bea"], most=2)
    assert found.ids == ("emil", "dora")
    assert found.common.tolist() == [2, 2]
    assert np.allclose(
        found.adamic_adar, [1 / np.log(3) + 1 / np.log(2), 1 / np.log(3) + 1 / np.log(42)]
    )


def test_nobody_is_found_where_nobody_knows_anybody():
    assert friends_of_friends([[], []], ["me"]).ids == ()
    assert friends_of_friends([], ["me"]).ids == ()
    assert friends_of_friends([["me"]], ["me"]).ids == ()


def test_equal_people_stand_in_the_order_of_their_ids():
    assert friends_of_friends([["b", "a", "c"]], []).ids == ("a", "b", "c")


def test_of_who_did_nothing_no_taste_is_known():
    taste = cosines(np.array([[1.0, 0], [2, 0], [0, 3], [0, 0]]))
    assert taste.tolist() == [1, 0, 0]
    assert rank_people(np.array([1.0, 1, 1]), taste, 2).tolist() == [0, 1]
