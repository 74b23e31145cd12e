"""What the benchmark of thin histories takes away, adds, and makes harder."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import planted

from benchmarks import thin_generators, thin_histories
from benchmarks.hard_negatives import HardenedTrainee, reweighted_loss
from benchmarks.thin_generators import (
    FEW,
    GENERATORS,
    Known,
    best_items,
    with_copies,
    with_entries,
)
from benchmarks.thin_histories_table import write_table
from coterie.data.dataset import Split
from coterie.evaluation.item_sets import ItemSets
from coterie.models.social_config import SocialConfig
from coterie.training.cosine_softmax import Targets


@pytest.fixture(scope="module")
def split():
    data = planted().data
    events = data.interactions
    part = np.random.default_rng(0).random(len(events))
    train, val, test = (
        events.take((part >= low) & (part < high)) for low, high in ((0, 0.8), (0.8, 0.9), (0.9, 1))
    )
    return Split("planted", train, val, test, data.ties, data.num_users, data.num_items)


@pytest.fixture(scope="module")
def known(split):
    return Known.of(thin_histories.stages(split)[0].seen, ease_l2=50.0)


def pairs(sets: ItemSets) -> set[tuple[int, int]]:
    rows = np.repeat(np.arange(len(sets.sizes)), sets.sizes)
    return set(zip(rows.tolist(), sets.item_idx.tolist(), strict=True))


def test_histories_are_thinned_and_what_was_taken_is_masked_still(split, monkeypatch):
    monkeypatch.setattr(thin_histories, "LONG", 5)
    for stage in thin_histories.stages(split):
        before, after = (ItemSets.liked(data) for data in (stage.whole, stage.seen))
        changed = before.sizes != after.sizes
        assert 0.2 < changed.mean() < 0.4
        assert after.sizes[changed].min() >= 1
        assert after.sizes[changed].max() <= FEW
        user, item = stage.taken(2)
        taken = set(zip(user.tolist(), item.tolist(), strict=True))
        assert taken <= pairs(before) - pairs(after)
        assert (np.bincount(user)[np.unique(user)] == 2).all()
        assert pairs(ItemSets.hidden(stage.whole)) >= pairs(before)


def test_copies_follow_whom_their_shopper_follows_and_nobody_follows_them(known):
    data, whom = known.data, known.thin[:2]
    user, item = best_items(known, GENERATORS["friends"](known, 0), 1)
    some = np.isin(user, whom)
    more = with_copies(data, user[some], item[some])
    copies = data.num_users + np.arange(2)
    had, before = pairs(ItemSets.liked(more)), pairs(ItemSets.liked(data))
    assert {one for one in had if one[0] < data.num_users} == before
    for copy, shopper, entry in zip(copies, whom, item[some], strict=True):
        theirs = {i for u, i in before if u == shopper}
        assert {i for u, i in had if u == copy} == theirs | {entry}
        followed = [
            set(ties.dst_idx[ties.src_idx == who].tolist())
            for ties, who in ((more.ties, copy), (data.ties, shopper))
        ]
        assert followed[0] == followed[1]
    assert more.ties.dst_idx.max() < data.num_users


@pytest.mark.parametrize("name", GENERATORS)
def test_what_a_generator_adds_is_new_to_its_shopper_and_counts_as_liked(name, known, monkeypatch):
    monkeypatch.setattr(thin_generators, "STEPS", 2)
    scores = GENERATORS[name](known, 0)
    assert np.isfinite(scores).all()
    user, item = best_items(known, scores, 2)
    added = set(zip(user.tolist(), item.tolist(), strict=True))
    before = pairs(ItemSets.liked(known.data))
    assert len(added) == 2 * len(known.thin)
    assert not added & before
    assert pairs(ItemSets.liked(with_entries(known.data, user, item))) == before | added


def test_harder_negatives_weigh_more_and_what_is_to_be_found_or_known_does_not():
    scores = torch.tensor([[1.0, 2.0, 0.0, 3.0, -1.0]], dtype=torch.float64)
    nothing = torch.zeros(0, dtype=torch.long)
    at = torch.tensor([0])
    targets = Targets(at, at, torch.ones(1, dtype=torch.float64), at, torch.tensor([3]))
    negatives = scores[0, [1, 2, 4]]
    weight = (0.5 * negatives).softmax(0) * 3
    by_hand = torch.log(scores[0, 0].exp() + (weight * negatives.exp()).sum()) - scores[0, 0]
    assert reweighted_loss(scores, targets, 0.5).item() == pytest.approx(by_hand.item())
    plain = torch.nn.functional.cross_entropy(scores[:, :], at)
    free = replace(targets, known_row=nothing, known=nothing)
    assert reweighted_loss(scores, free, 0.0).item() == pytest.approx(plain.item())


def test_vectors_are_moved_to_where_the_loss_is_higher(split):
    config, data = SocialConfig(embedding_size=8), replace(split.for_validation(), validation=None)
    plain, moved = (
        HardenedTrainee(config, data, torch.device("cpu"), perturbed=share) for share in (0.0, 0.2)
    )
    batch = plain.batch(0, 0, 0, 1)
    assert moved(batch).item() > plain(batch).item() * 1.01
    moved(batch).backward()
    assert moved.item_in[0].grad.abs().sum() > 0


def test_a_row_of_the_table_says_by_how_much_it_is_apart():
    against = {"relative": [0.012, -0.01, 0.03], "p": 0.25, "shoppers": 9}
    gan = {
        "strength": "2 apart",
        "truly_had": 0.25,
        "validation": {"2 apart": {"thin": 0.1}},
        "test": {"thin": [0.1, 0.3], "others": [0.5]},
        "against": {"thin": against, "others": against},
    }
    told = "+1.2% (-1.0% to +3.0%), p = 0.25"
    assert write_table({"sets": {"tiny": {"rows": {"gan": gan}}}}).splitlines()[2] == (
        f"| tiny | GAN | 2 apart | 25.0% | 0.1000 | 0.2000 ± 0.1414 | {told} | 0.5000 | {told} |"
    )
