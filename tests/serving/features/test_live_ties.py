"""Ties that change over those of the tables: friends end up as training would find them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.changes import Change, states_of, tie_key
from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.graph.friends import friend_lists
from coterie.graph.strength import tie_strengths
from coterie.graph.tie_weights import weights_by_kind
from coterie.schema import STRENGTHS, TIE_KINDS, UNDIRECTED_TIES, TieKind
from serving.events.log import ChangedRows
from serving.features.live import LiveFeatures, LiveState
from serving.features.online_store import FakeFeatures, Friends
from serving.features.recent import RecentList

PEOPLE = ("ana", "bea", "cleo")
INTS = np.zeros(0, np.int64)
NOTHING_DONE = Interactions(
    INTS, INTS, INTS.astype(np.int8), INTS.astype(np.float32), INTS, referrer_idx=INTS
)
PAIRS = list(itertools.permutations(PEOPLE, 2))


class Rows:
    """Changed ties alone."""

    def __init__(self, changes):
        self._ties = states_of(changes)["ties"]

    def ties_of(self, user_id):
        return {key[1:]: state for key, state in self._ties.items() if key[0] == user_id}

    def turned_to(self, user_id, others):
        turned = {s for s, d, k in self._ties if d == user_id and k not in UNDIRECTED_TIES}
        return frozenset(turned.intersection(others))

    def ties_around(self, user_id, others):
        return self.ties_of(user_id), self.turned_to(user_id, others)

    def version(self):
        return 1

    def since(self, version):
        return ChangedRows(1, {}, {})


def live(features, changes):
    state = LiveState(Rows(changes))
    state.refresh()
    return LiveFeatures(features, state)


def put(src, dst, kind, weight=1.0):
    return Change(f"{src}{dst}{kind}", "ties", tie_key(src, dst, kind), 5, True, {"weight": weight})


def ended(src, dst, kind):
    return Change(f"{src}{dst}{kind}", "ties", tie_key(src, dst, kind), 5, False)


def both_ways(ties):
    """Rows of the table: undirected ones are there twice, and weigh the same."""
    once = {tie_key(*key): weight for key, weight in ties.items()}
    there = {(s, d, TieKind(k)): weight for (s, d, k), weight in once.items()}
    return there | {(d, s, k): w for (s, d, k), w in there.items() if k in UNDIRECTED_TIES}


def as_features(ties):
    """What the features step writes of ties."""
    row = PEOPLE.index
    keys = list(ties)
    columns = (
        np.array([row(s) for s, _, _ in keys], np.int64),
        np.array([row(d) for _, d, _ in keys], np.int64),
        np.array([TIE_KINDS.index(k) for _, _, k in keys], np.int8),
        np.array([ties[key] for key in keys], np.float32),
        np.zeros(len(keys), np.int64),
    )
    made = Ties(*columns)
    known = TrainingSet(NOTHING_DONE, made, len(PEOPLE), 1)
    lists = friend_lists(*tie_strengths(known), len(PEOPLE))
    weights = weights_by_kind(lists, made)
    found = {}
    for number, person in enumerate(PEOPLE):
        at = slice(lists.offsets[number], lists.offsets[number + 1])
        ids = tuple(PEOPLE[friend] for friend in lists.person[at])
        back = tuple(any((f, person, k) in ties for k in TIE_KINDS) for f in ids)
        strengths = tuple(lists.strengths[at].ravel().tolist())
        found[person] = Friends(ids, strengths, back, back, tuple(weights[at].ravel().tolist()))
    return found


def served(ties, changes, person):
    features = FakeFeatures(friends=as_features(both_ways(ties)))
    return live(features, changes).shopper(person).friends


def weights_of(friends):
    of_weight = friends.strengths[:: len(STRENGTHS)]
    return dict(zip(friends.ids, np.expm1(of_weight).tolist(), strict=True))


def test_one_kind_that_ends_leaves_the_other():
    ties = {("ana", "bea", TieKind.FRIEND): 1.0, ("ana", "bea", TieKind.FOLLOW): 2.0}
    kept = served(ties, [ended("ana", "bea", TieKind.FRIEND)], "ana")
    assert weights_of(kept) == {"bea": pytest.approx(2.0)}
    # Bea follows nobody now, so no reason of ana's names her.
    assert (kept.named, kept.mutual) == ((False,), (False,))
    assert served(ties, [ended("ana", "bea", TieKind.FRIEND)], "bea").ids == ()
    both = [ended("ana", "bea", kind) for kind in (TieKind.FRIEND, TieKind.FOLLOW)]
    assert served(ties, both, "ana").ids == ()


def test_recent_lists_are_those_of_the_friends_as_they_are_now():
    recent = {name: RecentList((f"of {name}",), (0,), (1,)) for name in PEOPLE}
    for ties, changes, expected in (
        ({("ana", "bea", TieKind.FRIEND): 1.0}, [], {"bea"}),
        ({}, [put("ana", "cleo", TieKind.FRIEND)], {"cleo"}),
        ({("ana", "bea", TieKind.FRIEND): 1.0}, [ended("ana", "bea", TieKind.FRIEND)], set()),
        (
            {("ana", "bea", TieKind.FRIEND): 1.0},
            [put("ana", "cleo", TieKind.FRIEND, 3.0)],
            {"bea", "cleo"},
        ),
    ):
        features = FakeFeatures(recent, as_features(both_ways(ties)))
        row, lists = live(features, changes).with_friends("ana")
        assert row == live(features, changes).shopper("ana")
        assert set(row.friends.ids) == expected
        assert lists == [recent[friend] for friend in row.friends.ids]


def test_a_store_that_does_not_tell_kinds_takes_a_word_on_one_for_one_on_the_pair():
    features = FakeFeatures(friends={"ana": Friends(("bea",), (0.7, 0.0, 0.0, 0.0), (True,))})
    for changes, left in (
        ([ended("ana", "bea", TieKind.FOLLOW)], {}),
        ([put("ana", "bea", TieKind.FOLLOW, 3.0)], {"bea": pytest.approx(3.0)}),
    ):
        assert weights_of(live(features, changes).shopper("ana").friends) == left


weights = st.sampled_from([0.5, 1.0, 2.0])
keys = st.tuples(st.sampled_from(PAIRS), st.sampled_from(TIE_KINDS)).map(lambda k: (*k[0], k[1]))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(keys, weights, max_size=6),
    st.dictionaries(keys, st.none() | weights, max_size=6),
)
def test_friends_are_those_of_tables_that_say_what_was_changed(ties, said):
    # Of an undirected tie one word: which of two is later is another test.
    ties = both_ways(ties)
    said = {tie_key(*key): weight for key, weight in said.items()}
    said = {(src, dst, TieKind(kind)): weight for (src, dst, kind), weight in said.items()}
    changes = [ended(*key) if w is None else put(*key, w) for key, w in said.items()]
    told = both_ways(said)
    after = {k: w for k, w in (ties | told).items() if w is not None}
    expected = as_features(after)
    for person in PEOPLE:
        found = served(ties, changes, person)
        assert weights_of(found) == pytest.approx(weights_of(expected[person]), rel=1e-5)
        back = dict(zip(found.ids, found.mutual or (True,) * len(found.ids), strict=True))
        wanted = dict(zip(expected[person].ids, expected[person].mutual, strict=True))
        assert back == wanted
        # A name comes with the next features step; it goes at once.
        assert all(back[one] for one, yes in zip(found.ids, found.named, strict=True) if yes)
