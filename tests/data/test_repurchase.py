import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.data.repurchase import (
    Again,
    RepurchaseRule,
    RepurchaseSetting,
    read_repurchase,
)
from coterie.errors import BadInputError

DAY_MS = 86_400_000
CATEGORIES = pa.array(["Food/Tea", "Pets/Food/Dry", "Phones", None])


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ((), RepurchaseSetting(True, {})),
        (("",), RepurchaseSetting(True, {})),
        (("learned",), RepurchaseSetting(True, {})),
        (("never",), RepurchaseSetting(False, {})),
        (("Food=30",), RepurchaseSetting(False, {"Food": 30.0})),
        (("never", "Food=30"), RepurchaseSetting(False, {"Food": 30.0})),
        (("learned", "Food=never"), RepurchaseSetting(True, {"Food": None})),
        (("Food=30", "Food=7"), RepurchaseSetting(False, {"Food": 7.0})),
        (("/Coffee & Tea /=2.5",), RepurchaseSetting(False, {"Coffee & Tea": 2.5})),
        (("A=B/C=3",), RepurchaseSetting(False, {"A=B/C": 3.0})),
        (('{"Food": 30, "Phones": null}',), RepurchaseSetting(False, {"Food": 30, "Phones": None})),
        (('{"Phones": "never"}', "*=90"), RepurchaseSetting(False, {"Phones": None, "*": 90.0})),
    ],
)
def test_a_setting_is_read_as_it_is_meant(said, means):
    assert read_repurchase(*said) == means


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("often", "'often': expected learned, never, CATEGORY=DAYS"),
        ("=30", "'=30': expected"),
        ("Food=soon", "'Food' is 'soon': expected days from 0 to 3650, or never"),
        ("Food=-1", "'Food' is -1.0"),
        ("Food=nan", "'Food' is nan"),
        ("Food=1e9", "'Food' is 1000000000.0"),
        ("/=3", "no category before 3.0"),
        ("{Food: 3}", "no JSON"),
        ('{"Food": true}', "'Food' is True"),
        ('{"Food": [3]}', "'Food' is [3]"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_says_why(said, why):
    with pytest.raises(BadInputError, match=re.escape(why)):
        read_repurchase(said)


def test_the_longest_path_counts_and_only_whole_names_do():
    rule = RepurchaseRule({"Food": 30, "Food/Tea": 10, "Food/Tea/Green": None, "*": 99})
    paths = [
        "Food/Tea/Black",
        "Food/Tea/Green/Sencha",
        "Food/Oil",
        "Foodie",
        "Food",
        " Food / Tea ",
    ]
    assert rule.for_items(pa.array(paths)).tolist() == [10, np.inf, 30, 99, 30, 10]


def test_where_nothing_is_said_nothing_comes_back():
    assert np.isinf(RepurchaseRule().for_items(CATEGORIES)).all()
    assert RepurchaseRule({"Food": 3}).for_items(CATEGORIES).tolist() == [3, *[np.inf] * 3]
    assert RepurchaseRule({"*": 3}).for_items(pa.nulls(2, pa.string())).tolist() == [3, 3]


def test_what_a_person_says_of_a_category_holds_for_all_within_it():
    learned = RepurchaseRule({"Food": 29.2, "Food/Tea": 28.1, "Pets": 14.0})
    assert learned.changed({"Food": None}).days == {"Pets": 14.0, "Food": None}
    assert learned.changed({"Food/Tea": 5}).days == {"Food": 29.2, "Pets": 14.0, "Food/Tea": 5.0}
    assert learned.changed({"*": 7}).days == {"*": 7.0}


def test_a_category_that_no_item_has_is_refused_by_name():
    RepurchaseRule({"Food": 1, "Pets/Food": 1, "*": 1}).check(CATEGORIES)
    with pytest.raises(BadInputError, match=r"'Foodd', which no item has.*Food, Pets, Phones"):
        RepurchaseRule({"Foodd": 1}).check(CATEGORIES)


def test_an_item_comes_back_after_its_days_and_not_before():
    wanted = np.array([1_700_000_000_000], np.int64)
    item, days = np.array([0]), np.array([30], np.float32)
    for passed, back in ((29.999, False), (30, True), (400, True)):
        now = int(wanted[0] + passed * DAY_MS)
        assert Again(days, now).allows(item, wanted).tolist() == [back]
    never = Again(np.array([np.inf], np.float32), now)
    assert not never.allows(item, wanted).any()


@given(st.floats(0, 3650), st.integers(-(2**45), 0), st.integers(0, 2**45))
def test_what_was_turned_down_never_comes_back_by_itself(days, wanted_ms, now_ms):
    again = Again(np.array([days], np.float32), now_ms)
    assert not again.allows(np.array([0]), np.array([wanted_ms])).any()
