"""What a rule of the shop says of exploring: where, how often, what; and how likely lists were."""

import asyncio
import json

import numpy as np
import pytest
from asking import ids
from small_shop import item, make_router, people

from coterie.recommend.exploration import chances
from coterie.recommend.rules import read_rules
from serving.events.event import Event
from serving.lists.explored import Exploration
from serving.lists.exploring import PLACE, Explorer
from serving.lists.rules_file import RulesFile
from serving.lists.wanted import Wanted
from serving.telemetry.metrics import ServingMetrics

NEW = {
    f"new-{n}": {
        name: (value, 1, "c")
        for name, value in (("", True), ("title", f"Rake {n}"), ("category", "Garden/Tools"))
    }
    for n in range(3)
}
USERS = [f"u{n}" for n in range(60)]


@pytest.fixture
def shop(release, tmp_path):
    class Shop:
        metrics = ServingMetrics()

        def open(self, rule, share=0.0, new=True):
            path = tmp_path / "rules.yaml"
            path.write_text(f"rules: [{rule}]" if rule else "")
            self.explorer = Explorer(share)
            options = {"rules": RulesFile(str(path), self.metrics), "explorer": self.explorer}
            self.router = make_router(release, people(), self.metrics, **options)
            if new:
                self.router.stable.add_items(NEW)
            return self

        def answer(self, user="ana", k=10, **wanted):
            return asyncio.run(self.router.answer(user, k, True, Wanted(**wanted)))[1]

        def list(self, user="ana", k=10, **wanted):
            return json.loads(self.answer(user, k, **wanted).model_dump_json(exclude_none=True))

    return Shop()


def explored(listed):
    return [one["item"]["item_id"] for one in listed["items"] if one.get("explored")]


def test_a_rule_explores_where_it_says_and_a_share_of_0_turns_it_off(shop):
    product = {"surface": "product", "context": (item(5),)}
    shop.open("{rule: explore, share: 1, surfaces: [product]}")
    assert len(explored(shop.list(**product))) == 1
    assert explored(shop.list()) == [], "no rule and no setting explores at home"
    shop.open("{rule: explore, share: 0, surfaces: [home]}", share=1.0)
    assert explored(shop.list()) == [], "the rule goes before the setting"
    shop.open("{rule: explore, share: 0, surfaces: [cart]}", share=1.0)
    assert len(explored(shop.list())) == 1
    assert explored(shop.list(**product)) == [], "the setting is of home alone"


def test_a_rule_may_say_what_is_explored(shop):
    shop.open("{rule: explore, share: 1, category: Home}")
    assert explored(shop.list()) == []
    shop.open("{rule: explore, share: 1, category: Garden, items: [new-1]}")
    assert explored(shop.list())[0] in NEW
    shop.open("{rule: explore, share: 1, items: [new-1]}")
    assert explored(shop.list()) == ["new-1"]


def test_rarely_shown_items_get_a_place_until_they_were_shown_enough(shop):
    shop.open("{rule: explore, share: 1, rare: 3}", new=False)
    plain = ids(shop.open("", new=False).list())
    shop.open("{rule: explore, share: 1, rare: 3}", new=False)
    listed = shop.list()
    [one] = explored(listed)
    assert listed["items"][PLACE]["item"]["item_id"] == one
    assert one not in plain[: PLACE + 1]
    first = listed["items"][PLACE]["reasons"][0]
    assert (first["kind"], first["text"]) == ("shop", "Rarely shown so far")
    scores = [entry["score"] for entry in listed["items"]]
    assert scores == sorted(scores, reverse=True)
    pool = {one for user in USERS for one in explored(shop.list(user))}
    assert len(pool) > 3
    # Enough is known of everything: nothing is explored any more.
    for _ in range(3):
        shop.explorer.note_shown(item(row) for row in range(130))
    assert explored(shop.list()) == []


def test_lists_know_how_likely_the_explored_place_was(shop):
    shop.open("{rule: explore, share: 0.4}")
    chances = {}
    for user in USERS:
        answer = shop.answer(user)
        found = answer.propensities()
        assert found[:PLACE] + found[PLACE + 1 :] == [1.0] * 9
        shown = explored(json.loads(answer.model_dump_json(exclude_none=True)))
        chances.setdefault(bool(shown), []).append(found[PLACE])
    assert chances[False] == [0.6] * len(chances[False])
    assert all(0 < one <= 0.4 for one in chances[True])
    assert shop.open("").answer().propensities() == [1.0] * 10


def test_a_list_that_shows_none_looks_among_all_items_only_where_it_must(shop, monkeypatch):
    """The search costs as much as the list; that it might have explored is seen in itself."""
    asked = []

    def noted(maker, *given):
        asked.append(given)
        return rare(maker, *given)

    rare = Exploration._rare
    monkeypatch.setattr(Exploration, "_rare", noted)
    shop.open("{rule: explore, share: 0.2, rare: 3}", new=False)
    answers = [shop.answer(user) for user in USERS]
    showing = [a for a in answers if any(one.explored for one in a.items)]
    assert len(asked) == len(showing) > 3
    chance = [a.propensities()[PLACE] for a in answers]
    assert sum(one == 0.8 for one in chance) == len(USERS) - len(showing)
    # Where enough is known of all that stands further down, others have to be looked for.
    quiet = next(u for u, a in zip(USERS, answers, strict=True) if a not in showing)
    for _ in range(3):
        shop.explorer.note_shown(item(row) for row in range(130))
    del asked[:]
    assert shop.answer(quiet).propensities()[PLACE] == 1.0
    assert len(asked) == 1


def test_what_is_chosen_is_chosen_as_often_as_its_chance_says(monkeypatch):
    drawn = []

    def noted(*given):
        drawn.append(chances(*given))
        return drawn[-1]

    monkeypatch.setattr("serving.lists.exploring.chances", noted)
    explorer = Explorer(1.0)
    explorer.note_shown(["a"] * 40 + ["b"] * 40)
    explorer.note_events(Event(f"e{n}", "u", "a", "click", 5, list_id="l") for n in range(4))
    picks = [explorer.pick(f"u{n}", ["a", "b", "c"], [0.05, 0.05, 0.02]) for n in range(1500)]
    chance = np.array(drawn)
    assert chance.sum(axis=1) == pytest.approx(1)
    chosen = np.array(["abc".index(pick.item_id) for pick in picks])
    assert [pick.chance for pick in picks] == chance[np.arange(len(picks)), chosen].tolist()
    # Each day draws anew: five standard deviations are met by one day in a million.
    spread = np.sqrt((chance * (1 - chance)).sum(axis=0))
    assert (np.abs(np.bincount(chosen, minlength=3) - chance.sum(axis=0)) < 5 * spread).all()
    assert explorer.pick("u", [], []) is None
    assert explorer.usual() == pytest.approx((5 + 4) / (100 + 80))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [{rule: explore}]", "has no `share`: say it, 0 to explore nothing there"),
        ("rules: [{rule: explore, share: 2}]", "is 2, expected 0 to 1"),
        ("rules: [{rule: explore, share: .1, rare: -1}]", "expected a whole number from 0"),
        (
            "rules: [{rule: explore, share: .1}, {rule: explore, share: 0}]",
            "explore twice for home",
        ),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(text, told):
    with pytest.raises(Exception, match=told):
        read_rules(text, "rules.yaml")


def test_exploring_orders_no_list():
    rules = read_rules("rules: [{rule: explore, share: .1, surfaces: [home]}]", "rules.yaml")
    assert rules.at("home") == ()
    assert rules.explore("home").share == 0.1
    assert rules.explore("cart") is None
