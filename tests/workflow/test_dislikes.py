"""What was turned down, from a shop's own tables to lists: no like, no reason, not shown again."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_shop import write_raw

from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.models.engagement import engagement
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.recommend.recommender import ListSource
from coterie.release.bundle import ReleaseContent, write_release
from coterie.release.offline import OfflineLists
from coterie.training.loop import LoopConfig
from coterie.workflow.shop import CleanShop

ITEMS = ("item-0004", "item-0014", "item-0024")
WHO = ("lover", "hater", "critic", "returner", "refuser")
HATERS = WHO[1:]
DID = {
    "lover": [("rating", 5.0)],
    "hater": [("rating", 0.5)],
    "critic": [("review", 1.0)],
    "returner": [("purchase", 20.0), ("return", None)],
    "refuser": [("view", None), ("dislike", None), ("click", None)],
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A simulated shop, and people who did one thing each with the same three items; each has a
    fan, who knows nobody else and did nothing."""
    home = tmp_path_factory.mktemp("dislikes")
    raw = write_raw(home / "raw")
    events = [
        {
            "event_id": f"z-{who}-{item}-{place}",
            "user_id": who,
            "item_id": item,
            "event": event,
            "value": value,
            "ts": datetime(2025, 5, 1, 10, place, tzinfo=UTC),
        }
        for who in WHO
        for item in ITEMS
        for place, (event, value) in enumerate(DID[who])
    ]
    ties = [
        {"src_user_id": f"{who}s-fan", "dst_user_id": who, "kind": "friend", "weight": 1.0}
        for who in WHO
    ]
    for name, rows in (("events", events), ("ties", ties)):
        path = raw / f"{name}.parquet"
        table = pq.read_table(path)
        more = pa.Table.from_pylist(rows, table.schema)
        pq.write_table(pa.concat_tables([table, more]), path)
    ingest(str(raw), str(home / "clean"))
    return str(home / "clean")


def lists_of(clean, folder, dislike_weight):
    """A release of that shop, a few epochs old, asked as ``coterie recommend`` asks it."""
    shop = CleanShop.open(clean)
    data = shop.split.for_test()
    config = SocialConfig(
        embedding_size=16,
        linear_weight=0.5,
        dislike_weight=dislike_weight,
        loop=LoopConfig(max_epochs=4, lr=2e-2),
    )
    model = SocialModel(config)
    model.fit(data)
    popularity = np.asarray(engagement(data).sum(axis=0), np.float32).ravel()
    content = ReleaseContent(
        "v1", model.parameters, shop.dataset.catalogue, popularity, {}, "tiny", {}
    )
    return OfflineLists(write_release(str(folder / "release"), content), load_dataset(clean))


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["left out", "taking away"])
def lists(request, clean, tmp_path_factory):
    return lists_of(clean, tmp_path_factory.mktemp("release"), request.param), request.param


def test_who_likes_and_who_dislikes_the_same_items_get_other_lists(lists):
    offline, weight = lists
    loved = offline.recommend("lover", 20)
    assert loved.source is ListSource.OWN
    for who in HATERS:
        hated = offline.recommend(who, 20)
        assert hated.source is (ListSource.OWN if weight else ListSource.POPULAR)
        assert [(i.item_id, i.score) for i in hated.items] != [
            (i.item_id, i.score) for i in loved.items
        ]


def test_what_was_turned_down_is_not_shown_again(lists):
    for who in WHO:
        assert not {i.item_id for i in lists[0].recommend(who, 100).items} & set(ITEMS)


def test_what_was_turned_down_is_a_reason_for_nothing(lists):
    offline, weight = lists
    for who in HATERS:
        for line in offline.recommend(who, 20).items:
            about = [reason for reason in line.reasons if reason.item_id in ITEMS]
            assert all(reason.turned_down for reason in about)
            assert bool(about) == (weight > 0)
    [told] = {
        (r.event, r.turned_down)
        for line in offline.recommend("lover", 20).items
        for r in line.reasons
        if r.item_id in ITEMS
    }
    assert told == ("rating", False)


def test_fans_follow_who_likes_and_not_who_dislikes(lists):
    offline, weight = lists
    loved = offline.recommend("lovers-fan", 20)
    assert loved.source is ListSource.FRIENDS
    assert any(r.user_id == "lover" for line in loved.items for r in line.reasons)
    stranger = [line.item_id for line in offline.recommend("nobody", 20).items]
    for who in HATERS:
        hated = offline.recommend(f"{who}s-fan", 20)
        named = [r for line in hated.items for r in line.reasons if r.user_id == who]
        assert all(reason.turned_down for reason in named)
        if not weight:
            assert not named
            assert [line.item_id for line in hated.items] == stranger


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_parts_add_up_to_the_score(clean, tmp_path, weight):
    offline = lists_of(clean, tmp_path, weight)
    for who in (*WHO, "haters-fan"):
        for line in offline.recommend(who, 10).items:
            if line.reasons[0].kind != "popular" or len(line.reasons) > 1:
                assert sum(r.contribution for r in line.reasons) == pytest.approx(
                    line.score, abs=1e-4
                )


def test_dislikes_make_nothing_popular(clean):
    dataset = load_dataset(clean)
    had = engagement(CleanShop.open(clean).split.for_test())
    rows = dataset.items.rows(list(ITEMS))
    for who in HATERS:
        assert had[dataset.users.row(who), rows].sum() == 0
    assert had[dataset.users.row("lover"), rows].sum() == len(ITEMS)
