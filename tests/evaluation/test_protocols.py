"""Who is judged, on which items, and what is masked."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.errors import BadInputError
from coterie.evaluation.catalogue import categories
from coterie.evaluation.groups import ACTIVITY, FRIENDS, bands_of, num_friends
from coterie.evaluation.protocols import evaluate_model
from coterie.schema import EVENT_KINDS, EventKind

NUM_ITEMS = 6


def events(*rows):
    """Interactions from (user, item, kind)."""
    user, item, kind = zip(*rows, strict=True) if rows else ((), (), ())
    n = len(rows)
    return Interactions(
        np.array(user, np.int64),
        np.array(item, np.int64),
        np.array([EVENT_KINDS.index(k) for k in kind], np.int8),
        np.full(n, np.nan, np.float32),
        np.arange(n),
        np.full(n, -1),
    )


def ties(*pairs):
    src, dst = np.array(pairs, np.int64).reshape(-1, 2).T
    n = len(pairs)
    return Ties(src, dst, np.zeros(n, np.int8), np.ones(n, np.float32), np.zeros(n, np.int64))


BUY, VIEW = EventKind.PURCHASE, EventKind.VIEW
BACK, DISLIKE = EventKind.RETURN, EventKind.DISLIKE
DATA = TrainingSet(
    events((0, 5, BUY), (0, 4, VIEW), (1, 5, BUY), (1, 4, BUY), (3, 5, BUY)),
    ties((0, 1), (1, 0), (0, 2), (0, 0), (0, 1)),
    num_users=4,
    num_items=NUM_ITEMS,
)


class ByNumber:
    """Likes an item the more, the higher its row."""

    def scores(self, user_idx):
        return np.tile(np.arange(NUM_ITEMS, dtype=np.float32), (len(user_idx), 1))


class Stubborn(ByNumber):
    """Would score one way, but lists another."""

    def __init__(self, *items):
        self.items = items

    def lists(self, user_idx, k):
        padded = [*self.items, *[-1] * k][:k]
        return np.tile(np.array(padded, np.int64), (len(user_idx), 1))


def test_only_what_was_had_is_masked_and_views_stay():
    found = evaluate_model(ByNumber(), DATA, events((0, 4, BUY), (1, 0, BUY), (2, 5, BUY)), ks=(3,))
    assert found.user_idx.tolist() == [0, 1, 2]
    assert found.lists.tolist() == [[4, 3, 2], [3, 2, 1], [5, 4, 3]]
    assert found.metrics["recall@3"].tolist() == [1.0, 0.0, 1.0]


def test_what_was_turned_down_is_masked_but_nobody_has_it():
    seen = Interactions.concat(
        DATA.interactions, events((0, 3, DISLIKE), (2, 5, BUY), (2, 5, BACK))
    )
    data = replace(DATA, interactions=seen)
    asked = events((0, 4, BUY), (1, 0, BUY), (2, 1, BUY))
    before = evaluate_model(Stubborn(4, 3), DATA, asked, ks=(2,))
    assert evaluate_model(ByNumber(), data, asked, ks=(3,)).lists.tolist() == [
        [4, 2, 1],
        [3, 2, 1],
        [4, 3, 2],
    ]
    found = evaluate_model(Stubborn(4, 3), data, asked, ks=(2,))
    assert found.metrics["novelty@2"].tolist() == before.metrics["novelty@2"].tolist()
    assert bands_of(data)[ACTIVITY.name].tolist() == bands_of(DATA)[ACTIVITY.name].tolist()


def test_shoppers_with_nothing_new_held_out_are_left_out():
    asked = events((0, 5, BUY), (1, 0, BUY), (1, 5, BUY), (1, 0, BUY))
    found = evaluate_model(ByNumber(), DATA, asked, ks=(6,))
    assert found.user_idx.tolist() == [1]
    # Item 5 was had, item 0 asked twice: one item is asked, and it stands fourth of four.
    assert found.metrics["recall@6"].tolist() == [1.0]
    assert found.metrics["ndcg@6"][0] == pytest.approx(1 / np.log2(5))
    assert found.lists.tolist() == [[3, 2, 1, 0, -1, -1]]


def test_a_model_with_its_own_recommender_is_judged_by_its_lists():
    asked = events((0, 1, BUY), (3, 2, BUY))
    found = evaluate_model(Stubborn(1, 2), DATA, asked, ks=(1, 3))
    assert found.lists.tolist() == [[1, 2, -1], [1, 2, -1]]
    assert found.metrics["recall@1"].tolist() == [1.0, 0.0]
    assert found.metrics["recall@3"].tolist() == [1.0, 1.0]
    assert found.totals == {"coverage@1": 1 / 6, "coverage@3": 2 / 6}
    assert found.recall_curve.tolist() == [0.5, 1.0, 1.0]


def test_variety_is_that_of_the_places_that_count():
    asked = events((0, 1, BUY))
    short = evaluate_model(Stubborn(0, 1, 5), DATA, asked, ks=(2,)).metrics
    both = evaluate_model(Stubborn(0, 1, 5), DATA, asked, ks=(2, 3)).metrics
    assert {metric: both[metric].tolist() for metric in short} == {
        metric: values.tolist() for metric, values in short.items()
    }
    # Item 5 is had by three of four shoppers: the third place is the least surprising.
    assert both["novelty@3"][0] < both["novelty@2"][0]


def test_batches_do_not_change_the_figures():
    asked = events(*[(user, 3, BUY) for user in range(4)])
    whole, single = (evaluate_model(ByNumber(), DATA, asked, ks=(2,), batch=b) for b in (512, 1))
    np.testing.assert_array_equal(whole.lists, single.lists)
    assert whole.means() == single.means()


def test_means_name_what_they_do_not_know():
    found = evaluate_model(ByNumber(), DATA, events((0, 1, BUY)), ks=(2,))
    assert found.mean("hit_rate@2") == 0.0
    with pytest.raises(BadInputError, match=r"no metric 'recall@20' .*recall@2"):
        found.mean("recall@20")


def test_diversity_by_category_comes_with_categories():
    table = pa.table({"category": ["a", "b", "a", None, "b", None]})
    codes = categories(table)
    assert codes.tolist() == [0, 1, 0, -1, 1, -1]
    asked = events((2, 1, BUY))
    assert "category_diversity@2" not in evaluate_model(ByNumber(), DATA, asked, ks=(2,)).metrics
    found = evaluate_model(Stubborn(0, 2), DATA, asked, ks=(2,), category=codes)
    assert found.metrics["category_diversity@2"].tolist() == [0.0]
    assert categories(pa.table({"category": pa.array([None, None], pa.string())})) is None


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (Stubborn(1, 1), "twice"),
        (Stubborn(NUM_ITEMS), "item 6 of 6"),
    ],
)
def test_malformed_lists_are_refused(model, complaint):
    with pytest.raises(BadInputError, match=complaint):
        evaluate_model(model, DATA, events((0, 1, BUY)), ks=(3,))


def test_a_model_of_another_catalogue_is_refused():
    class Foreign:
        def scores(self, user_idx):
            return np.zeros((len(user_idx), 99), np.float32)

    with pytest.raises(BadInputError, match=r"\(1, 99\), expected \(1, 6\)"):
        evaluate_model(Foreign(), DATA, events((0, 1, BUY)))


def test_nothing_held_out_is_refused():
    for asked in (events(), events((0, 5, BUY))):
        with pytest.raises(BadInputError, match="cutoff"):
            evaluate_model(ByNumber(), DATA, asked)


def test_friends_are_distinct_people_other_than_oneself():
    assert num_friends(DATA).tolist() == [2, 1, 0, 0]
    assert num_friends(DATA.without_ties()).tolist() == [0, 0, 0, 0]


def test_bands_start_where_they_say():
    assert ACTIVITY.of(np.array([0, 1, 3, 4, 10, 11, 500])).tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert FRIENDS.of(np.array([0, 1, 5, 6, 99])).tolist() == [0, 1, 1, 2, 2]
    # Shopper 2 did nothing; views do not make a shopper warm.
    assert bands_of(DATA)["activity"].tolist() == [1, 1, 0, 1]
