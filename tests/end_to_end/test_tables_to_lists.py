"""From raw tables to lists with reasons in one process: what the slow tests do with servers."""

import pytest
from tiny_shop import write_clean

from coterie import workflow
from coterie.data.load import load_dataset
from coterie.data.polarity import is_target
from coterie.release.offline import OfflineLists

SOME = 40
"""Shoppers who are asked for."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Lists of a release of a simulated shop's tables, and the tables."""
    home = tmp_path_factory.mktemp("shop")
    clean = str(write_clean(home))
    settings = workflow.FitSettings(
        config={"loop.max_epochs": 4, "embedding_size": 16, "friends_for_cold_start_only": False}
    )
    workflow.fit_challenger(clean, str(home / "model"), settings)
    release = workflow.make_release(clean, str(home / "model"), str(home / "release"), "v1")
    dataset = load_dataset(clean)
    lists = OfflineLists(release, dataset)
    return dataset, {
        user: lists.recommend(user, k=5) for user in dataset.users.ids[:SOME].to_pylist()
    }


def test_a_list_is_full_in_order_and_new_to_its_shopper(shop):
    dataset, lists = shop
    had = dataset.events.take(is_target(dataset.events.kind))
    ids = dataset.items.ids.to_pylist()
    pairs = set(zip(had.user_idx.tolist(), had.item_idx.tolist(), strict=True))
    for row, listed in enumerate(lists.values()):
        scores = [item.score for item in listed.items]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        items = [ids.index(item.item_id) for item in listed.items]
        assert not pairs & {(row, item) for item in items}


def test_reasons_add_up_to_the_score_and_some_name_a_friend(shop):
    _, lists = shop
    items = [item for listed in lists.values() for item in listed.items]
    for item in items:
        assert sum(r.contribution for r in item.reasons) == pytest.approx(item.score, abs=1e-4)
    friends = {
        reason.user_id for item in items for reason in item.reasons if reason.kind == "friend"
    }
    assert len(friends) > 10
