"""Lists of both arms in shadow, held against what shoppers buy by themselves."""

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_shop import FOLDERS, NUM_ITEMS, item, make_router, recent, ref_of, write_small_release
from waiting import wait_until

from coterie.release.bundle import ReleaseContent, write_release
from coterie.rollout.live import Live
from serving.events.event import Event, EventKind
from serving.features.online_store import FakeFeatures, ShopperRow
from serving.features.recent import RecentList, merge
from serving.lists.shopper_features import ShopperFeatures
from serving.lists.wanted import PLAIN, ItemFilter, Wanted
from serving.rollouts.purchases import (
    DEPTH,
    MOST_BETWEEN,
    MOST_SHOWN,
    SHOPPERS,
    JudgedByPurchases,
)
from serving.telemetry.metrics import ServingMetrics

SIGNAL = "missed_purchases"


def knowing(user_id, *wanted):
    """A shopper who wanted these items at these times, milliseconds since 1970."""
    ids, times = tuple(one for one, _ in wanted), tuple(at for _, at in wanted)
    listed = RecentList(ids, (6,) * len(ids), times, times)
    return ShopperFeatures(user_id, ShopperRow(listed), ())


def unwanted(done, wanted):
    """The same, where one of them alone was wanted and the others were looked at."""
    ids, times = zip(*done, strict=True)
    wanted_ms = tuple(ms if one == wanted else 0 for one, ms in done)
    return RecentList(ids, (0,) * len(ids), times, wanted_ms)


def judge(kept, known):
    """What a request's features tell, where no other replica showed anything."""
    first = kept.first_wanted(known)
    return first and kept.judge(known.user_id, first, shown=False)


@pytest.fixture
def judged():
    """Ana was shown a; the canary would have listed b and c next, and stable c and d."""
    kept = JudgedByPurchases()
    kept.keep("ana", 1000, ["a"], ["b", "a", "c"], ["c", "a", "d"])
    return kept


@pytest.mark.parametrize(
    ("bought", "missed"),
    [("b", (False, True)), ("d", (True, False)), ("c", (False, False)), ("z", (False, False))],
)
def test_the_arm_that_alone_missed_what_was_bought_is_worse(judged, bought, missed):
    assert judge(judged, knowing("ana", (bought, 2000))) == missed


def test_what_was_shown_or_bought_before_judges_nothing(judged):
    assert judge(judged, knowing("ana", ("a", 2000), ("d", 900))) is None
    judged.note_shown("ana", ["d"])
    judged.note_shown("ana", ["e"])
    assert judge(judged, knowing("ana", ("d", 2000))) is None
    assert judge(judged, knowing("ana", ("b", 4000), ("d", 2000))) == (False, True)


def test_the_first_purchase_judges_and_no_other(judged):
    assert judge(judged, knowing("ana", ("b", 3000), ("d", 2000))) == (True, False)
    assert judge(judged, knowing("ana", ("b", 3000))) is None
    assert not judged.wants("ana")


def test_who_did_much_in_between_is_kept_anew(judged):
    done = [("b", 2000), *((f"seen-{n}", 1500 - n) for n in range(MOST_BETWEEN + 1))]
    much, too_much = (
        replace(knowing("ana"), row=ShopperRow(unwanted(some, "b"))) for some in (done[:-1], done)
    )
    assert judged.first_wanted(much)
    assert not judged.wants("ana")
    assert judged.first_wanted(too_much) is None
    assert judged.wants("ana")


def test_what_was_known_in_between_is_asked_for_anew(judged):
    """After each thing that Ana did she may have seen another list, until she bought b."""
    done = ("z", 4000), ("b", 3000), ("y", 2000), ("x", 1500), ("had", 500)
    ana = replace(knowing("ana", *done), friends=[knowing("bea", *done).row.recent])
    first = judged.first_wanted(ana)
    told = [[list(one.item_ids) for one in (m.row.recent, *m.friends)] for m in first.before]
    assert first.item_id == "x"
    assert told == [[["had"], ["had"]]]
    ana = replace(ana, row=ShopperRow(unwanted(done, "b")))
    first = judged.first_wanted(ana)
    told = [[list(one.item_ids) for one in (m.row.recent, *m.friends)] for m in first.before]
    assert first.item_id == "b"
    assert told == [[["x", "had"]] * 2, [["y", "x", "had"]] * 2]


def test_so_many_items_and_shoppers_are_kept(judged):
    ids = [f"i{n}" for n in range(2 * DEPTH)]
    judged.keep("bea", 0, [], ids, [])
    assert judge(judged, knowing("bea", (ids[DEPTH], 1))) == (False, False)
    for n in range(SHOPPERS):
        judged.keep(f"u{n}", 0, [], [], [])
    assert judged.wants("ana")
    judged.keep("cleo", 0, [], ["b"], [])
    judged.note_shown("cleo", [f"i{n}" for n in range(MOST_SHOWN + 1)])
    assert judge(judged, knowing("cleo", ("b", 1))) is None
    assert not judged.wants("cleo")


def rewritten(release, folder, version, **vectors):
    content = ReleaseContent(
        version=version,
        parameters={**release.parameters, **vectors},
        catalogue=release.catalogue,
        popularity=release.popularity,
        metrics=release.manifest.metrics,
        data_fingerprint=release.manifest.data_fingerprint,
        limits=release.manifest.limits,
    )
    written = write_release(str(folder), content)
    FOLDERS[written.digest] = str(folder)
    return written


def with_random_vectors(release, folder):
    made = torch.from_numpy(np.random.default_rng(7).normal(size=(NUM_ITEMS, 16))).float()
    return rewritten(release, folder, "bad", item_in=made, item_out=made)


class Shop:
    """A replica with a canary in shadow, and shoppers who buy what they like."""

    def __init__(self, stable, canary):
        rng = np.random.default_rng(3)
        self.people = [f"shopper-{n}" for n in range(60)]
        self.tastes = {one: n % 4 for n, one in enumerate(self.people)}
        bought = {
            one: recent(*(int(row) * 4 + taste for row in rng.choice(30, 3, replace=False)))
            for one, taste in self.tastes.items()
        }
        self.features, self.metrics = FakeFeatures(recent=bought), ServingMetrics()
        self.router = make_router(stable, self.features, self.metrics)
        self.router.adopt(Live(ref_of(stable), ref_of(canary), 0.0, mirrored=True))
        wait_until(lambda: self.router._releases.arms.canary)

    async def ask(self, user, wanted=PLAIN):
        _, listed = await self.router.answer(user, 3, explain=False, wanted=wanted)
        while self.router._mirror._mirrors:
            await asyncio.sleep(0.001)
        return [one.item.item_id for one in listed.items]

    def does(self, user, item_id, after_ms=1000, kind=EventKind.PURCHASE):
        """An event as the sink takes it into the features."""
        event = Event("e", user, item_id, kind, int(time.time() * 1000) + after_ms)
        self.features.recent[user] = merge(self.features.recent[user], [event])

    def counts(self):
        labels = [{"arm": arm, "signal": SIGNAL} for arm in ("canary", "stable")]
        read = self.metrics._registry.get_sample_value
        return tuple(int(read("coterie_arm_signals_total", one)) for one in labels), int(
            read("coterie_arm_pairs_total", labels[0])
        )


@pytest.fixture(scope="module")
def stable(tmp_path_factory):
    return write_small_release(tmp_path_factory.mktemp("purchases") / "v1")


def test_a_worse_canary_misses_what_shoppers_buy(stable, tmp_path):
    """Each buys something of their taste that was not shown, and comes back."""
    shop = Shop(stable, with_random_vectors(stable, tmp_path / "bad"))
    rng = np.random.default_rng(1)

    async def everybody():
        for user in shop.people:
            shown = await shop.ask(user)
            like = [item(row) for row in range(shop.tastes[user], NUM_ITEMS, 4)]
            known = {*shown, *shop.features.recent[user].item_ids}
            shop.does(user, rng.choice([one for one in like if one not in known]))
            await shop.ask(user)

    asyncio.run(everybody())
    (canary, beside), pairs = shop.counts()
    assert pairs == len(shop.people)
    assert canary > 5 * max(beside, 1)


def test_who_buys_what_was_shown_judges_nothing(stable, tmp_path):
    shop = Shop(stable, with_random_vectors(stable, tmp_path / "bad"))

    async def ana():
        user = shop.people[0]
        shop.does(user, (await shop.ask(user))[0])
        shown = await shop.ask(user)
        shop.does(user, shown[0], 2000)
        await shop.ask(user)

    asyncio.run(ana())
    assert shop.counts() == ((0, 0), 0)


def test_a_release_that_lists_the_same_is_as_good(stable, tmp_path):
    shop = Shop(stable, rewritten(stable, tmp_path / "twin", "v2"))

    async def some():
        for user in shop.people[:10]:
            known = {*await shop.ask(user), *shop.features.recent[user].item_ids}
            like = [item(row) for row in range(shop.tastes[user], NUM_ITEMS, 4)]
            shop.does(user, next(one for one in like if one not in known))
            await shop.ask(user)

    asyncio.run(some())
    assert shop.counts() == ((0, 0), 10)


def test_what_any_page_showed_judges_nothing(stable, tmp_path):
    """A list of a category is no list that arms are compared by, and shown all the same."""
    shop = Shop(stable, with_random_vectors(stable, tmp_path / "bad"))

    async def ana():
        user = shop.people[0]
        best = await shop.ask(user)
        shown = await shop.ask(user, Wanted(ItemFilter(price_min=60.0)))
        shop.does(user, next(one for one in shown if one not in best))
        await shop.ask(user)

    asyncio.run(ana())
    assert shop.counts() == ((0, 0), 0)


def test_what_another_replica_showed_judges_nothing(stable, tmp_path):
    """It shows what both have in store for who looked at something, and nobody says so here."""
    here = Shop(stable, with_random_vectors(stable, tmp_path / "bad"))
    there = Shop(stable, with_random_vectors(stable, tmp_path / "bad-there"))
    there.features.recent = here.features.recent

    async def everybody():
        bought = 0
        for user in here.people:
            shown = await here.ask(user)
            other = next(row for row in range(NUM_ITEMS) if row % 4 != here.tastes[user])
            here.does(user, item(other), 1000, EventKind.VIEW)
            new = [one for one in await there.ask(user) if one not in shown]
            if new:
                here.does(user, new[0], 2000)
                bought += 1
            await here.ask(user)
        return bought

    assert asyncio.run(everybody()) > 10
    assert here.counts() == ((0, 0), 0)
