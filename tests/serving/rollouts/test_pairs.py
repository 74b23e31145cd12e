"""Both arms' lists of one request, compared: what each question finds, and releases rolled back."""

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from small_shop import FOLDERS, NUM_ITEMS, friends_named, make_router, recent, ref_of
from small_shop import write_small_release as write_release_of_shop
from waiting import wait_until

from coterie.release.bundle import ReleaseContent, write_release
from coterie.rollout.commands import Command, Verb
from coterie.rollout.controller import Controller
from coterie.rollout.live import Live
from coterie.rollout.metrics import MetricSample, read
from coterie.rollout.plan import SIGNALS, Plan
from coterie.rollout.state import Phase, State, Target
from coterie.rollout.store import FileRolloutStore
from serving.features.online_store import FakeFeatures
from serving.lists.list_maker import ListMaker
from serving.rollouts.pairs import (
    COMPARED,
    LATELY,
    LatelyShown,
    Pairs,
    pair_side,
    rank_biased_overlap,
)
from serving.telemetry.metrics import ServingMetrics

PAIRED = [name for name, signal in SIGNALS.items() if signal.paired]
PEOPLE = [f"shopper-{n}" for n in range(400)]
PLAN = Plan(
    weights=(0.3, 0.6), step_s=20, bake_s=20, min_samples=150, deadline_s=3000, cooldown_s=0
)


def rewritten(release, folder, version, **changes):
    """A copy of a release with other parameters, or another catalogue."""
    content = ReleaseContent(
        version=version,
        parameters={**release.parameters, **changes.pop("parameters", {})},
        catalogue=release.catalogue,
        popularity=release.popularity,
        metrics=release.manifest.metrics,
        data_fingerprint=release.manifest.data_fingerprint,
        limits=release.manifest.limits,
    )
    made = write_release(str(folder), replace(content, **changes))
    FOLDERS[made.digest] = str(folder)
    return made


def without_friends(release, folder):
    gate = torch.tensor([-100.0, 0.0, 0.0])
    return rewritten(release, folder, "bad", parameters={"encoder.gate": gate})


def with_one_item(release, folder):
    return with_column(release, folder, "available", [row == 3 for row in range(NUM_ITEMS)])


def with_random_vectors(release, folder):
    made = torch.from_numpy(np.random.default_rng(7).normal(size=(NUM_ITEMS, 16)))
    both = dict.fromkeys(("item_in", "item_out"), made.float())
    return rewritten(release, folder, "bad", parameters=both)


def with_vectors_of_the_next(release, folder):
    """Ids on the vectors of the item after: of another category."""
    moved = {"item_out": release.parameters["item_out"].roll(1, 0)}
    return rewritten(release, folder, "bad", parameters=moved)


def without_prices(release, folder):
    return with_column(release, folder, "price", [0.0] * NUM_ITEMS)


def trained_anew(release, folder):
    """As good: each vector moved by about a tenth of its length."""
    rng = np.random.default_rng(11)
    moved = {
        name: release.parameters[name]
        + torch.from_numpy(rng.normal(size=(NUM_ITEMS, 16)) * 0.025).float()
        for name in ("item_in", "item_out")
    }
    return rewritten(release, folder, "good", parameters=moved)


def with_column(release, folder, name, values):
    table = release.catalogue
    place = table.column_names.index(name)
    column = pa.array(values, table.schema.field(name).type)
    return rewritten(release, folder, "bad", catalogue=table.set_column(place, name, column))


@pytest.fixture(scope="module")
def stable(tmp_path_factory):
    return write_release_of_shop(tmp_path_factory.mktemp("pairs") / "v1")


def known_people():
    """All have bought things of one category, and friends with another taste."""
    rng = np.random.default_rng(3)
    bought = {
        one: recent(*(int(row) * 4 + n % 4 for row in rng.choice(30, 3, replace=False)))
        for n, one in enumerate(PEOPLE)
    }
    friends = {
        one: friends_named(*(PEOPLE[(n + step) % len(PEOPLE)] for step in (1, 2, 5)))
        for n, one in enumerate(PEOPLE)
    }
    return FakeFeatures(recent=bought, friends=friends)


class Arms:
    """What serves: the one replica of a client's app."""

    def __init__(self, client, releases):
        self.router, self.refs = client.parts.router, {r.digest: ref_of(r) for r in releases}
        self.stable = releases[0].digest

    def live(self):
        arms = self.router._releases.arms
        return Target(self.stable, arms.canary_digest, arms.weight, arms.mirrored)

    def apply(self, target):
        canary = self.refs.get(target.canary)
        self.stable = target.stable
        self.router.adopt(Live(self.refs[target.stable], canary, target.weight, target.mirrored))

    def preflight(self, digest):
        return ""

    def compare(self, canary, stable):
        """Nothing: what answers show is to be found by answers."""
        return ()

    def crashed(self, digest):
        return ""


class Counts:
    """The app's own endpoint, asked through its client."""

    def __init__(self, client):
        self.client = client

    def totals(self, target):
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = [MetricSample(s.name, s.labels, s.value) for f in families for s in f.samples]
        return read(samples, time.time(), by_instance=False)


def roll_out(client, stable, canary, folder, k=5, looks=150):
    """Ask for lists, and let the controller look, until the rollout ends."""
    rollout_store, now = FileRolloutStore(folder / "rollout"), [1000.0]
    rollout_store.write(State(stable=stable.digest), 0)
    controller = Controller(
        rollout_store, Counts(client), Arms(client, [stable, canary]), clock=lambda: now[0]
    )
    start = Command("c1", Verb.START, "ana@shop", "better", canary.digest, PLAN)
    rollout_store.command(start)
    asked, shown = 0, 0
    with client:
        for _ in range(looks):
            for _ in range(20):
                user = PEOPLE[asked % len(PEOPLE)]
                answer = client.get(f"/v1/users/{user}/recommendations?k={k}").json()
                shown += answer["release"] == canary.manifest.version
                asked += 1
            client.parts.router.beat()
            now[0] += 10
            controller.turn()
            state = rollout_store.read()[0]
            if state.phase in (Phase.PROMOTED, Phase.ROLLED_BACK, Phase.INCONCLUSIVE):
                break
    last = [line for line in rollout_store.history() if line.signal]
    return SimpleNamespace(
        phase=state.phase, signal=last[0].signal if last else "", shown=shown, asked=asked
    )


@pytest.mark.parametrize(
    ("fault", "signals"),
    [
        (without_friends, {"fewer_friends"}),
        (with_random_vectors, {"unlike_lists", "unlike_categories", "fewer_friends"}),
        (without_prices, {"unlike_prices"}),
    ],
)
def test_a_bad_release_of_the_app_is_rolled_back_in_shadow(
    make_client, features, stable, tmp_path, fault, signals
):
    features.recent, features.friends = known_people().recent, known_people().friends
    canary = fault(stable, tmp_path / "bad")
    end = roll_out(make_client(stable), stable, canary, tmp_path)
    assert (end.phase, end.shown) == (Phase.ROLLED_BACK, 0)
    assert end.signal in signals


def test_a_catalogue_of_one_item_is_found_where_everybody_is_a_stranger(
    make_client, features, stable, tmp_path
):
    features.recent, features.friends = {}, {}
    canary = with_one_item(stable, tmp_path / "bad")
    end = roll_out(make_client(stable), stable, canary, tmp_path)
    assert (end.phase, end.shown) == (Phase.ROLLED_BACK, 0)
    assert end.signal in {"malformed", "shorter_lists"}


def test_a_list_is_too_short_by_what_stable_could_list_in_a_step_as_well(stable, tmp_path):
    """No shopper is shown a list of one item, though it is all that its release has."""
    canary = with_one_item(stable, tmp_path / "bad")
    router = make_router(stable, FakeFeatures(), ServingMetrics())
    router.adopt(Live(ref_of(stable), ref_of(canary), 1.0))
    wait_until(lambda: router._releases.arms.canary)
    for user in PEOPLE[:20]:
        assert len(asyncio.run(router.recommend(user, 5, explain=False)).items) == 5


def test_a_release_that_was_trained_anew_is_promoted(make_client, features, stable, tmp_path):
    features.recent, features.friends = known_people().recent, known_people().friends
    canary = trained_anew(stable, tmp_path / "good")
    end = roll_out(make_client(stable), stable, canary, tmp_path)
    assert end.phase is Phase.PROMOTED
    assert end.shown > 0


class Beside:
    """Two releases' lists of the same shoppers, and what the questions find in them."""

    def __init__(self, canary, stable):
        features = known_people()
        self.makers = [ListMaker(one, features, ServingMetrics()) for one in (canary, stable)]
        self.pairs = Pairs()

    def ask(self, user):
        known = self.makers[1].gather(user)
        sides = (pair_side(one, one.make(known, 5, explain=False), known) for one in self.makers)
        return self.pairs.compare(*sides)

    def every_share(self, users):
        """By signal, pairs that count for the canary alone, and for stable alone."""
        asked = [self.ask(user) for user in users]
        return {name: _shares([one[name] for one in asked if name in one]) for name in PAIRED}

    def shares(self, signal, users=PEOPLE[:40]):
        return self.every_share(users)[signal]


def _shares(found):
    counts = sum(a and not b for a, b in found), sum(b and not a for a, b in found)
    return tuple(count / max(len(found), 1) for count in counts)


@pytest.mark.parametrize(
    ("fault", "signal"),
    [
        (without_friends, "fewer_friends"),
        (with_one_item, "shorter_lists"),
        (with_random_vectors, "unlike_lists"),
        (with_vectors_of_the_next, "unlike_categories"),
        (without_prices, "unlike_prices"),
    ],
)
def test_a_pair_counts_for_the_arm_that_alone_has_what_is_asked(stable, tmp_path, fault, signal):
    """Also the other way round, but for what differs from stable: that is the canary's."""
    bad = fault(stable, tmp_path / "bad")
    by_canary, by_stable = Beside(bad, stable).shares(signal)
    assert by_canary > 0.8
    assert by_stable < 0.05
    if not signal.startswith("unlike"):
        assert Beside(stable, bad).shares(signal) == (by_stable, by_canary)


def test_lists_of_few_items_add_nothing_to_what_others_had(stable, tmp_path):
    narrow = Beside(with_one_item(stable, tmp_path / "bad"), stable)
    by_canary, by_stable = narrow.shares("narrower_lists", PEOPLE[:10])
    assert by_canary > 0.7
    assert by_stable == 0


def test_lists_of_items_that_the_other_arm_knows_are_gone_count_for_who_makes_them(
    stable, tmp_path
):
    left = with_column(
        stable, tmp_path / "left", "available", [row % 16 > 11 for row in range(NUM_ITEMS)]
    )
    by_canary, by_stable = Beside(stable, left).shares("gone_items")
    assert by_canary > 0.8
    # Item 8 alone is gone in the small shop, and the other release sells none of its kind.
    assert by_stable == 0


def test_a_list_that_draws_on_less_is_the_weaker_one(stable, tmp_path):
    ids = pa.array([f"other-{row}" for row in range(NUM_ITEMS)])
    table = stable.catalogue.set_column(0, stable.catalogue.schema.field(0), ids)
    renamed = rewritten(stable, tmp_path / "renamed", "bad", catalogue=table)
    assert Beside(renamed, stable).shares("weaker_sources") == (1.0, 0.0)


def test_releases_that_were_trained_anew_stay_within_what_is_harmless(stable, tmp_path):
    shares = Beside(trained_anew(stable, tmp_path / "anew"), stable).every_share(PEOPLE[:100])
    assert all(share[0] <= SIGNALS[name].harmless for name, share in shares.items())


def test_overlap_is_of_the_first_places_most():
    ids = list("abcdefghij")
    assert rank_biased_overlap(ids, ids) == pytest.approx(1.0)
    assert rank_biased_overlap(ids, list("klmnopqrst")) == 0.0
    first, last = [*"ab", *"klmnopqr"], [*"klmnopqr", *"ij"]
    assert rank_biased_overlap(ids, first) > rank_biased_overlap(ids, last) > 0
    assert rank_biased_overlap(ids, ids[:5]) < 1.0
    assert rank_biased_overlap([], []) == 1.0


def test_items_are_shown_lately_until_as_many_other_lists_were():
    shown = LatelyShown()
    assert not shown.had(["a", "b"])
    assert shown.had(["b", "a"])
    for n in range(LATELY):
        assert not shown.had([f"other-{n}"])
    assert not shown.had(["a"])


def test_each_shopper_is_one_pair_however_often_they_ask(stable, tmp_path):
    metrics = ServingMetrics()
    router = make_router(stable, known_people(), metrics)
    anew = trained_anew(stable, tmp_path / "anew")
    router.adopt(Live(ref_of(stable), ref_of(anew), 0.0, mirrored=True))
    wait_until(lambda: router._releases.arms.canary)

    async def ask(users):
        for user in users:
            await router.recommend(user, 5, explain=False)
            while router._mirror._mirrors:
                await asyncio.sleep(0.001)

    def pairs():
        labels = {"arm": "canary", "signal": "unlike_lists"}
        return metrics._registry.get_sample_value("coterie_arm_pairs_total", labels)

    asyncio.run(ask(PEOPLE[:6] * 5))
    assert pairs() == 6
    router.adopt(Live(ref_of(stable), ref_of(anew), 0.0, mirrored=True))
    asyncio.run(ask(PEOPLE[:9]))
    assert pairs() == 9


def test_shoppers_who_were_compared_are_remembered_up_to_so_many():
    pairs = Pairs()
    assert [pairs.take("ana"), pairs.take("ana")] == [True, False]
    assert all(pairs.take(f"other-{n}") for n in range(COMPARED))
    assert pairs.take("ana")


def test_lists_that_cannot_be_compared_harm_nobody(stable, tmp_path, monkeypatch, caplog):
    metrics = ServingMetrics()
    router = make_router(stable, known_people(), metrics)
    anew = trained_anew(stable, tmp_path / "anew")
    router.adopt(Live(ref_of(stable), ref_of(anew), 0.0, mirrored=True))
    wait_until(lambda: router._releases.arms.canary)

    def raises(*_):
        raise ValueError("a bad release")

    monkeypatch.setattr("serving.rollouts.mirroring.pair_side", raises)

    async def ask():
        found = await router.recommend(PEOPLE[0], 5, explain=False)
        while router._mirror._mirrors:
            await asyncio.sleep(0.001)
        return found

    with caplog.at_level("WARNING", "coterie"):
        assert len(asyncio.run(ask()).items) == 5
    assert "could not be compared" in caplog.text


def test_answers_to_strangers_are_counted_and_lists_that_have_friends_to_draw_on(stable):
    metrics, features = ServingMetrics(), known_people()
    router = make_router(stable, features, metrics)

    def counted(name, **labels):
        return metrics._registry.get_sample_value(name, labels)

    for user in (*PEOPLE[:3], "nobody", "nobody-else"):
        asyncio.run(router.recommend(user, 5, explain=True))
    assert counted("coterie_arm_strangers_total", arm="stable") == 2
    assert counted("coterie_befriended_lists_total") == 3
    features.recent, features.friends = {}, {}
    asyncio.run(router.recommend(PEOPLE[0], 5, explain=True))
    assert counted("coterie_arm_strangers_total", arm="stable") == 3
    assert counted("coterie_arm_answers_total", arm="stable") == 6


def test_a_release_is_held_where_the_online_store_is_empty(make_client, features, stable, tmp_path):
    """Both arms answer everybody with what is popular, and all is well by every signal."""
    features.recent, features.friends = {}, {}
    canary = trained_anew(stable, tmp_path / "good")
    end = roll_out(make_client(stable), stable, canary, tmp_path, looks=30)
    assert (end.phase, end.shown) == (Phase.DATA_UNAVAILABLE, 0)


@pytest.mark.parametrize(
    ("by_canary", "by_stable", "found"),
    [
        (0.2, 0.05, (True, False)),
        (0.05, 0.2, (False, True)),
        (0.09, 0.05, (False, False)),
        (0.02, 0.002, (False, False)),
        (0.05, 0.05, (False, False)),
    ],
)
def test_a_list_is_slower_where_it_took_twice_as_long_and_somebody_feels_it(
    stable, by_canary, by_stable, found
):
    maker = ListMaker(stable, known_people(), ServingMetrics())
    known = maker.gather(PEOPLE[0])
    sides = [
        pair_side(maker, maker.make(known, 5, explain=False), known, seconds)
        for seconds in (by_canary, by_stable)
    ]
    assert Pairs().compare(*sides)["slower_lists"] == found


def test_first_lists_that_are_slow_count_before_it_is_known_what_stable_usually_takes(
    stable, features, tmp_path, monkeypatch
):
    features.recent, features.friends = known_people().recent, known_people().friends
    canary, metrics = trained_anew(stable, tmp_path / "cold"), ServingMetrics()
    router = make_router(stable, features, metrics, timeout_s=30.0)
    router.adopt(Live(ref_of(stable), ref_of(canary), 0.0, mirrored=True))
    wait_until(lambda: router._releases.arms.canary)
    cold, plain = router._releases.arms.canary.maker, ListMaker.make

    def make(maker, *asked):
        # Stable takes its time on a busy machine as well.
        time.sleep(0.4 if maker is cold else 0.0)
        return plain(maker, *asked)

    monkeypatch.setattr(ListMaker, "make", make)

    async def ask():
        for user in PEOPLE[:5]:
            await router.recommend(user, 5, explain=False)
            await asyncio.wait(router._mirror._mirrors)

    asyncio.run(ask())
    counts = [
        metrics._registry.get_sample_value(
            "coterie_arm_signals_total", {"arm": arm, "signal": "slower_lists"}
        )
        for arm in ("canary", "stable")
    ]
    assert counts[0] >= 4
    assert not counts[1]
