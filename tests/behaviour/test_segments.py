"""Segments: planted kinds of shoppers are found, named by what they do, and followed by month."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.metrics import homogeneity_score

from coterie.behaviour.segments import find_segments
from coterie.behaviour.settings import BehaviourSettings
from tests.behaviour.test_activity import BUY, log_of

A_KIND = 40
OFTEN, DEAR, GONE, LEAVING = range(4)
SETTINGS = BehaviourSettings(most_segments=6, refits=3, months=2)


def purchases(kind, rng):
    """Days, item and price of what a shopper of a kind buys in 200 days."""
    end = {OFTEN: 200, DEAR: 200, GONE: 40, LEAVING: 165}[kind]
    step = 25 if kind == DEAR else 4
    days = np.arange(rng.uniform(0, step), end, step)
    price = 300 if kind == DEAR else 5
    return days, 2 if kind == DEAR else int(rng.integers(2)), price


@cache
def shop(*kinds):
    """A log of forty shoppers a kind, and the kind of each."""
    rng, rows, kind_of = np.random.default_rng(0), [], np.repeat(kinds, A_KIND)
    for user, kind in enumerate(kind_of):
        days, item, price = purchases(kind, rng)
        rows += [(user, item, BUY, price * rng.uniform(0.8, 1.25), day) for day in days]
    return log_of(rows, users=len(kind_of)), kind_of


def names_of(found, of_kind):
    """The names of the segments that shoppers are in."""
    assert (found.label[of_kind] >= 0).all()
    return {found.names[segment] for segment in set(found.label[of_kind].tolist())}


def test_planted_kinds_never_share_a_segment_and_are_named_by_what_they_do():
    log, kind_of = shop(OFTEN, DEAR, GONE)
    found = find_segments(log, SETTINGS)
    assert found.stability[3] > 0.99, "there are three kinds"
    assert homogeneity_score(kind_of, found.label) == 1
    assert all("come often" in name for name in names_of(found, kind_of == OFTEN))
    assert all("dear purchases" in name for name in names_of(found, kind_of == DEAR))
    assert all("long away" in name for name in names_of(found, kind_of == GONE))


def test_the_number_is_the_largest_at_which_fits_agree():
    log, _ = shop(OFTEN, DEAR, GONE)
    found = find_segments(log, SETTINGS)
    stable = [k for k, agreed in found.stability.items() if agreed >= SETTINGS.least_stability]
    assert len(found.names) == max(stable)
    strict = find_segments(log, replace(SETTINGS, least_stability=1 - 1e-9))
    assert len(strict.names) < len(found.names)
    assert strict.stability[len(strict.names)] == pytest.approx(1)


def test_who_stops_coming_moves_between_months():
    log, kind_of = shop(OFTEN, DEAR, GONE, LEAVING)
    found = find_segments(log, SETTINGS)
    names = np.array(found.names)
    rarely = np.flatnonzero(["rarely" in name for name in names])
    often = np.flatnonzero(["come often" in name for name in names])
    assert names_of(found, kind_of == LEAVING) == set(names[rarely])
    before, after = found.moves[:, often][:, :, rarely].sum(axis=(1, 2))
    assert (before, after) == (0, A_KIND), "they were there until 35 days ago"
    assert (found.moves.sum(axis=(1, 2)) == len(kind_of)).all(), "everybody is somewhere"
