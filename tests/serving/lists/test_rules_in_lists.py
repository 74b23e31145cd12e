"""The shop's rules in lists as served: told as what they are, read again, alike on both arms."""

import asyncio
import json
import logging

import pytest
from asking import ids
from small_shop import item, make_router, people, ref_of, write_small_release
from waiting import wait_until

from coterie.rollout.live import Live
from serving.lists.rules_file import RulesFile
from serving.lists.wanted import ItemFilter, Wanted
from serving.telemetry.metrics import ServingMetrics

PINNED = f"rules: [{{rule: pin, items: [{item(101)}, {item(3)}], position: 2, label: sponsored}}]"
MIXED = f"""
rules:
  - {{rule: pin, items: [{item(102)}], position: 4, label: sponsored}}
  - {{rule: boost, category: Sports, by: 0.6}}
  - {{rule: bury, items: [{item(20)}, {item(16)}], by: 0.8}}
  - {{rule: at_most, number: 2, of: category, within: 5}}
  - {{rule: diversity, weight: 0.2}}
  - {{rule: freshness, by: 0.3, days: 30}}
"""


@pytest.fixture
def shop(release, tmp_path):
    class Shop:
        path = tmp_path / "rules.yaml"
        metrics = ServingMetrics()

        def write(self, text):
            """As kubelet does: another file in its place."""
            new = tmp_path / "new.yaml"
            new.write_text(text)
            new.replace(self.path)

        def open(self, text):
            self.write(text)
            self.rules = RulesFile(str(self.path), self.metrics)
            self.router = make_router(release, people(), self.metrics, rules=self.rules)
            return self

        def list(self, user="ana", k=10, **wanted):
            answer = asyncio.run(self.router.answer(user, k, True, Wanted(**wanted)))[1]
            return json.loads(answer.model_dump_json(exclude_none=True))

        def gauge(self, name):
            return self.metrics._registry.get_sample_value(name)

    return Shop()


def reasons(entry, *kinds):
    return [reason for reason in entry["reasons"] if reason["kind"] in kinds]


@pytest.mark.parametrize("user", ["ana", "lou", "nobody"])
@pytest.mark.parametrize("text", [PINNED, MIXED], ids=["pinned", "mixed"])
def test_reasons_add_up_with_the_rules_among_them(shop, text, user):
    listed = shop.open(text).list(user, 40)
    scores = [entry["score"] for entry in listed["items"]]
    assert scores == sorted(scores, reverse=True)
    for entry in listed["items"]:
        parts = [reason["contribution"] for reason in entry["reasons"]]
        assert sum(parts) == pytest.approx(entry["score"], abs=1e-4)
        assert sum(r["share"] for r in entry["reasons"]) == pytest.approx(1, abs=1e-6)


def test_what_is_paid_for_is_called_so_first_and_never_a_friends(shop):
    listed = shop.open(PINNED).list()
    assert ids(listed)[1:3] == [item(101), item(3)]
    for entry in listed["items"][1:3]:
        assert entry["reasons"][0]["kind"] == "sponsored"
        assert entry["reasons"][0]["text"] == "Sponsored"
        assert "friend" not in entry["reasons"][0]
    others = [entry for place, entry in enumerate(listed["items"]) if place not in (1, 2)]
    assert not any(reasons(entry, "sponsored", "shop") for entry in others)


def test_a_paid_place_is_called_so_even_where_the_item_would_have_had_it(shop):
    shop.open("rules: []")
    own = shop.list()
    second = ids(own)[1]
    text = f"rules: [{{rule: pin, items: [{second}], position: 2, label: sponsored}}]"
    listed = shop.open(text).list()
    assert ids(listed) == ids(own)
    first, *others = listed["items"][1]["reasons"]
    assert (first["kind"], first["share"], first["contribution"]) == ("sponsored", 0.0, 0.0)
    assert others == own["items"][1]["reasons"]
    more = shop.open(text.replace("[{", "[{rule: diversity, weight: 0.3}, {")).list()
    assert more["items"][1]["reasons"][0]["kind"] == "sponsored"


def test_what_the_shop_chose_is_called_so(shop):
    listed = shop.open(f"rules: [{{rule: pin, items: [{item(101)}]}}]").list()
    assert listed["items"][0]["reasons"][0]["text"] == "Chosen by the shop"
    assert listed["items"][0]["reasons"][0]["kind"] == "shop"


def test_rules_hold_where_they_say(shop):
    text = PINNED.replace("]]", "], surfaces: [cart]]").replace(
        "sponsored}", "sponsored, surfaces: [cart]}"
    )
    shop.open(text)
    assert item(101) not in ids(shop.list())
    assert ids(shop.list(surface="cart"))[1] == item(101)


def test_a_filter_wins_over_a_pin(shop):
    listed = shop.open(PINNED).list(filter=ItemFilter(categories=("Home",)))
    assert {entry["item"]["category"] for entry in listed["items"]} == {"Home/Kitchen"}


def test_what_was_bought_is_not_pinned(shop):
    listed = shop.open(f"rules: [{{rule: pin, items: [{item(0)}]}}]").list()
    assert item(0) not in ids(listed)


def test_pages_under_rules_put_together_are_the_whole_list(shop):
    from serving.lists.paging import Shown

    shop.open(MIXED)
    whole, read, after = ids(shop.list("max", 40)), [], ""
    while after is not None:
        page = shop.list("max", 8, shown=Shown.read(after, bytes(8)))
        read += ids(page)
        after = page.get("next")
    assert read[:40] == whole
    assert len(set(read)) == len(read)


def test_an_edited_file_holds_from_the_next_beat_on_and_a_bad_one_changes_nothing(shop, caplog):
    shop.open(PINNED)
    assert shop.gauge("coterie_rules_refused") == 0
    shop.write("rules: [{rule: pin, items: 3.5}]")
    with caplog.at_level(logging.ERROR, "coterie"):
        shop.router.beat()
        shop.router.beat()
    assert ids(shop.list())[1] == item(101)
    assert shop.gauge("coterie_rules_refused") == 1
    assert [one.getMessage() for one in caplog.records].count(
        "rules refused: the last good ones stay"
    ) == 1
    assert "`items` holds 3.5" in caplog.records[-1].fields["why"]
    shop.write(PINNED.replace(item(101), item(105)))
    shop.router.beat()
    assert ids(shop.list())[1] == item(105)
    assert shop.gauge("coterie_rules_refused") == 0
    shop.path.unlink()
    shop.router.beat()
    assert ids(shop.list())[1] == item(105)
    assert shop.gauge("coterie_rules_refused") == 1


def test_a_replica_that_begins_with_a_bad_file_serves_without_rules_and_says_so(shop):
    listed = shop.open("rules: [").list()
    assert len(listed["items"]) == 10
    assert shop.gauge("coterie_rules_refused") == 1


def test_both_arms_go_by_the_same_rules_and_neither_is_blamed_for_them(shop, tmp_path):
    shop.open(MIXED)
    other = write_small_release(tmp_path / "v2", "v2")
    shop.router.adopt(Live(shop.router._releases.arms.stable.ref, ref_of(other), 0.5))
    wait_until(lambda: len(shop.router.makers) == 2)
    users = [f"u{n}" for n in range(60)] + ["ana", "lou", "max"]
    lists = [shop.list(user) for user in users]
    assert {one["release"] for one in lists} == {"v1", "v2"}
    assert {ids(one)[3] for one in lists} == {item(102)}
    for arm in ("stable", "canary"):
        for signal in ("malformed", "failures", "score_out_of_range"):
            labels = {"arm": arm, "signal": signal}
            assert (
                shop.metrics._registry.get_sample_value("coterie_arm_signals_total", labels) == 0
            ), (arm, signal)
