"""New items that some lists show once: who sees them, where, how long, and told as what it is."""

import asyncio
import json

import pytest
from asking import event, ids, list_of, post
from small_shop import item, make_router, people
from waiting import wait_until

from serving.events.event import Event
from serving.lists.exploring import PLACE, Explorer
from serving.lists.paging import Shown
from serving.lists.wanted import ItemFilter, Wanted
from serving.telemetry.metrics import ServingMetrics

NEW = {
    f"new-{n}": {
        name: (value, 1, "c")
        for name, value in (("", True), ("title", f"Rake {n}"), ("category", "Garden/Tools"))
    }
    for n in range(3)
}
USERS = [f"u{n}" for n in range(300)]


@pytest.fixture
def shop(release):
    class Shop:
        metrics = ServingMetrics()

        def open(self, share=1.0, enough=1000, users=None):
            self.explorer = Explorer(share, enough)
            options = {"explorer": self.explorer}
            self.router = make_router(release, users or people(), self.metrics, **options)
            self.router.stable.add_items(NEW)
            return self

        def list(self, user="ana", k=10, **wanted):
            answer = asyncio.run(self.router.answer(user, k, True, Wanted(**wanted)))[1]
            return json.loads(answer.model_dump_json(exclude_none=True))

    return Shop()


def explored(listed):
    return [
        (place, one["item"]["item_id"])
        for place, one in enumerate(listed["items"])
        if one.get("explored")
    ]


@pytest.mark.parametrize("user", ["ana", "lou", "max", "nobody"])
def test_one_place_shows_a_new_item_and_says_so(shop, user):
    plain = ids(shop.open(share=0.0).list(user))
    assert not set(plain) & set(NEW)
    listed = shop.open().list(user)
    [(place, shown)] = explored(listed)
    assert (place, shown in NEW) == (PLACE, True)
    assert [one for one in ids(listed) if one != shown] == plain[:9]
    scores = [one["score"] for one in listed["items"]]
    assert scores == sorted(scores, reverse=True)
    first, *_ = reasons = listed["items"][PLACE]["reasons"]
    assert (first["kind"], first["text"]) == ("shop", "New in the shop")
    assert not any("friend" in reason and reason["kind"] == "shop" for reason in reasons)
    assert sum(r["contribution"] for r in reasons) == pytest.approx(scores[PLACE], abs=1e-4)
    assert sum(r["share"] for r in reasons) == pytest.approx(1, abs=1e-6)


def test_as_many_shoppers_as_the_share_says_and_the_same_all_day(shop):
    shop.open(share=0.2)
    seen = {user: explored(shop.list(user)) for user in USERS}
    assert 0.13 < sum(map(bool, seen.values())) / len(USERS) < 0.27
    exploring = [user for user, found in seen.items() if found]
    assert {user for user in USERS if shop.explorer.explores(user)} == set(exploring)
    assert {found[0][1] for found in seen.values() if found} == set(NEW)
    assert shop.metrics._registry.get_sample_value("coterie_explored_items_total") == len(exploring)


def test_a_shopper_is_shown_the_same_new_item_again(shop):
    explorer = shop.open().explorer
    many = [f"new-{n}" for n in range(50)]
    first = {user: explorer.choose(user, many) for user in USERS[:20]}
    assert {user: explorer.choose(user, many[::-1]) for user in first} == first
    assert len(set(first.values())) > 5


def test_pages_show_each_item_once_and_the_new_one_first_page_alone(shop):
    shop.open()
    read, after, pages = [], "", 0
    while after is not None and pages < 4:
        page = shop.list("max", 8, shown=Shown.read(after, bytes(8)))
        assert len(explored(page)) == (1 if pages == 0 else 0)
        read, after, pages = read + ids(page), page.get("next"), pages + 1
    assert len(set(read)) == len(read) == 32
    assert set(ids(shop.list("max", 31))) <= set(read) | set(NEW)


def test_it_ends_by_itself(shop):
    shop.open(enough=5)
    found = [explored(shop.list(user, 10)) for user in USERS[:40]]
    shown = [one[0][1] for one in found if one]
    assert {one: shown.count(one) for one in NEW} == dict.fromkeys(NEW, 5)
    assert not any(found[15:])


@pytest.mark.parametrize(
    "wanted",
    [
        {"surface": "product", "context": (item(5),)},
        {"filter": ItemFilter(categories=("Home",))},
        {"filter": ItemFilter(exclude=tuple(NEW))},
        {"k": PLACE},
    ],
)
def test_nothing_is_explored_where_it_does_not_belong(shop, wanted):
    assert explored(shop.open().list(**wanted)) == []


def test_what_is_sold_out_or_was_had_is_not_explored(shop):
    shop.open()
    gone = {"new-0": {"available": (False, 2, "d")}, "new-1": {"": (False, 2, "d")}}
    shop.router.stable.items.change(gone)
    assert {explored(shop.list(user))[0][1] for user in USERS[:20]} == {"new-2"}
    had = people()
    had.recent["ana"] = had.recent["ana"].__class__(("new-2",), (0,), (1_700_000_000_000,))
    shop.open(users=had)
    shop.router.stable.items.change(gone)
    assert explored(shop.list()) == []


def test_what_is_clicked_is_shown_more(shop):
    explorer = shop.open().explorer
    explorer.note_shown([one for one in NEW for _ in range(50)])
    clicks = [Event(f"e{n}", "u", "new-1", "click", 5, list_id="l") for n in range(20)]
    explorer.note_events([*clicks, Event("e", "u", "new-2", "view", 5, list_id="l")])
    explorer.note_events([Event(f"f{n}", "u", "new-2", "click", 5) for n in range(50)])
    chosen = [explorer.choose(user, list(NEW)) for user in USERS]
    assert chosen.count("new-1") > 290


def test_what_a_new_item_is_clicked_for_is_counted_where_events_arrive(make_client, monkeypatch):
    client = make_client()
    explorer = Explorer(1.0)
    monkeypatch.setattr(client.parts.router, "explorer", explorer)
    said = {"title": "A rake", "category": "Garden/Tools"}
    assert client.put("/v1/items/rake", json=said).status_code == 200
    wait_until(lambda: client.get("/v1/items/rake/similar").status_code == 200)
    listed = list_of(client, "nobody", k=10)
    assert explored(listed) == [(PLACE, "rake")]
    for name in ("e-1", "e-1", "e-2"):
        sent = event(name, "nobody", "rake", event="click", list_id=listed["list_id"])
        assert post(client, sent).status_code == 200
    tally = explorer._tallies["rake"]
    assert (tally.shown, tally.clicked) == (1, 2)
