"""Features as of a moment: right by hand, and blind to the future."""

import numpy as np
import pytest

from coterie.behaviour import activity, propensity
from coterie.behaviour.activity import FEATURES, features_at, refuse_future
from coterie.behaviour.settings import BehaviourSettings
from coterie.behaviour.shop_log import DAY_MS, ShopLog
from coterie.data.dataset import Interactions, Ties
from coterie.errors import BadInputError
from coterie.schema import EVENT_KINDS

BUY, VIEW = EVENT_KINDS.index("purchase"), EVENT_KINDS.index("view")
BEGIN = 20_000 * DAY_MS


def log_of(rows, ties=(), users=3, days=200):
    """A log of (user, item, kind, value, day)."""
    user, item, kind, value, day = (
        np.array(column) for column in zip(*sorted(rows, key=lambda r: r[4]), strict=True)
    )
    ts_ms = (BEGIN + day * DAY_MS).astype(np.int64)
    nobody = np.full(len(user), -1, np.int64)
    events = Interactions(
        user.astype(np.int64),
        item.astype(np.int64),
        kind.astype(np.int8),
        value.astype(np.float32),
        ts_ms,
        nobody,
    )
    src, dst, since = (
        (np.array(c, np.int64) for c in zip(*ties, strict=True))
        if ties
        else [np.zeros(0, np.int64)] * 3
    )
    tied = Ties(
        src, dst, np.zeros(len(src), np.int8), np.ones(len(src), np.float32), BEGIN + since * DAY_MS
    )
    bought = events.kind == BUY
    return ShopLog(
        events=events,
        bought=bought,
        value=np.where(bought, events.value, 0).astype(np.float64),
        priced=True,
        ties=tied,
        category=np.array([0, 0, 1]),
        categories=("A", "B"),
        num_users=users,
        end_ms=BEGIN + days * DAY_MS,
    )


ROWS = [
    (0, 0, BUY, 10.0, 10),
    (0, 2, BUY, 30.0, 90),
    (0, 1, VIEW, np.nan, 98),
    (1, 0, BUY, 5.0, 99),
    (1, 0, BUY, 7.0, 101),
    (2, 0, VIEW, np.nan, 150),
]


def test_features_of_a_day_are_what_one_counts_by_hand():
    log = log_of(ROWS, ties=[(0, 1, 50), (0, 2, 120)])
    told = dict(zip(FEATURES, features_at(log, BEGIN + 100 * DAY_MS).T, strict=True))
    assert told["days_since_event"][:2].tolist() == [2, 1]
    assert np.isnan(told["days_since_event"][2])
    assert told["days_since_purchase"][:2].tolist() == [10, 1]
    assert told["purchases"].tolist() == [2, 1, 0]
    assert told["value"].tolist() == [40, 5, 0]
    assert told["value_90"].tolist() == [40, 5, 0]
    assert told["purchases_30"].tolist() == [1, 1, 0]
    assert told["days_between_purchases"][0] == 80
    assert told["lateness"][0] == 10 / 80
    assert told["looked_7"].tolist() == [1, 0, 0]
    assert told["categories_90"].tolist() == [2, 1, 0]
    assert told["friends"].tolist() == [1, 0, 0], "a tie that came later is not there yet"
    assert told["friends_purchases_30"].tolist() == [1, 0, 0]


def test_a_feature_that_knows_the_future_is_found(monkeypatch):
    log, moment = log_of(ROWS), BEGIN + 100 * DAY_MS
    refuse_future(log, moment)

    def leaking(log, moment_ms):
        found = features_at(log, moment_ms)
        at = FEATURES.index("purchases")
        # All purchases of the log, as a table of totals made today would have them.
        found[:, at] = np.bincount(log.events.user_idx[log.bought], minlength=log.num_users)
        return found

    with pytest.raises(BadInputError, match="after their moment: purchases;"):
        refuse_future(log, moment, leaking)


def test_nothing_is_learned_from_features_that_know_the_future(monkeypatch):
    rng = np.random.default_rng(0)
    rows = [
        (int(u), int(i), BUY, 1.0, float(d))
        for u, i, d in zip(
            rng.integers(0, 60, 900), rng.integers(0, 3, 900), rng.uniform(0, 200, 900), strict=True
        )
    ]
    log = log_of(rows, users=60)
    window = activity._window

    def late(log, moment_ms, days, into):
        window(log, moment_ms + DAY_MS, days, into)

    monkeypatch.setattr(activity, "_window", late)
    question = propensity.questions()[0]
    with pytest.raises(BadInputError, match="events_7, purchases_7, value_7"):
        propensity.foresee(log, question, BehaviourSettings())
