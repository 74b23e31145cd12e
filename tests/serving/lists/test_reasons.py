import numpy as np
import pytest
from small_shop import NOON_MS, friends_named, item, people, recent

from coterie.recommend.recommender import Contributions
from coterie.schema import EventKind
from serving.events.event import KIND_CODES, Event
from serving.features.recent import RecentList, merge
from serving.lists.list_maker import ListMaker
from serving.lists.reasons import ReasonReader
from serving.rollouts.list_checks import flaw
from serving.telemetry.metrics import ServingMetrics

BOUGHT, VIEWED = KIND_CODES[EventKind.PURCHASE], KIND_CODES[EventKind.VIEW]


NEVER_HAD = 8


class Titles:
    def title(self, row):
        return f"Thing {row}"

    def item_id(self, row):
        return item(row)

    def had(self, row):
        return row != NEVER_HAD


def read(entries, names=("bea", "cleo", None), shown=9, popular=0.5, **alike):
    """Entries as (item, person, kind, contribution), and whether it was turned down; what each
    adds by kind of content."""
    entries = [(*entry, False)[:5] for entry in entries]
    columns = list(zip(*entries, strict=True)) or [()] * 5
    parts = Contributions(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.int8),
        np.array(columns[3], np.float64)[:, None],
        np.array([popular]),
        np.array(columns[4], bool),
        {kind: np.array(parts)[:, None] for kind, parts in alike.items()},
    )
    return ReasonReader(parts, names, Titles(), np.array([shown])).read(0)


def texts(reasons):
    return [reason.text for reason in reasons]


def test_own_items_say_what_was_done_with_them():
    assert texts(read([(3, -1, VIEWED, 2.0)])) == [
        "You viewed Thing 3",
        "Popular with all shoppers",
    ]


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_is_told_as_a_sentence(kind):
    [reason] = read([(9, 1, KIND_CODES[kind], 1.0)], popular=0)
    assert reason.text.startswith("bea ")
    assert reason.text.endswith("in the cart" if kind is EventKind.CART else " this")
    [reason] = read([(3, -1, KIND_CODES[kind], 1.0)], popular=0)
    assert " Thing 3" in reason.text


def test_what_is_beyond_three_own_items_or_speaks_against_is_added_up():
    reasons = read([(row, -1, BOUGHT, 5.0 - row) for row in range(8)], popular=0.0)
    assert [round(reason.contribution, 6) for reason in reasons] == [5.0, 4.0, 3.0, 0.0]
    assert reasons[-1].text == "5 more items in your history"


def test_who_may_not_be_named_is_counted():
    assert texts(read([(9, 3, BOUGHT, 1.0)], popular=0)) == ["A friend bought this"]
    reasons = read([(9, 3, BOUGHT, 1.0), (9, 1, BOUGHT, 0.5)], popular=0)
    assert texts(reasons) == ["bea and 1 more friend bought this"]
    assert (reasons[0].friend, reasons[0].num_friends) == ("bea", 2)


def test_the_named_friend_is_who_adds_most():
    entries = [(9, 1, BOUGHT, 0.1), (9, 2, BOUGHT, 0.9)]
    assert texts(read(entries, popular=0)) == ["cleo and 1 more friend bought this"]


def test_those_who_bought_and_those_who_viewed_are_told_apart():
    entries = [(9, 1, BOUGHT, 1.0), (9, 2, VIEWED, 0.5)]
    assert texts(read(entries, popular=0)) == ["bea bought this", "cleo viewed this"]


def test_friends_with_the_very_item_come_before_stronger_ones():
    entries = [(row, 1, BOUGHT, 2.0) for row in range(4)] + [(9, 2, BOUGHT, 0.1)]
    assert "cleo bought this" in texts(read(entries, popular=0))


def test_what_is_mostly_alike_says_in_what():
    entries = [(3, -1, BOUGHT, 1.0), (4, -1, VIEWED, 0.9), (5, -1, BOUGHT, 0.5)]
    reasons = read(entries, popular=0, words=[0.54, 0.2, 0.5], image=[0.36, 0.2, 0.0])
    assert texts(reasons) == [
        "You bought Thing 3, and this is like it: in words 60 %, in looks 40 %",
        "You viewed Thing 4",
        "You bought Thing 5, and this is like it in words",
    ]
    alike = [reason.likeness for reason in reasons]
    assert alike == [{"words": 0.6, "looks": 0.4}, None, {"words": 1.0}]


def test_what_friends_had_that_is_mostly_alike_says_in_what():
    entries = [(3, 1, BOUGHT, 1.0), (3, 2, BOUGHT, 0.6), (9, 2, BOUGHT, 0.1)]
    reasons = read(entries, popular=0, text=[0.2, 0.2, 0.0], audio=[0.6, 0.0, 0.0])
    assert texts(reasons) == [
        "bea and 1 more friend bought Thing 3, and this is like it: in sound 60 %, in meaning 40 %",
        "cleo bought this",
    ]


def test_what_nobody_had_is_new_and_not_popular():
    entries = [(3, -1, BOUGHT, 1.0)]
    [_, reason] = read(entries, shown=NEVER_HAD, words=[1.0])
    assert (reason.kind, reason.text) == ("popular", "New in the shop")
    [_, reason] = read(entries, shown=9, words=[1.0])
    assert reason.text == "Popular with all shoppers"


def test_what_takes_away_says_nothing_of_likeness():
    [reason] = read([(3, -1, BOUGHT, -0.5, True)], popular=0, words=[-0.5])
    assert (reason.text, reason.likeness) == ("You bought Thing 3, but did not want it", None)


def test_nobody_among_the_friends_leaves_popularity():
    assert texts(read([])) == ["Popular with all shoppers"]


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
        assert sum(r.share for r in entry.reasons) == pytest.approx(1, abs=2e-5)


RATED, UNWANTED = KIND_CODES[EventKind.RATING], KIND_CODES[EventKind.DISLIKE]
RETURNED = KIND_CODES[EventKind.RETURN]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (RETURNED, "You returned Thing 3"),
        (UNWANTED, "You did not want Thing 3"),
        (BOUGHT, "You bought Thing 3, but did not want it"),
        (RATED, "You rated Thing 3, but did not want it"),
    ],
)
def test_what_was_turned_down_and_takes_away_is_told_as_such(kind, text):
    reasons = read([(3, -1, kind, -0.5, True), (4, -1, BOUGHT, 1.0)], popular=0)
    assert texts(reasons) == ["You bought Thing 4", text]
    assert reasons[1].contribution == -0.5


def test_what_was_turned_down_is_never_a_reason_for():
    own = read([(3, -1, UNWANTED, 2.0, True), (4, -1, BOUGHT, 1.0)], popular=0)
    assert texts(own) == ["You bought Thing 4", "1 more item in your history"]
    friends = read([(9, 1, BOUGHT, 2.0, True), (9, 2, BOUGHT, 1.0, False)], popular=0)
    assert texts(friends) == ["cleo bought this", "What else 1 friend did lately"]


def test_friends_who_turned_the_very_item_down_take_no_place_of_reasons():
    against = [(9, 1, kind, -1.0, True) for kind in (UNWANTED, RETURNED, BOUGHT)]
    reasons = read([*against, (4, 2, BOUGHT, 1.0)], popular=0)
    assert texts(reasons) == ["cleo bought Thing 4", "What else 1 friend did lately"]


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
