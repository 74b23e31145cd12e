import numpy as np
import pytest
from small_shop import NOON_MS, friends_named, item, people, recent

from coterie.reasons.told import ReasonAbout, ToldReason
from coterie.recommend.recommender import ReasonKind
from coterie.schema import EventKind
from serving.events.event import Event
from serving.features.recent import RecentList, merge
from serving.lists.list_maker import ListMaker
from serving.lists.reasons import ReasonBodies
from serving.rollouts.list_checks import flaw
from serving.schemas import Reason
from serving.telemetry.metrics import ServingMetrics


@pytest.mark.parametrize("seed", range(5))
def test_contributions_and_shares_add_up_whatever_the_friends(release, seed):
    rng = np.random.default_rng(seed)
    features = people()
    friends = [f"friend-{place}" for place in range(12)]
    for friend in (*friends, "eve"):
        features.recent[friend] = recent(*rng.choice(100, 20, replace=False))
    features.friends["eve"] = friends_named(*friends, named=tuple(rng.random(12) < 0.5))
    listed = ListMaker(release, features, ServingMetrics()).recommend("eve", 30, explain=True)
    for entry in listed.items:
        assert sum(r.contribution for r in entry.reasons) == pytest.approx(entry.score, abs=2e-5)
        assert round(sum(r.share for r in entry.reasons) * 1e6) == 1_000_000


def rate(features, who, stars):
    ratings = [
        Event(f"{who}-{row}", who, item(row), EventKind.RATING, NOON_MS, stars)
        for row in (0, 4, 12)
    ]
    features.recent[who] = merge(RecentList(), ratings)


def test_who_rates_badly_gets_another_list_and_is_no_reason_for_friends(release):
    features = people()
    for who, stars in (("lover", 5.0), ("hater", 0.5)):
        rate(features, who, stars)
        features.friends[f"fan-of-{who}"] = friends_named(who)
    maker = ListMaker(release, features, ServingMetrics())
    of = {
        who: maker.recommend(who, 20, explain=True)
        for who in ("lover", "hater", "fan-of-lover", "fan-of-hater", "nobody")
    }
    shown = {who: [entry.item.item_id for entry in answer.items] for who, answer in of.items()}
    assert (of["lover"].source, of["hater"].source) == ("own", "popular")
    assert (of["fan-of-lover"].source, of["fan-of-hater"].source) == ("friends", "popular")
    assert shown["fan-of-hater"] == shown["nobody"]
    for row in (0, 4, 12):
        assert item(row) not in shown["lover"] + shown["hater"]
    said = {r.text for entry in of["fan-of-lover"].items for r in entry.reasons}
    assert any("lover rated" in text for text in said)
    for who in ("hater", "fan-of-hater"):
        assert {r.text for e in of[who].items for r in e.reasons} == {"Popular with all shoppers"}


def test_what_was_had_before_the_recent_list_is_not_shown(release):
    features = people()
    views = [Event(f"v{n}", "ana", f"gone-{n}", EventKind.VIEW, NOON_MS + n) for n in range(200)]
    bought = Event("b", "ana", item(16), EventKind.PURCHASE, NOON_MS - 1)
    features.recent["ana"] = merge(merge(RecentList(), [bought]), views)
    assert features.recent["ana"].had_ids == (item(16),)
    maker = ListMaker(release, features, ServingMetrics())
    listed = maker.recommend("ana", 120, explain=False)
    assert len(listed.items) == maker.num_available - 1
    assert item(16) not in [entry.item.item_id for entry in listed.items]
    assert not flaw(listed, 120, maker.gather("ana"), maker.num_available)


def test_a_reason_that_is_not_checked_is_one_that_would_pass():
    about = ReasonAbout(ReasonKind.FRIEND, "Ana bought this", "a", ["b"], friend="ana")
    told = ToldReason(about, 0.25, 0.5, 0.125, {"looks": 1.0})
    [made] = ReasonBodies().of([told])
    assert made.model_fields_set == set(Reason.model_fields)
    assert Reason.model_validate_json(made.model_dump_json()) == made


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ReasonKind)
def test_a_kind_is_written_as_the_text_that_it_is_and_described_as_one_of_a_few(kind):
    [made] = ReasonBodies().of([ToldReason(ReasonAbout(kind, "why"), 0.25, 0.5, 1.0)])
    assert f'"kind":"{kind.value}",' in made.model_dump_json()
    assert Reason.model_validate_json(made.model_dump_json()).kind is kind
    for mode in ("validation", "serialization"):
        described = Reason.model_json_schema(mode=mode)
        assert described["properties"]["kind"]["$ref"].endswith("/ReasonKind")
        assert described["$defs"]["ReasonKind"]["enum"] == [str(one) for one in ReasonKind]
