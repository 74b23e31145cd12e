"""Two releases at work beside each other: who answers whom, and what shoppers are shielded from."""

import asyncio
import itertools
import json
import math
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_shop import (
    NUM_ITEMS,
    item,
    make_router,
    people,
    recent,
    ref_of,
    write_small_release,
)
from waiting import PATIENCE_S, not_for_as_long_as, wait_until

from coterie.content.encoders import EncoderChoice, make_encoder
from coterie.data.circle import CircleRule
from coterie.errors import BadInputError
from coterie.experiments.assignment import bucket
from coterie.release.bundle import load_release
from coterie.release.encoders import ReleasedEncoder
from coterie.release.queries import QueryEncoders
from coterie.rollout.live import Live, ReleaseRef
from coterie.schema import EventKind
from serving.events.event import Event
from serving.features.online_store import Friends, ShopperRow
from serving.features.recent import RecentList
from serving.lists.list_maker import ListMaker
from serving.lists.shopper_features import ShopperFeatures
from serving.rollouts import mirroring
from serving.rollouts.attribution import ListId, Responses, new_list_id
from serving.rollouts.list_checks import flaw
from serving.rollouts.loaded_release import load_arm
from serving.rollouts.router import ReleaseRouter
from serving.schemas import Reason
from serving.telemetry.metrics import ServingMetrics

GIVE_UP = threading.Event()
"""For what hangs: its test is over."""
USERS = [f"shopper-{n}" for n in range(400)] + ["ana", "lou", "max"]


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return [write_small_release(folder / name, version=name) for name in ("old", "new")]


@pytest.fixture
def shop(releases, tmp_path):
    GIVE_UP.clear()
    yield Shop(releases, tmp_path)
    GIVE_UP.set()


class Shop:
    """A replica with counters at hand."""

    def __init__(self, releases, folder):
        self.metrics = ServingMetrics()
        self.old, self.new = (ref_of(release) for release in releases)
        self.router = make_router(
            releases[0],
            people(),
            self.metrics,
            timeout_s=30.0,  # a busy machine is slow, which is no fault of a canary's
            window_s=10.0,
            state=str(folder),
        )

    def adopt(self, weight=0.0, mirrored=False, canary=None):
        self.router.adopt(Live(self.old, canary or self.new, weight, mirrored))
        wait_until(lambda: self.router._releases.arms.canary or self.router._releases.arms.broken)

    def ask(self, users=USERS, k=5):
        async def every():
            lists = [await self.router.recommend(user, k, explain=False) for user in users]
            while self.router._mirror._mirrors:
                await asyncio.sleep(0.001)
            return lists

        return asyncio.run(every())

    def counted(self, name, **labels):
        found = self.metrics._registry.get_sample_value(name, labels)
        return found or 0.0

    def signal(self, arm, signal):
        return self.counted("coterie_arm_signals_total", arm=arm, signal=signal)

    def spoil(self, monkeypatch, make):
        """Have the canary's release make lists in another way."""
        canary = self.router._releases.arms.canary.maker
        plain = ListMaker.make

        def spoiled(maker, known, k, explain, wanted):
            if maker is not canary:
                return plain(maker, known, k, explain, wanted)
            return make(lambda: plain(maker, known, k, explain, wanted), known)

        monkeypatch.setattr(ListMaker, "make", spoiled)


def test_as_many_shoppers_as_the_weight_says_are_on_the_canary_and_nobody_flips_as_it_grows(shop):
    before = set()
    for weight in (0.05, 0.25, 0.5, 1.0):
        shop.adopt(weight)
        lists = shop.ask()
        on_canary = {one.user_id for one in lists if one.release == "new"}
        assert before <= on_canary
        assert len(on_canary) / len(USERS) == pytest.approx(weight, abs=0.07)
        before = on_canary
    assert before == set(USERS)


def test_another_canary_meets_other_shoppers_first():
    first, second = (
        {user for user in USERS if bucket(user, digest) < 0.25} for digest in ("a" * 64, "b" * 64)
    )
    assert first != second
    assert len(first - second) / len(first) > 0.4


def test_each_arms_answers_are_counted_as_its_own(shop):
    shop.adopt(0.5)
    lists = shop.ask()
    on_canary = sum(one.release == "new" for one in lists)
    assert shop.counted("coterie_arm_answers_total", arm="canary") == on_canary
    assert shop.counted("coterie_arm_answers_total", arm="stable") == len(lists) - on_canary


def test_in_shadow_everybody_is_answered_by_stable_and_the_canary_is_asked_as_well(shop):
    shop.adopt(mirrored=True)
    assert {one.release for one in shop.ask()} == {"old"}
    asked = shop.counted("coterie_arm_answers_total", arm="canary")
    assert asked > 0.3 * len(USERS)
    assert asked + shop.counted("coterie_unmirrored_total") == len(USERS)


def raises(make, known):
    raise ValueError("a bad release")


def hangs(make, known):
    """Until the test is over: a slow machine must not let it answer first."""
    GIVE_UP.wait(60)
    return make()


def not_finite(make, known):
    answer = make()
    answer.items[0].score = math.nan
    return answer


def short(make, known):
    answer = make()
    answer.items = answer.items[:1]
    return answer


def twice(make, known):
    answer = make()
    answer.items[1] = answer.items[0]
    return answer


def had(make, known):
    """Put what the shopper bought last in the place of the best item."""
    answer = make()
    bought = answer.items[0].item.model_copy(update={"item_id": known.row.recent.item_ids[0]})
    answer.items[0] = answer.items[0].model_copy(update={"item": bought})
    return answer


@pytest.mark.parametrize(
    ("fault", "signal", "users"),
    [
        (raises, "failures", USERS),
        (hangs, "failures", USERS[:6]),
        (not_finite, "malformed", USERS),
        (short, "malformed", USERS),
        (twice, "malformed", USERS),
        (had, "malformed", ["ana", "max"]),
    ],
)
def test_stable_answers_for_a_canary_that_cannot_and_the_canary_is_blamed(
    shop, monkeypatch, fault, signal, users
):
    shop.router._timeout_s = 0.5 if fault is hangs else 30.0
    shop.adopt(1.0)
    shop.spoil(monkeypatch, fault)
    lists = shop.ask(users)
    assert {one.release for one in lists} == {"old"}
    assert all(len(one.items) == 5 for one in lists)
    assert shop.signal("canary", signal) == len(users)
    assert shop.counted("coterie_shielded_total") == len(users)
    assert shop.signal("stable", signal) == 0


def test_what_may_be_bought_again_and_what_was_only_viewed_is_nothing_that_one_had(tmp_path):
    rule = {"Home": 30.0}
    release = write_small_release(tmp_path / "ruled", version="ruled", repurchase=rule)
    items = make_router(release, people(), ServingMetrics()).stable.items
    bought = people().shopper("ana")  # items 0, 4 and 12, of Home, years ago
    assert items.hidden(bought, [item(0), item(1)]) == []
    sports = ShopperRow(recent(1, 5))
    assert items.hidden(sports, [item(0), item(1)]) == [item(1)]
    assert items.hidden(ShopperRow(recent(1, kind=EventKind.VIEW)), [item(1)]) == []
    before = ShopperRow(RecentList(had_ids=(item(1),), had_kinds=(2,), had_wanted_ms=(1,)))
    assert items.hidden(before, [item(1), "new"]) == [item(1)]


def test_a_canary_that_hangs_holds_up_nobody_for_long(shop, monkeypatch):
    shop.router._timeout_s = 0.5
    shop.adopt(1.0)
    released = threading.Event()
    shop.spoil(monkeypatch, lambda make, known: released.wait(PATIENCE_S) and make())

    async def at_once():
        return await asyncio.gather(
            *(shop.router.recommend(user, 5, explain=False) for user in USERS[:60])
        )

    with not_for_as_long_as(PATIENCE_S):
        lists = asyncio.run(at_once())
    released.set()
    assert {one.release for one in lists} == {"old"}


def reasons(friend, item_id=None):
    """A list of one item for ana, who may name lou, with one reason."""
    reason = Reason(
        kind="friend",
        share=1.0,
        contribution=1.0,
        text="bought this",
        friend=friend,
        item_id=item_id,
    )
    return SimpleNamespace(reasons=[reason], score=1.0, item=SimpleNamespace(item_id="a"))


@pytest.mark.parametrize(
    ("friend", "item_id", "wrong"),
    [
        ("lou", item(1), ""),
        ("lou", None, ""),
        ("lou", item(2), "did not have that item"),
        ("max", item(3), "no friend, or may not be named"),
        ("stranger", item(1), "no friend, or may not be named"),
    ],
)
def test_a_reason_that_names_the_wrong_friend_is_a_flaw(friend, item_id, wrong):
    row = ShopperRow(friends=Friends(("lou", "max"), named=(True, False)))
    known = ShopperFeatures("ana", row, [recent(1), recent(3)])
    answer = SimpleNamespace(items=[reasons(friend, item_id)])
    found = flaw(answer, 1, known, NUM_ITEMS)
    assert wrong in found
    assert bool(found) == bool(wrong)


@pytest.mark.parametrize("hung", ["pair_side", "longer_lists"])
def test_a_comparison_that_hangs_is_given_up_and_the_canary_is_asked_and_blamed_from_then_on(
    shop, monkeypatch, hung
):
    """Waited for, it would count as busy: nothing more would be mirrored, nor blamed."""
    monkeypatch.setattr(mirroring, "COMPARED_WITHIN_S", 0.2)
    monkeypatch.setattr(mirroring, hung, lambda *_: GIVE_UP.wait(60))
    shop.adopt(mirrored=True)
    with not_for_as_long_as(PATIENCE_S):
        shop.ask(USERS[:4])
        shop.router._timeout_s = 0.2  # both threads hang by now
        shop.ask(USERS[4:8])
    assert shop.signal("canary", "failures") >= 1
    assert shop.router._releases.arms.canary_workers.waiting == 0


def test_one_list_for_everybody_is_noticed_as_repeated(shop, monkeypatch):
    shop.adopt(0.5)
    known = {}

    def same(make, who):
        answer = known.setdefault("answer", make())
        return answer.model_copy(update={"user_id": who.user_id})

    shop.spoil(monkeypatch, same)
    shop.ask()
    answers = shop.counted("coterie_arm_answers_total", arm="canary")
    # Whoever had one of its items is not shown it at all.
    flawed = shop.signal("canary", "malformed")
    assert flawed < 0.1 * answers
    assert shop.signal("canary", "duplicate_lists") == answers - 1 - flawed


def test_an_answer_is_slow_if_it_takes_longer_than_most_of_stables_beside_it(shop, monkeypatch):
    shop.adopt(0.3)

    def late(make, known):
        time.sleep(0.03)
        return make()

    shop.spoil(monkeypatch, late)
    shop.ask()  # stable's usual time is known after a hundred of its answers
    before = shop.counted("coterie_arm_answers_total", arm="canary"), shop.signal("canary", "slow")
    shop.ask()
    answers = shop.counted("coterie_arm_answers_total", arm="canary") - before[0]
    assert shop.signal("canary", "slow") - before[1] > 0.9 * answers
    assert shop.signal("stable", "slow") < 0.5 * len(USERS)


def test_dropping_the_canary_takes_effect_at_once_and_requests_in_flight_are_answered(
    shop, monkeypatch
):
    shop.router._timeout_s = 0.5
    shop.adopt(1.0)
    shop.spoil(monkeypatch, hangs)

    async def dropped():
        asked = [
            asyncio.create_task(shop.router.recommend(user, 5, explain=False)) for user in USERS[:6]
        ]
        await asyncio.sleep(0.02)
        shop.router.adopt(Live(shop.old))
        later = await shop.router.recommend("ana", 5, explain=False)
        return later, await asyncio.gather(*asked)

    later, lists = asyncio.run(dropped())
    assert later.release == "old"
    assert {one.release for one in lists} == {"old"}


def test_a_promoted_canary_answers_without_being_loaded_again(shop, monkeypatch):
    shop.adopt(1.0)
    monkeypatch.setattr("serving.rollouts.loaded_release.load_release", None)
    shop.router.adopt(Live(shop.new))
    assert {one.release for one in shop.ask(USERS[:20])} == {"new"}


def test_a_canary_that_cannot_be_loaded_is_blamed_for_each_request_that_was_its(shop, tmp_path):
    missing = ReleaseRef("f" * 64, str(tmp_path / "nowhere"))
    shop.adopt(0.5, canary=missing)
    lists = shop.ask()
    blamed = sum(bucket(user, missing.digest) < 0.5 for user in USERS)
    assert {one.release for one in lists} == {"old"}
    assert shop.signal("canary", "failures") == blamed


def test_a_canary_that_finds_items_by_chance_serves_nobody(shop, monkeypatch):
    """What is stable is not held to it: a replica that begins has nothing better."""
    search = ListMaker.search

    def by_chance(maker, *asked, **options):
        found, left_out = search(maker, *asked, **options)
        some = [
            one.model_copy(update={"item": maker.catalogue.item(place)})
            for place, one in enumerate(found.items)
        ]
        return found.model_copy(update={"items": some}), left_out

    monkeypatch.setattr(ListMaker, "search", by_chance)
    make_router(load_release(shop.old.folder), people(), ServingMetrics())
    shop.adopt(0.5)
    assert {one.release for one in shop.ask()} == {"old"}
    assert "searched for by their own titles" in shop.router._releases._error


def test_a_release_that_is_another_than_was_meant_is_not_served(shop):
    shop.adopt(0.5, canary=replace(shop.new, digest="e" * 64))
    assert {one.release for one in shop.ask()} == {"old"}


def test_a_stable_that_cannot_be_loaded_ends_the_start(releases, tmp_path):
    router = ReleaseRouter(people(), ServingMetrics())
    with pytest.raises(BadInputError, match="nowhere"):
        router.adopt(Live(ReleaseRef("f" * 64, str(tmp_path / "nowhere"))))


def test_a_replica_encodes_queries_with_what_made_the_releases_vectors(tmp_path):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    encoder = make_encoder("text", EncoderChoice("default"))
    made = ReleasedEncoder(encoder.name, encoder.digest, "default")
    vectors = np.random.default_rng(0).normal(size=(NUM_ITEMS, 512))
    content = {"text": (vectors, made)}
    told = write_small_release(tmp_path / "told", version="told", content=content)
    stable = make_router(told, people(), ServingMetrics()).stable
    assert stable.text_encoder.digest == encoder.digest
    assert not stable.release.vectors, "search has an index of its own: one copy is enough"
    without = make_router(told, people(), ServingMetrics(), encoders=QueryEncoders("none")).stable
    assert without.text_encoder is None


@pytest.mark.parametrize(("min_people", "says"), [(3, False), (2, True)])
def test_a_replica_says_where_a_release_was_measured_with_other_friends(
    shop, monkeypatch, caplog, min_people, says
):
    release = load_release(shop.old.folder)
    metrics = {"circle": CircleRule(min_people).as_json()}
    measured = replace(release, manifest=replace(release.manifest, metrics=metrics))
    monkeypatch.setattr("serving.rollouts.loaded_release.load_release", lambda _: measured)
    with caplog.at_level("WARNING", "coterie"):
        load_arm(shop.old, people(), ServingMetrics())
    told = [record for record in caplog.records if "other friends" in record.message]
    assert bool(told) is says


def test_a_replica_says_what_it_serves(shop, tmp_path):
    shop.adopt(0.25)
    shop.router.beat()
    (file,) = tmp_path.glob("*.json")
    content = json.loads(file.read_text())
    assert Live.from_json(content["live"]) == Live(shop.old, shop.new, 0.25, False)
    shop.router.adopt(Live(shop.old))
    shop.router.beat()
    assert Live.from_json(json.loads(file.read_text())["live"]) == Live(shop.old)


def click(list_id, number, kind=EventKind.CLICK):
    return Event(f"e{number}", "ana", "item-0001", kind, 0, list_id=list_id)


class Clicks:
    """Responses to lists of two releases, on a clock of ours."""

    def __init__(self):
        self.metrics = ServingMetrics()
        self.responses = Responses(10.0, self.metrics.arms)
        self.responses.adopt(Live(ReleaseRef("a" * 64, "x"), ReleaseRef("b" * 64, "y"), 0.5))
        self.number = itertools.count()

    def note(self, list_id, now, kind=EventKind.CLICK):
        self.responses.note([click(list_id, next(self.number), kind)], now)

    def counted(self, arm, signal="clicks"):
        labels = {"arm": arm, "signal": signal}
        return self.metrics._registry.get_sample_value("coterie_arm_signals_total", labels)


def test_a_click_counts_for_the_release_that_made_the_list_once_its_time_is_over():
    clicks = Clicks()
    clicks.note(new_list_id("b" * 64, 100.0), 105.0)
    clicks.responses.mature(109.9)
    assert clicks.counted("canary") == 0
    clicks.responses.mature(110.1)
    assert clicks.counted("canary") == 1
    assert clicks.counted("stable") == 0


def test_a_list_counts_once_however_often_it_is_clicked():
    clicks = Clicks()
    listed = new_list_id("a" * 64, 100.0)
    for _ in range(3):
        clicks.note(listed, 101.0)
    clicks.note(listed, 102.0, EventKind.PURCHASE)
    clicks.note(listed, 103.0, EventKind.PURCHASE)
    clicks.responses.mature(200.0)
    assert clicks.counted("stable") == 1
    assert clicks.counted("stable", "purchases") == 1


@pytest.mark.parametrize("kind", [EventKind.RETURN, EventKind.DISLIKE, EventKind.VIEW])
def test_to_turn_down_what_a_list_showed_is_no_click(kind):
    clicks = Clicks()
    clicks.note(new_list_id("a" * 64, 100.0), 101.0, kind)
    clicks.responses.mature(200.0)
    assert clicks.counted("stable") == clicks.counted("stable", "purchases") == 0


@pytest.mark.parametrize("list_id", [None, "", "x", "ffffffffffff-3e8-000000000000", "a" * 128])
def test_what_follows_from_no_list_of_ours_counts_for_nobody(list_id):
    clicks = Clicks()
    clicks.note(list_id, 1.5)
    clicks.responses.mature(1e12)
    assert clicks.counted("stable") == clicks.counted("canary") == 0


def test_a_click_after_the_lists_time_or_before_it_was_made_counts_for_nobody():
    clicks = Clicks()
    clicks.note(new_list_id("a" * 64, 100.0), 110.5)
    clicks.note(new_list_id("a" * 64, 100.0), 99.0)
    clicks.responses.mature(1e12)
    assert clicks.counted("stable") == 0


def test_a_list_is_one_that_could_be_clicked_once_its_time_is_over(shop):
    before = time.time()
    shop.ask(USERS[:7])
    shop.router.beat(before + 9.0)
    assert shop.counted("coterie_arm_shown_total", arm="stable") == 0
    shop.router.beat(time.time() + 10.5)
    assert shop.counted("coterie_arm_shown_total", arm="stable") == 7


def test_a_lists_id_says_who_made_it_and_when():
    read = ListId.read(new_list_id("c" * 64, 1234.5))
    assert read == ListId("c" * 12, 1234.5)
