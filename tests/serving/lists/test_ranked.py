"""A ranked list that shows one item out of its turn."""

import numpy as np
import pytest

from coterie.recommend.recommender import Lists, ListSource
from coterie.recommend.rerank import RuleEffect
from serving.lists.ranked import RankedList


def ranked(*scores):
    rows = np.arange(len(scores), dtype=np.int64)
    return RankedList.plain(
        Lists(rows[None], np.array([scores], np.float32), tuple(ListSource)[:1])
    )


def order(made):
    return made.lists.item_idx[0].tolist()


def test_an_item_that_stands_there_or_above_by_itself_is_left_where_it_is():
    listed = ranked(5.0, 4.0, 3.0, 2.0)
    for row in (0, 1, 2):
        assert listed.exploring(row, 0.0, place=2) is listed
    assert order(listed.exploring(3, 0.0, place=2)) == [0, 1, 3, 2]


@pytest.mark.parametrize(("own", "shown_with"), [(0.5, 3.0), (3.5, 3.5), (9.0, 4.0)])
def test_scores_stay_in_order_whatever_the_items_own_is(own, shown_with):
    made = ranked(5.0, 4.0, 3.0, 2.0).exploring(77, own, place=2)
    assert order(made) == [0, 1, 77, 2, 3]
    scores = made.lists.score[0].tolist()
    assert scores == [5.0, 4.0, shown_with, 3.0, 2.0]
    assert made.moves_at(2).get(RuleEffect.EXPLORED, 0.0) == pytest.approx(shown_with - own)
    assert made.moves_at(3) == {}
