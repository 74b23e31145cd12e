"""The benchmark's evidence is that of rollouts, and what stable showed judges nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.shadow_quality import K, beyond, e_values, judge
from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.plan import SIGNALS
from coterie.rollout.strength import e_value


@pytest.mark.parametrize("counts", [(30, 10), (10, 30), (200, 150)])
def test_evidence_is_that_of_rollouts(counts):
    for pairs in (800, 10_000):
        canary, stable = (ArmCounts(pairs, events) for events in counts)
        limit = SIGNALS["missed_purchases"].limit
        expected = e_value("missed_purchases", Evidence().add(canary, stable), limit)
        found = e_values(np.array([counts]), np.array([pairs]))
        assert found[0] == pytest.approx(expected, rel=1e-6)


def test_what_is_shown_is_taken_out_of_both_lists():
    stable = np.arange(2 * K)[None]
    canary = np.concatenate([np.arange(5), 100 + np.arange(2 * K - 5)])[None]
    assert beyond(canary, stable[:, :K]).tolist() == [(100 + np.arange(K)).tolist()]
    bought = SimpleNamespace(user_idx=np.arange(4), item_idx=np.array([3, K + 1, 104, 999]))
    judged = judge(np.repeat(canary, 4, 0), np.repeat(stable, 4, 0), bought)
    assert judged.missed.tolist() == [[True, False], [False, True], [False, False]]
