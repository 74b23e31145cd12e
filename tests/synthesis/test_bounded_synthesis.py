"""Made-up shops within a bound: what one person can change of what is looked at, and the noise."""

from dataclasses import replace

import numpy as np
import pytest

from coterie.data.dataset import Ties
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from coterie.privacy.noise import Noise
from coterie.synthesis.bounded_shop import learn_bounded, own_rows
from coterie.synthesis.likeness import as_source, compare_shops
from coterie.synthesis.noisy_sums import (
    COUNT_EDGES,
    DOING_LENGTH,
    ITEM_LENGTH,
    MOST_TIES,
    SCORE_LENGTH,
    SUMS,
    TIE_LENGTH,
    NoisyEyes,
    kept_ties,
)
from coterie.synthesis.settings import SynthesisSettings
from coterie.synthesis.source import SourceShop

NONE = NoisyEyes(Noise.of(0), dict.fromkeys(SUMS, 0.0))
"""Looks without noise, to see what one person changes."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounded")
    shop = ShopConfig(num_users=300, num_items=100, num_events=15_000, unused=0.0, days=30)
    simulate(shop).write(folder / "raw")
    ingest(str(folder / "raw"), str(folder / "clean"))
    return SourceShop.of(load_dataset(str(folder / "clean")))


def without(source: SourceShop, person: int) -> SourceShop:
    """Take away all events of a person and the ties that they have; those to them stay."""
    kept = source.events.user_idx != person
    return replace(
        source,
        events=source.events.take(kept),
        part=source.part[kept],
        ties=source.ties.take(source.ties.src_idx != person),
    )


def looked(source: SourceShop) -> dict[str, np.ndarray]:
    pairs = source.pairs()
    rng = np.random.default_rng(0)
    tastes = rng.random((source.num_people, 6))
    there = np.isin(np.arange(source.num_people), source.events.user_idx)
    tastes *= there[:, None] / np.sqrt((tastes**2).sum(axis=1, keepdims=True))
    begin = 1_735_689_600_000
    return {
        "items": np.concatenate(NONE.items(pairs, source.num_people, source.num_items)),
        "doings": NONE.doings(source, pairs, begin, 60),
        "together": NONE.together(tastes * 9),
        "columns": np.concatenate(NONE.columns(tastes[there], [COUNT_EDGES] * 6)),
        "ties": NONE.ties(source.ties, tastes),
    }


def test_nobody_changes_a_sum_by_more_than_its_noise_is_made_for(source):
    whole = looked(source)
    most = {
        "items": ITEM_LENGTH,
        "doings": DOING_LENGTH,
        "together": SCORE_LENGTH**2,
        "columns": 6**0.5,
        "ties": TIE_LENGTH,
    }
    busy = np.argsort(-np.bincount(source.events.user_idx))[:3]
    known = np.argsort(-np.bincount(source.ties.dst_idx))[:3]
    changed = dict.fromkeys(SUMS, 0.0)
    for person in {*busy.tolist(), *known.tolist()}:
        left = looked(without(source, person))
        for name in SUMS:
            changed[name] = max(changed[name], float(np.linalg.norm(whole[name] - left[name])))
            assert changed[name] <= most[name] + 1e-9, name
    # None is looser than it need be by far, ties apart: who has none of them changes others'.
    assert all(changed[name] > 0.5 * most[name] for name in SUMS if name != "ties"), changed


def test_who_has_no_rows_of_their_own_counts_nowhere(source):
    person = int(source.events.user_idx[0])
    assert own_rows(source)[person]
    left = own_rows(without(source, person))
    assert not left[person]
    assert left.sum() == own_rows(source).sum() - 1


def test_few_ties_of_anybody_count():
    hub = Ties(np.arange(1, 100), np.zeros(99, np.int64), *np.zeros((3, 99), np.int64))
    assert len(kept_ties(hub, 100)) == MOST_TIES
    out = replace(hub, src_idx=hub.dst_idx, dst_idx=hub.src_idx)
    assert len(kept_ties(out, 100)) == MOST_TIES


def test_a_loose_bound_makes_a_shop_like_the_real_one(source):
    settings = SynthesisSettings(epsilon=50.0, delta=1e-4, noise_seed=3)
    assert settings.generator == "copula"
    found = learn_bounded(source, settings, lambda _: None)
    assert found.promise is None
    assert found.shop.num_people == pytest.approx(source.num_people, rel=0.1)
    made = as_source(found.shop.draw(300, np.random.default_rng(0)), source)
    told = compare_shops(source, made)
    assert max(told["columns"][name] for name in ("wanted", "beside", "follows")) < 0.25
    assert told["shares"]["kinds"] < 0.1
    assert told["shares"]["items"] < 0.25
    assert told["together"]["correlation"] > 0.2
    assert told["network"][1]["returned"] == pytest.approx(told["network"][0]["returned"], abs=0.15)


def test_the_promise_is_no_more_than_what_was_asked_for(source):
    found = learn_bounded(source, SynthesisSettings(epsilon=3.0, delta=1e-4), lambda _: None)
    assert 2.5 < found.promise["epsilon"] <= 3.0
    assert set(found.promise["noise"]) == set(SUMS)
    assert any("ties that others" in one for one in found.promise["leaves_out"])


def test_noise_is_drawn_anew_whatever_the_seed(source):
    settings = SynthesisSettings(epsilon=10.0, delta=1e-4, seed=1)
    one, other = (learn_bounded(source, settings, lambda _: None).shop for _ in range(2))
    assert not np.array_equal(one.baskets.wanted, other.baskets.wanted)


def test_a_bound_that_is_none_is_refused(source):
    with pytest.raises(BadInputError, match="copula alone"):
        SynthesisSettings(generator="neighbours", epsilon=1.0)
    with pytest.raises(BadInputError, match="epsilon is 0"):
        SynthesisSettings(epsilon=0.0)
    many = replace(source, num_people=5_000)
    with pytest.raises(BadInputError, match="published whole"):
        learn_bounded(many, SynthesisSettings(epsilon=1.0, delta=0.001), lambda _: None)
