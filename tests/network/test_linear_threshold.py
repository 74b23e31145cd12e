"""Weights of a linear threshold model, on people whose weights are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from coterie.network.adoptions import DAY_MS, Adoptions, expose
from coterie.network.background import Background
from coterie.network.influence import WINDOW_DAYS, Influence
from coterie.network.linear_threshold import fit_linear_threshold
from coterie.network.people import Network
from tests.network.test_network_structure import ties_of

FOLLOWERS, FOLLOWEES, ITEMS = 60, 4, 300


def thresholds_passed(rng):
    """Draw weights, what followees take, and what followers then take the day after."""
    people = FOLLOWERS * (1 + FOLLOWEES)
    followee = FOLLOWERS + np.arange(FOLLOWERS * FOLLOWEES).reshape(FOLLOWERS, FOLLOWEES)
    share = rng.dirichlet(np.ones(FOLLOWEES + 1), FOLLOWERS)[:, :FOLLOWEES]
    taken = rng.random((FOLLOWERS, FOLLOWEES, ITEMS)) < 0.4
    # All of an item within the window, in an order of chance.
    day = 40 * np.arange(ITEMS) + rng.integers(0, 15, taken.shape)
    day = np.where(taken, day, 10**6)
    order = np.argsort(day, axis=1)
    came = np.cumsum(
        np.take_along_axis(np.where(taken, share[:, :, None], 0.0), order, axis=1), axis=1
    )
    passed = came > rng.random((FOLLOWERS, 1, ITEMS))
    moved = passed.any(axis=1) & taken.any(axis=1)
    when = np.take_along_axis(
        np.take_along_axis(day, order, axis=1), passed.argmax(axis=1)[:, None], axis=1
    )[:, 0]
    user = [followee[np.nonzero(taken)[:2]], np.nonzero(moved)[0]]
    item = [np.nonzero(taken)[2], np.nonzero(moved)[1]]
    at = [day[taken], when[moved] + 1]
    ts_ms = np.concatenate(at) * DAY_MS + np.concatenate(
        [np.zeros(len(at[0])), np.ones(len(at[1]))]
    )
    rows = np.argsort(ts_ms, kind="stable")
    columns = np.concatenate(user)[rows], np.concatenate(item)[rows], ts_ms[rows].astype(np.int64)
    adoptions = Adoptions(*columns, np.full(len(rows), -1, np.int64))
    pairs = np.stack([np.repeat(np.arange(FOLLOWERS), FOLLOWEES), followee.ravel()], axis=1)
    return Network.of(ties_of(pairs.tolist()), people), adoptions, share.ravel(), moved.sum()


@pytest.fixture(scope="module")
def planted():
    network, adoptions, weight, moved = thresholds_passed(np.random.default_rng(0))
    nobody = Background.of(
        adoptions, np.zeros(ITEMS, np.int64), np.zeros(network.num_people, np.int64)
    )
    m = len(network.ties)
    by_day = np.bincount([1], minlength=WINDOW_DAYS + 1).astype(float)
    # Nobody takes anything unmoved: of the cascade only days and the background are read.
    found = Influence(
        np.full(m, 0.1), np.zeros(m), np.zeros(m, np.int64), 0.0, 0.0, 1e-9, by_day, nobody
    )
    return network, adoptions, weight, moved, found


def test_weights_are_found_again(planted):
    network, adoptions, weight, moved, cascade = planted
    found = fit_linear_threshold(network, adoptions, expose(network, adoptions), cascade)
    assert spearmanr(found.weight, weight).statistic > 0.95
    assert np.abs(found.weight - weight).mean() < 0.03
    assert found.weight.mean() == pytest.approx(weight.mean(), rel=0.05)
    assert found.caused.sum() == pytest.approx(moved, rel=0.01)
    assert found.share_caused == pytest.approx(moved / len(adoptions), rel=0.01)


def test_weights_of_a_follower_add_up_to_less_than_one(planted):
    network, adoptions, _, _, cascade = planted
    sure = replace(cascade, probability=np.ones(len(network.ties)))
    found = fit_linear_threshold(network, adoptions, expose(network, adoptions), sure)
    sums = np.bincount(network.ties.src_idx, found.weight)
    assert found.weight.min() >= 0
    assert sums.max() < 1
