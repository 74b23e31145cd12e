"""What is told of a score, of whom, and that all adds up."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from coterie.languages.texts import texts_for
from coterie.reasons.discretion import Discretion
from coterie.reasons.reader import ReasonReader
from coterie.recommend.recommender import Contributions
from coterie.schema import EVENT_KINDS, EventKind

CODES = {kind: code for code, kind in enumerate(EVENT_KINDS)}
BOUGHT, VIEWED, LOOKED = (CODES[k] for k in (EventKind.PURCHASE, EventKind.VIEW, EventKind.CLICK))
RATED, UNWANTED = CODES[EventKind.RATING], CODES[EventKind.DISLIKE]
NUM_ITEMS, NEVER_HAD, RARE = 40, 8, 6
CATEGORIES = ("Home/Lamps", "Home/Pans")


@dataclass
class Things:
    """Rows 10 to 19 are lamps, 20 to 29 pans; the others have no category."""

    category_codes: np.ndarray = field(
        default_factory=lambda: np.repeat([-1, 0, 1, -1], 10).astype(np.int64)
    )
    num_had: np.ndarray = field(default_factory=lambda: np.full(NUM_ITEMS, 50))

    def __post_init__(self):
        self.num_had[NEVER_HAD], self.num_had[RARE] = 0, 2

    def title(self, row):
        return f"Thing {row}"

    def item_id(self, row):
        return f"item-{row}"

    def category(self, code):
        return CATEGORIES[code]

    def is_new(self, row):
        return False


def read(entries, names=("bea", "cleo", None), shown=9, popular=0.0, discretion=None, alike=None):
    """Entries as (item, person, kind, contribution), and whether it was turned down."""
    columns = list(zip(*[(*entry, False)[:5] for entry in entries], strict=True)) or [()] * 5
    parts = Contributions(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.int8),
        np.array(columns[3], np.float64)[:, None],
        np.array([popular]),
        np.array(columns[4], bool),
        {kind: np.array(parts)[:, None] for kind, parts in (alike or {}).items()},
    )
    reader = ReasonReader(
        parts, names, Things(), np.array([shown]), texts_for(None), discretion or Discretion()
    )
    return reader.read(0)


def texts(reasons):
    return [reason.text for reason in reasons]


def test_an_own_item_says_what_was_done_with_it():
    reasons = read([(3, -1, VIEWED, 2.0)], popular=0.5)
    assert texts(reasons) == ["You viewed Thing 3", "Popular with all shoppers"]
    assert (reasons[0].about.item_id, reasons[0].share) == ("item-3", 0.8)


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_is_told_as_a_sentence(kind):
    [reason] = read([(9, 1, CODES[kind], 1.0)]) if kind not in ("return", "dislike") else [None]
    if reason:
        assert reason.text.startswith("bea ")
        assert reason.text.endswith("in the cart" if kind is EventKind.CART else " this")
    [reason] = read([(3, -1, CODES[kind], 1.0)])
    assert " Thing 3" in reason.text


def test_own_items_of_one_kind_are_added_up():
    lamps = [(10 + n, -1, LOOKED, 0.2) for n in range(5)]
    [lamp, pan] = read([*lamps, (20, -1, BOUGHT, 0.5)])
    assert lamp.text == "You looked at 5 items from Lamps"
    assert (lamp.about.category, lamp.about.num_items, lamp.about.item_id) == (
        "Home/Lamps",
        5,
        None,
    )
    assert lamp.about.item_ids == [f"item-{10 + n}" for n in range(5)]
    assert lamp.share == pytest.approx(2 / 3, abs=1e-6)
    assert pan.text == "You bought Thing 20"


def test_own_items_of_one_kind_with_which_different_things_were_done_are_still_one_group():
    [reason] = read([(10, -1, LOOKED, 1.0), (11, -1, BOUGHT, 1.0)])
    assert reason.text == "2 items from Lamps in your history"


def test_what_is_beyond_three_groups_is_added_up():
    reasons = read([(row, -1, BOUGHT, 5.0 - row) for row in range(5)])
    assert texts(reasons) == [
        *(f"You bought Thing {row}" for row in range(3)),
        "2 more items in your history",
    ]


def test_shares_below_a_few_percent_are_not_shown():
    reasons = read([(3, -1, BOUGHT, 0.96), (4, -1, VIEWED, 0.02), (9, 1, BOUGHT, 0.02)])
    assert texts(reasons) == ["You bought Thing 3", "All else, each a little"]
    assert (reasons[1].kind, reasons[1].share) == ("others", 0.04)
    stricter = Discretion(min_share=0.05)
    reasons = read([(3, -1, BOUGHT, 0.96), (9, 1, BOUGHT, 0.04)], discretion=stricter)
    assert texts(reasons) == ["You bought Thing 3", "All else, each a little"]


def test_a_named_friend_with_the_very_item_comes_before_stronger_groups():
    entries = [(row, 1, BOUGHT, 2.0) for row in range(4)] + [(9, 2, BOUGHT, 0.4)]
    assert "cleo bought this" in texts(read(entries))


def test_the_named_friend_is_who_adds_most_and_the_others_are_counted():
    [reason] = read([(9, 1, BOUGHT, 0.1), (9, 2, BOUGHT, 0.9)])
    assert reason.text == "cleo and 1 more person you know bought this"
    assert (reason.about.friend, reason.about.num_friends, reason.about.item_id) == (
        "cleo",
        2,
        "item-9",
    )


def test_those_who_bought_and_those_who_viewed_are_told_apart():
    assert texts(read([(9, 1, BOUGHT, 1.0), (9, 2, VIEWED, 0.5)])) == [
        "bea bought this",
        "cleo viewed this",
    ]


def test_friends_are_added_up_by_what_interests_them():
    entries = [(10, 1, BOUGHT, 1.0), (11, 2, VIEWED, 0.5), (12, 2, VIEWED, 0.2)]
    [reason] = read(entries)
    assert reason.text == "bea and 1 more person you know are interested in Lamps"
    assert (reason.about.category, reason.about.num_friends) == ("Home/Lamps", 2)


NOBODY = (None,) * 5


def unnamed(num, item=9, kind=BOUGHT, pool=5):
    """``num`` people who are not named with an item, and others, ``pool`` altogether."""
    others = [(30 + person, person, VIEWED, 0.1) for person in range(num + 1, pool + 1)]
    return [*((item, person, kind, 1.0) for person in range(1, num + 1)), *others]


def test_who_may_not_be_named_is_counted_from_three_people_on():
    told = read(unnamed(3), NOBODY)[0]
    assert (told.text, told.about.num_friends) == ("3 people you know bought this", 3)
    told = read(unnamed(2), NOBODY)[0]
    assert (told.text, told.about.num_friends) == ("People you know bought this", None)
    told = read(unnamed(4), NOBODY, discretion=Discretion(min_people=5))[0]
    assert (told.text, told.about.num_friends) == ("People you know bought this", None)


def test_a_rare_item_is_not_named_below_three_people():
    reasons = read(unnamed(2, RARE), NOBODY, shown=RARE)
    assert texts(reasons) == ["What 5 people you know did lately"]
    assert all(reason.about.item_id is None for reason in reasons)
    assert read(unnamed(3, RARE), NOBODY, shown=RARE)[0].text == "3 people you know bought this"


def test_what_everybody_did_is_not_counted():
    """Their number would say it of each of them."""
    [reason] = read(unnamed(3, pool=3), NOBODY[:3])
    assert (reason.text, reason.about.num_friends) == ("People you know bought this", None)
    [reason] = read(unnamed(3, RARE, pool=3), NOBODY[:3], shown=RARE)
    assert (reason.text, reason.about.item_id) == ("What 3 people you know did lately", None)


@pytest.mark.parametrize("pool", [1, 2])
def test_of_fewer_than_three_people_who_are_not_named_nothing_is_said(pool):
    [own, rest] = read([(3, -1, BOUGHT, 1.0), *unnamed(pool, pool=pool)], NOBODY[:pool])
    assert (own.text, rest.kind) == ("You bought Thing 3", "others")
    assert (rest.about.item_id, rest.about.num_friends) == (None, None)


def test_a_named_friend_never_stands_for_those_who_are_not():
    """Of two who are not named beside one who is, the number would say too much."""
    names = ("bea", *NOBODY)
    entries = [(9, 1, BOUGHT, 0.5), (9, 2, BOUGHT, 1.0), (9, 3, BOUGHT, 1.0)]
    others = [(30 + person, person, VIEWED, 0.1) for person in (4, 5, 6)]
    reasons = read([*entries, *others], names)
    assert texts(reasons) == ["bea bought this", "What else 6 people you know did lately"]
    assert reasons[0].about.num_friends == 1
    reasons = read([*entries, (9, 4, BOUGHT, 1.0), *others[1:]], names)
    assert reasons[0].text == "bea and 3 more people you know bought this"


def test_what_friends_turned_down_is_no_reason():
    reasons = read([(9, 1, BOUGHT, 2.0, True), (9, 2, BOUGHT, 1.0)])
    assert texts(reasons) == ["cleo bought this", "What else 2 people you know did lately"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CODES[EventKind.RETURN], "You returned Thing 3"),
        (UNWANTED, "You did not want Thing 3"),
        (BOUGHT, "You bought Thing 3, but did not want it"),
        (RATED, "You rated Thing 3, but did not want it"),
    ],
)
def test_what_was_turned_down_and_takes_away_is_told_as_such(kind, text):
    reasons = read([(3, -1, kind, -0.5, True), (4, -1, BOUGHT, 1.0)])
    assert texts(reasons) == ["You bought Thing 4", text]
    assert reasons[1].net == -0.5


def test_what_was_turned_down_is_never_a_reason_for():
    own = read([(3, -1, UNWANTED, 2.0, True), (4, -1, BOUGHT, 1.0)])
    assert texts(own) == ["You bought Thing 4", "1 more item in your history"]


def test_what_is_mostly_alike_says_in_what_as_a_sentence_of_its_own():
    entries = [(3, -1, BOUGHT, 1.0), (4, -1, VIEWED, 0.9)]
    [first, second] = read(entries, alike={"words": [0.54, 0.2], "image": [0.36, 0.2]})
    assert first.likeness == {"words": 0.6, "looks": 0.4}
    assert first.likeness_text == "Alike most of all in words"
    assert (second.likeness, second.likeness_text) == (None, None)


def test_what_nobody_had_is_new_and_not_popular():
    entries, alike = [(3, -1, BOUGHT, 1.0)], {"words": [1.0]}
    assert read(entries, shown=NEVER_HAD, popular=0.5, alike=alike)[1].text == "New in the shop"
    assert read(entries, popular=0.5, alike=alike)[1].text == "Popular with all shoppers"


def test_nobody_among_the_friends_leaves_popularity():
    assert texts(read([], popular=0.5)) == ["Popular with all shoppers"]


@pytest.mark.parametrize("seed", range(20))
def test_shares_and_contributions_add_up_whatever_the_friends(seed):
    rng = np.random.default_rng(seed)
    pairs = [(row, person) for person in range(-1, 9) for row in range(NUM_ITEMS) if person]
    chosen = [pairs[place] for place in rng.choice(len(pairs), 120, replace=False)]
    names = [None if rng.random() < 0.6 else f"friend-{n}" for n in range(8)]
    entries = [
        (row, person, int(rng.integers(7)), rng.normal(0.2), bool(rng.random() < 0.1))
        for row, person in chosen
    ]
    reasons = read(entries, names, popular=0.3)
    assert round(sum(reason.share for reason in reasons) * 1e6) == 1_000_000
    score = sum(entry[3] for entry in entries) + 0.3
    assert sum(reason.net for reason in reasons) == pytest.approx(score)
    assert all(one.share >= 0.03 for one in reasons if one.kind != "others")
