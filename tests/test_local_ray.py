"""Ray on a machine that has no time for it."""

import pytest
import ray

from coterie.errors import UnavailableError
from coterie.local_ray import TRIES, start_local_ray


@pytest.fixture
def starts(monkeypatch):
    """What each start ends with: an exception, or None; the settings of each are noted."""
    ends, noted = [], []

    def init(**settings):
        noted.append(settings)
        if (end := ends.pop(0)) is not None:
            raise end

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: noted.append("shut down"))
    return ends, noted


def slow():
    return Exception("The current node timed out during startup. This could happen because ...")


def test_a_start_that_was_too_slow_is_tried_again_with_nothing_left_of_it(starts):
    ends, noted = starts
    ends += [slow(), None]
    start_local_ray(num_cpus=3)
    given = {"address": "local", "include_dashboard": False, "log_to_driver": False, "num_cpus": 3}
    assert noted == [given, "shut down", given]


def test_one_that_is_always_too_slow_says_so_in_our_words(starts):
    ends, noted = starts
    ends += [slow()] * TRIES
    with pytest.raises(UnavailableError, match="did not start on this machine"):
        start_local_ray()
    assert noted.count("shut down") == TRIES


def test_what_else_is_wrong_is_raised_as_it_is(starts):
    ends, noted = starts
    ends += [ValueError("num_cpus is -1")]
    with pytest.raises(ValueError, match="num_cpus"):
        start_local_ray(num_cpus=-1)
    assert len(noted) == 1
