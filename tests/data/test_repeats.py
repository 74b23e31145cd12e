import numpy as np
import pyarrow as pa
import pytest

from coterie.data import repeats
from coterie.data.dataset import Interactions
from coterie.data.repeats import decide_rule, learn_rule
from coterie.data.repurchase import read_repurchase
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS, EventKind

DAY_MS = 86_400_000
CATEGORIES = pa.array(["Food/Tea", "Food/Oil", "Food/Jars", "Phones", "Pets/Food", None])
TEA, OIL, JARS, PHONE, PETS, NONE = range(6)


def purchases(*habits, kind=EventKind.PURCHASE):
    """Each habit: item, shoppers, purchases a shopper, days between them, how much these vary."""
    rng = np.random.default_rng(3)
    user, item, day = [], [], []
    for number, (what, shoppers, times, days, spread) in enumerate(habits):
        gaps = days + spread * rng.uniform(-1, 1, (shoppers, times))
        gaps[:, 0] = rng.uniform(0, 5, shoppers)
        user.append(np.repeat(np.arange(shoppers) + 10_000 * number, times))
        item.append(np.full(shoppers * times, what))
        day.append(gaps.cumsum(axis=1).ravel())
    ts = (np.concatenate(day) * DAY_MS).astype(np.int64) + 1_600_000_000_000
    order = np.argsort(ts, kind="stable")
    n = len(ts)
    return Interactions(
        np.concatenate(user)[order],
        np.concatenate(item)[order],
        np.full(n, EVENT_KINDS.index(kind), np.int8),
        np.full(n, np.nan, np.float32),
        ts[order],
        np.full(n, -1),
    )


def learned(*habits, **how):
    return learn_rule(purchases(*habits, **how), CATEGORIES).days


def test_days_that_were_planted_are_found_and_the_rest_never_comes_back():
    found = learned((TEA, 60, 4, 30, 8), (PETS, 60, 4, 14, 3), (PHONE, 500, 1, 0, 0))
    assert found["Food/Tea"] == pytest.approx(30, abs=1)
    assert found["Pets/Food"] == pytest.approx(14, abs=0.5)
    assert set(found) == {"Food/Tea", "Pets", "Pets/Food"}, "Pets has nothing else within it"


def test_few_purchases_follow_the_category_around_them_and_many_speak_for_themselves():
    usual = (TEA, 200, 3, 30, 5), (OIL, 200, 3, 60, 5)
    around = learned(*usual, (JARS, 3, 2, 9, 0))
    assert around.keys() == {"Food", "Food/Tea", "Food/Oil"}
    assert around["Food/Tea"] < around["Food"] < around["Food/Oil"]
    assert learned(*usual, (JARS, repeats.MIN_BOUGHT, 1, 0, 0))["Food/Jars"] is None
    assert "Food/Jars" not in learned(*usual, (JARS, repeats.MIN_BOUGHT - 1, 1, 0, 0))


def test_one_category_does_not_speak_for_its_neighbours():
    assert learned((TEA, 200, 3, 30, 5), (OIL, 3, 2, 9, 0)).keys() == {"Food/Tea"}


@pytest.mark.parametrize(
    ("habits", "why"),
    [
        ([(TEA, repeats.MIN_SHOPPERS - 1, 5, 30, 5)], "too few shoppers"),
        ([(TEA, repeats.MIN_REPEATS - 1, 2, 30, 5)], "too few repeats"),
        ([(TEA, 30, 2, 30, 5), (TEA, 800, 1, 0, 0)], "too small a share of what was bought"),
        ([(TEA, 60, 4, 0.3, 0.2)], "a day's purchases are one"),
        ([(NONE, 60, 4, 30, 5)], "no category to say it of"),
        ([(PHONE, 0, 1, 0, 0)], "nothing was bought"),
    ],
)
def test_what_is_no_custom_makes_no_rule(habits, why):
    assert learned(*habits) == {}, why


def test_only_purchases_count():
    assert learned((TEA, 60, 4, 30, 5), kind=EventKind.RATING) == {}
    assert learned((TEA, 60, 4, 30, 5)) != {}


def test_a_few_who_buy_all_the_time_do_not_make_a_share():
    """Share counts what was bought again, not how often."""
    assert "Food/Tea" not in learned((TEA, 12, 40, 7, 1), (TEA, 400, 1, 0, 0))


def test_a_person_has_the_last_word():
    events = purchases((TEA, 60, 4, 30, 5), (PETS, 60, 4, 14, 3))

    def decided(*said):
        return decide_rule(read_repurchase(*said), events, CATEGORIES).days

    assert set(decided()) == {"Food/Tea", "Pets", "Pets/Food"}
    assert decided("never") == {}
    assert decided("Food=30") == {"Food": 30.0}
    assert decided("learned", "Food=never").keys() == {"Pets", "Pets/Food", "Food"}
    with pytest.raises(BadInputError, match="'Shoes', which no item has"):
        decided("learned", "Shoes=100")
