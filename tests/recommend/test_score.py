"""Terms added up: coarsely, one by one and exactly, they say the same, and reasons split it."""

import numpy as np
import pytest
import torch
from synthetic import planted

from coterie.errors import BadInputError
from coterie.models.blending import popularity
from coterie.recommend.batches import Community
from coterie.recommend.encoder import Encoder, unit
from coterie.recommend.linear import PREFIX, VECTORS
from coterie.recommend.recommender import Recommender
from coterie.recommend.score import Score

NUM_ITEMS, DIM, RANK, NEAR = planted().data.num_items, 12, 6, 5


@pytest.fixture(scope="module")
def parameters():
    """Every term, each as large as the others, and of weights that nothing makes equal."""
    numbers = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=numbers)

    rng = np.random.default_rng(0)
    near = [np.sort(rng.choice(NUM_ITEMS, NEAR, replace=False)) for _ in range(NUM_ITEMS)]
    return {
        "item_in": normal(NUM_ITEMS, DIM),
        "item_out": unit(normal(NUM_ITEMS, DIM), 2),
        "item_bias": normal(NUM_ITEMS),
        "inverse_temperature": torch.tensor(5.0),
        "heads": torch.tensor(2),
        "popularity_weight": torch.tensor(0.7),
        **{f"encoder.{n}": p.detach() + 0.1 for n, p in Encoder().named_parameters()},
        **{f"{PREFIX}{name}": normal(NUM_ITEMS, RANK) for name in VECTORS},
        "linear.near": normal(NUM_ITEMS * NEAR).abs(),
        "linear.near_item": torch.from_numpy(np.concatenate(near).astype(np.int32)),
        "linear.near_offsets": torch.arange(0, NUM_ITEMS * NEAR + 1, NEAR),
        "linear.kind": torch.linspace(0.3, 1.0, 9).double(),
        "linear.rate": torch.tensor(0.3).double(),
        "linear.friend_power": torch.tensor(0.7).double(),
        "linear.history_power": torch.tensor(0.5).double(),
        "content.near": normal(2 * NUM_ITEMS * NEAR).abs(),
        "content.near_item": torch.from_numpy(np.concatenate(near + near[::-1]).astype(np.int32)),
        # In words and in looks; no item has a text's vector or a sound's.
        "content.near_offsets": torch.from_numpy(
            np.append(0, np.cumsum(np.repeat([NEAR, 0, NEAR, 0], NUM_ITEMS)))
        ),
    }


@pytest.fixture(scope="module")
def score(parameters):
    return Score.of_tensors(parameters, popularity(planted().data))


@pytest.fixture(scope="module")
def asked(score):
    return score.read(Community.of(planted().data).shoppers(np.arange(40)))


@pytest.mark.parametrize("without", ["", "linear.", "content."])
def test_one_product_says_what_the_terms_say_one_by_one(parameters, asked, without):
    kept = {n: t for n, t in parameters.items() if not without or not n.startswith(without)}
    score = Score.of_tensors(kept, popularity(planted().data))
    queries = score.queries(asked)
    every = np.arange(NUM_ITEMS)
    exact = score.exact(queries, every)
    assert exact.std() > 1
    np.testing.assert_allclose(score.every(queries).double(), exact, rtol=1e-4, atol=1e-4)


def test_all_terms_count(parameters, asked):
    every = np.arange(NUM_ITEMS)
    names = (
        "item_out",
        "item_bias",
        "popularity_weight",
        "linear.own",
        "linear.friend",
        "linear.near",
        "content.near",
    )
    found = {}
    for name in ("", *names):
        less = {n: t * 0 if n == name else t for n, t in parameters.items()}
        score = Score.of_tensors(less, popularity(planted().data))
        found[name] = score.exact(score.queries(asked), every)
    assert all(np.abs(found[name] - found[""]).max() > 0.1 for name in names)


def test_entries_and_popularity_add_up_to_the_exact_score(score, asked):
    queries = score.queries(asked)
    items = torch.arange(0, NUM_ITEMS, 7)
    exact = score.exact(queries, items.numpy())
    for row in np.flatnonzero(~asked.lost).tolist():
        of_entries, popular, _ = score.split(asked, asked.sources(row), items)
        np.testing.assert_allclose(of_entries.sum(axis=0) + popular, exact[row], atol=1e-9)


def test_kinds_of_content_add_up_to_what_content_adds(parameters, asked):
    whole = popularity(planted().data)
    kept = {n: t for n, t in parameters.items() if not n.startswith("content.")}
    scores = [Score.of_tensors(tensors, whole) for tensors in (parameters, kept)]
    items = torch.arange(0, NUM_ITEMS, 7)
    for row in np.flatnonzero(~asked.lost).tolist():
        told, without = (s.split(asked, asked.sources(row), items) for s in scores)
        assert told.alike.keys() == {"words", "image"}
        assert not without.alike
        alike = told.alike["words"] + told.alike["image"]
        assert alike.max() > 0.1
        np.testing.assert_allclose(without.of_entries + alike, told.of_entries, atol=1e-9)


def test_a_release_that_does_not_tell_kinds_apart_is_read(parameters, asked):
    offsets = parameters["content.near_offsets"]
    one = torch.cat([offsets[:NUM_ITEMS], offsets[-1:]])  # the last item's are all of looks, too
    old = Score.of_tensors(parameters | {"content.near_offsets": one}, popularity(planted().data))
    items = torch.arange(0, NUM_ITEMS, 7)
    exact = old.exact(old.queries(asked), items.numpy())
    row = int(np.flatnonzero(~asked.lost)[0])
    of_entries, popular, alike = old.split(asked, asked.sources(row), items)
    np.testing.assert_allclose(of_entries.sum(axis=0) + popular, exact[row], atol=1e-9)
    assert not alike


def test_weights_by_item_are_those_that_reasons_have(score, asked):
    weights = asked.item_weights(NUM_ITEMS).toarray()
    assert (weights > 0).any()
    for row in range(len(asked.shoppers)):
        sources = asked.sources(row)
        items = asked.shoppers.histories.item_idx[sources.entries]
        expected = np.bincount(items, sources.weight.numpy(), NUM_ITEMS)
        np.testing.assert_allclose(weights[row], expected, atol=1e-12)


@pytest.mark.parametrize("change", [{"linear.near": None}, {"text.vectors": torch.zeros(3)}])
def test_half_a_term_and_one_that_nobody_knows_are_refused(parameters, change):
    spoilt = {n: t for n, t in (parameters | change).items() if t is not None}
    with pytest.raises(BadInputError, match="another version"):
        Recommender(spoilt, popularity(planted().data))
