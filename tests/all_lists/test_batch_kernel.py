"""The kernel of all lists and the one path of all others say the same of whoever there is."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from coterie.all_lists import kernel
from coterie.all_lists.everyone import Everyone
from coterie.all_lists.kernel import BatchKernel, knows
from coterie.data.dataset import Interactions, Ties, TrainingSet
from coterie.data.repurchase import Again
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder, unit
from coterie.recommend.learned import FriendsFor
from coterie.recommend.recommender import Recommender
from coterie.schema import EVENT_KINDS

USERS, ITEMS, DIM, RANK, NEAR = 90, 700, 8, 5, 4
DAYS_MS = 90 * 86_400_000


def community(seed: int) -> Community:
    """Some have nothing, some friends alone, and what was had comes back after some days."""
    rng, num, ties = np.random.default_rng(seed), 1500, 300
    value = np.where(rng.random(num) < 0.2, 1.0, np.nan).astype(np.float32)
    events = Interactions(
        rng.integers(0, USERS - 10, num),
        rng.integers(0, ITEMS, num),
        rng.integers(0, len(EVENT_KINDS), num).astype(np.int8),
        value,
        np.sort(rng.integers(0, DAYS_MS, num)),
        np.full(num, -1),
    )
    src, dst = rng.integers(0, USERS - 5, ties), rng.integers(0, USERS - 8, ties)
    zeros = np.zeros(ties, np.int64)
    friends = Ties(src, dst, zeros.astype(np.int8), np.ones(ties, np.float32), zeros)
    again = Again(np.where(np.arange(ITEMS) % 3, np.inf, 20.0).astype(np.float32), DAYS_MS)
    return Community.of(TrainingSet(events, friends, USERS, ITEMS, again=again))


def release(
    seed: int,
    heads: int,
    dislike: float,
    friends_for: int,
    linear: bool,
    alike: float,
    least: float = 0.0,
):
    """Made-up tensors; ``alike``: how far items' vectors lie apart."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    encoder = Encoder()
    with torch.no_grad():
        encoder.strength.normal_()
        encoder.gate.normal_()
        encoder.own_power.normal_()

    def vectors(width):
        return torch.randn(1, width) + alike * torch.randn(ITEMS, width)

    parameters = {
        "item_in": vectors(DIM),
        "item_out": unit(vectors(DIM), heads),
        "item_bias": torch.randn(ITEMS) * 0.3 * min(alike, 1.0),
        "inverse_temperature": torch.tensor(6.0),
        "popularity_weight": torch.tensor(0.2 * min(alike, 1.0)),
        "heads": torch.tensor(heads),
        "dislike_weight": torch.tensor(dislike),
        "least_friend_history": torch.tensor(least),
        "friends_for": torch.tensor(friends_for),
        **{f"encoder.{name}": p.detach().clone() for name, p in encoder.named_parameters()},
    }
    if linear:
        item = torch.from_numpy(rng.integers(0, ITEMS, ITEMS * NEAR)).int()
        parameters |= {f"linear.{name}": vectors(RANK) * 0.3 for name in ("own", "friend", "out")}
        parameters |= {
            "linear.near": torch.rand(ITEMS * NEAR) * min(alike, 1.0),
            "linear.near_item": item,
            "linear.near_offsets": torch.arange(ITEMS + 1) * NEAR,
            "linear.kind": torch.rand(len(EVENT_KINDS), dtype=torch.float64),
        }
        powers = {"rate": 0.4, "friend_power": 0.7, "history_power": 0.5}
        for name, power in powers.items():
            parameters[f"linear.{name}"] = torch.tensor(power, dtype=torch.float64)
    popularity = rng.permutation(ITEMS).astype(np.float32)
    return SimpleNamespace(parameters=parameters, popularity=popularity)


def both(made, people: Community, allowed):
    nobody = np.append(np.arange(USERS), -1)
    everyone = Everyone(
        pa.array([f"{row:03d}" for row in range(USERS)]),
        Community(people.histories.take(nobody), people.friends, people.seen_offsets, people.seen),
        np.zeros(USERS, np.bool_),
    )
    return (
        BatchKernel(made, everyone, allowed),
        Recommender(made.parameters, made.popularity, allowed),
    )


def same(found, expected):
    np.testing.assert_array_equal(found.item_idx, expected.item_idx)
    np.testing.assert_array_equal(found.score, expected.score)
    assert found.source == expected.source


FORMS = {
    "one head": (1, 0.0, FriendsFor.EVERYONE, False, 1.0),
    "closed form": (1, 0.0, FriendsFor.EVERYONE, True, 1.0),
    "two heads, dislikes take away": (2, 0.5, FriendsFor.EVERYONE, True, 1.0),
    "short histories of friends count for less": (1, 0.0, FriendsFor.EVERYONE, True, 1.0, 4.0),
    "friends for newcomers": (1, 0.0, FriendsFor.NEWCOMERS, True, 1.0),
    "friends for nobody": (1, 0.3, FriendsFor.NOBODY, True, 1.0),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_lists_are_those_of_the_recommender(form):
    made, people = release(1, *form), community(1)
    allowed = np.random.default_rng(2).random(ITEMS) > 0.1
    ours, theirs = both(made, people, allowed)
    for first, stop in ((0, 70), (70, 71), (71, USERS)):
        shoppers = people.shoppers(np.arange(first, stop))
        same(ours.recommend(first, stop, 20), theirs.recommend(shoppers, 20, allowed))
    whole = theirs.recommend(people.shoppers(np.arange(USERS)), 20, allowed)
    assert len(set(whole.source)) == 3 if form[2] is not FriendsFor.NOBODY else 2


def test_pools_are_those_of_the_recommender():
    made, people = release(1, *FORMS["closed form"]), community(1)
    allowed = np.random.default_rng(2).random(ITEMS) > 0.1
    ours, theirs = both(made, people, allowed)
    also = np.array([3, 5, 8, 200])
    shoppers = people.shoppers(np.arange(USERS))
    same(ours.pool(0, USERS, 60, also), theirs.pool(shoppers, 60, allowed, also))


def test_a_list_is_shorter_where_there_is_less():
    made, people = release(1, *FORMS["closed form"]), community(1)
    for number in (0, 1, 15, 40):
        allowed = np.arange(ITEMS) < number
        ours, theirs = both(made, people, allowed)
        found = ours.recommend(0, USERS, 20)
        expected = theirs.recommend(people.shoppers(np.arange(USERS)), 20, allowed)
        same(found, expected)
        assert (found.item_idx >= 0).sum(axis=1).max() == min(number, 20)


def test_items_that_single_precision_cannot_tell_apart_are_ranked_as_elsewhere(monkeypatch):
    """Of items this alike a few candidates would be chosen by the last bit."""
    made, people = release(3, 1, 0.0, FriendsFor.EVERYONE, True, 3e-5), community(3)
    allowed = np.ones(ITEMS, np.bool_)
    monkeypatch.setattr(kernel, "_NARROW", 1)
    monkeypatch.setattr(kernel, "RETRIEVE_MARGIN", ITEMS)
    monkeypatch.setattr("coterie.recommend.recommender.RETRIEVE_MARGIN", ITEMS)
    ours, theirs = both(made, people, allowed)
    expected = theirs.recommend(people.shoppers(np.arange(USERS)), 20, allowed)
    same(ours.recommend(0, USERS, 20), expected)
    monkeypatch.setattr(kernel, "_ERROR", -1.0)
    other = ours.recommend(0, USERS, 20)
    assert (other.item_idx != expected.item_idx).any()


def test_a_release_with_terms_of_its_own_is_left_to_the_recommender():
    made = release(1, *FORMS["closed form"])
    assert knows(made)
    made.parameters["content.near"] = torch.zeros(0)
    assert not knows(made)
