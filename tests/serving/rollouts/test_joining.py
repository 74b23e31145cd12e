"""Items that come while others are added are added together, and none is lost."""

import threading
from types import SimpleNamespace

from waiting import wait_until

from serving.rollouts import joining as joining_module
from serving.rollouts.joining import JoiningItems


class Arm:
    """A release whose adding ends when it is told to."""

    def __init__(self):
        self.added, self.goes_on, self.busy = [], threading.Event(), threading.Event()


def add(arm, states):
    arm.busy.set()
    assert arm.goes_on.wait(60)
    arm.added.append(dict(states))


def test_what_comes_meanwhile_is_added_at_once():
    joining, arm, other = JoiningItems(add), Arm(), Arm()
    joining.put(arm, {"a": 1})
    assert arm.busy.wait(60)
    for number in range(100):
        joining.put(arm, {f"b{number}": number, "last": number})
    joining.put(other, {"c": 3})
    joining.put(arm, {})
    arm.goes_on.set(), other.goes_on.set()
    wait_until(lambda: len(arm.added) == 2 and other.added)
    assert arm.added[0] == {"a": 1}
    assert arm.added[1] == {f"b{n}": n for n in range(100)} | {"last": 99}
    assert other.added == [{"c": 3}]


def test_the_first_does_not_wait_and_the_next_leaves_lists_their_share(monkeypatch):
    rests = []
    clock = SimpleNamespace(sleep=rests.append, thread_time=iter((0, 0.5, 1, 9)).__next__)
    monkeypatch.setattr(joining_module, "time", clock)
    seen = []
    joining = JoiningItems(lambda arm, states: seen.append((list(rests), states)))
    joining.put("arm", {"a": 1})
    wait_until(lambda: len(rests) == 1)
    joining.put("arm", {"b": 2})
    wait_until(lambda: len(rests) == 2)
    assert seen == [([], {"a": 1}), ([1.5], {"b": 2})]
    assert rests == [1.5, 2.0]
