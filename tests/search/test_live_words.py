"""Items that change after a catalogue was indexed, or are new: found as a new index would."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.search.index import SearchIndex
from coterie.search.meaning import VectorIndex
from coterie.search.words import WordIndex

TITLES = ["red lamp", "green lamp", "steel kettle", "oak chair", "red kettle", "wool blanket"] * 20
WORDS = ["red", "lamp", "kettle", "sofa", "crystal", "blanket", "台灯"]


def titled(titles):
    return pa.table({"title": pa.array(titles, pa.string())})


@pytest.fixture(scope="module")
def index():
    return WordIndex(titled(TITLES))


def test_what_was_said_before_is_not_found_any_more(index):
    changed = index.changed([1, 120], titled(["crystal vase", "crystal lamp"]))
    assert changed.num_items == 121
    assert np.flatnonzero(changed.scores("crystal")).tolist() == [1, 120]
    assert np.flatnonzero(changed.scores("cristal")).tolist() == [1, 120]
    green = np.flatnonzero(changed.scores("green"))
    assert (1 in green, 7 in green) == (False, True)
    assert changed.scores("lamp")[120] > 0
    # The index that was before goes on as it was: somebody may be searching it.
    assert index.num_items == 120
    assert not index.scores("crystal").any()
    assert index.scores("green")[1] > 0


def test_no_other_item_moves(index):
    changed = index.changed([3, 120], titled(["red lamp sofa", "blue sofa"]))
    for query in ("red lamp", "kettle", "wool"):
        before, after = index.scores(query), changed.scores(query)
        others = [row for row in range(120) if row != 3]
        np.testing.assert_array_equal(after[others], before[others])


def test_an_item_weighs_what_it_would_in_an_index_made_anew(index):
    """But for how rare a word is: one more item of a hundred has it, or one less."""
    said = ["red crystal lamp", "kettle kettle of copper"]
    changed = index.changed([120, 121], titled(said))
    anew = WordIndex(titled([*TITLES, *said]))
    for query in ("red lamp", "crystal", "copper kettle", "kristal lamps"):
        found, expected = changed.scores(query), anew.scores(query)
        assert found == pytest.approx(expected, abs=0.05), query
        assert found.argmax() == expected.argmax()


def test_rows_may_come_with_gaps_and_say_nothing(index):
    changed = index.changed([125], titled(["crystal"])).changed([2, 123], titled([None, ""]))
    assert changed.num_items == 126
    assert np.flatnonzero(changed.scores("crystal")).tolist() == [125]
    assert changed.scores("kettle")[2] == changed.scores("kettle")[123] == 0


texts = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
batches = st.lists(st.dictionaries(st.integers(0, 124), texts, min_size=1, max_size=3), max_size=4)


@settings(max_examples=40, deadline=None)
@given(batches, texts)
def test_changes_one_by_one_end_where_the_last_words_do(index, made, query):
    step, last = index, {}
    for batch in made:
        step = step.changed(list(batch), titled(list(batch.values())))
        last |= batch
    whole = index.changed(list(last), titled(list(last.values()))) if last else index
    np.testing.assert_allclose(step.scores(query), whole.scores(query), atol=1e-6)


def test_meaning_is_compared_with_what_an_item_says_now():
    vectors = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    titles = [f"thing {row}" for row in range(40)]
    catalogue, there = titled(titles), np.ones(40, np.bool_)
    index = SearchIndex(catalogue, there, VectorIndex(vectors))
    changed = index.changed([40], titled(["novelty"])).changed(
        meant=[0, 40], vectors=np.eye(4)[[1, 1]]
    )
    found = changed.search("unheard", 50, np.eye(4)[1], allowed=np.ones(41, np.bool_))
    assert set(found.item_idx.tolist()) == {0, 40, *range(1, 40, 4)}
    assert found.score == pytest.approx(found.score[0])
    # Somebody who does not know of the last item yet is not shown it.
    early = changed.search("novelty", 50, allowed=there)
    assert early.item_idx.tolist() == []
    alike, _ = changed.like(40, "novelty", 50, np.ones(41, np.bool_))
    assert set(alike.tolist()) == {0, *range(1, 40, 4)}
