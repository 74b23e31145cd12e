"""Live shoppers answer what they are shown, and send back what they have."""

import time

import numpy as np

from coterie.data.simulate import ShopConfig, simulate
from coterie.schema import AGAINST_KINDS, EventKind
from pipelines.simulated_traffic import SHOPPERS, SimulatedTraffic

CONFIG = ShopConfig(num_users=300, num_items=200, num_events=12_000, days=40, seed=11)


def shown(world, rng, users):
    """Answers of the shop: ten items by chance."""
    return [
        {
            "user_id": user,
            "list_id": f"list-of-{user}",
            "items": [
                {"item": {"item_id": item}} for item in rng.choice(world.item_ids, 10, False)
            ],
        }
        for user in users
    ]


def test_events_name_their_list_but_for_what_it_did_not_show():
    world, rng = simulate(CONFIG).world, np.random.default_rng(0)
    traffic, found = SimulatedTraffic(None, world), []
    for _ in range(10):
        answers = shown(world, rng, world.user_ids)
        places = {
            (one["user_id"], entry["item"]["item_id"]): one["list_id"]
            for one in answers
            for entry in one["items"]
        }
        for event in traffic._answer(answers, rng):
            assert event.get("list_id") == places.get((event["user_id"], event["item_id"]))
            assert None not in event.values()
            found.append((event["event"], "list_id" in event))
    kinds = {kind for kind, _ in found}
    assert kinds >= AGAINST_KINDS | {EventKind.VIEW, EventKind.PURCHASE}
    assert (EventKind.RETURN, False) in found
    assert {listed for kind, listed in found if kind == EventKind.DISLIKE} == {True}


class SlowShop:
    """Takes a third of a second for a list."""

    def recommendations(self, user_id, k):
        time.sleep(0.3)
        return {"user_id": user_id}


def test_where_lists_come_slowly_shoppers_do_not_wait_for_each_other():
    """Their clicks would come too late to count."""
    traffic = SimulatedTraffic(SlowShop(), None, pause_s=0.0)
    answers = traffic._ask_all([f"shopper-{n}" for n in range(SHOPPERS)])
    assert 1 <= len(answers) < SHOPPERS
