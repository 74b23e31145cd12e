"""Ray Serve does not come up, or not at once: what is said of it."""

import warnings
from types import SimpleNamespace

import pytest

from coterie.errors import UnavailableError
from serving import app


def start(monkeypatch, error, states):
    """Enter the app while Ray Serve gives up with an error, and its proxies then have states."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # not as errors: Ray Serve's own, as it is imported
        from ray import serve

    def gives_up(**_):
        raise error

    later = iter(states)
    monkeypatch.setattr(app, "start_local_ray", lambda *_, **__: None)
    monkeypatch.setattr(app, "_listen_for_stops", lambda: None)
    monkeypatch.setattr(app, "_await_running", lambda _: None)
    monkeypatch.setattr(app, "POLL_S", 0.001)
    monkeypatch.setattr(serve, "start", gives_up)
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(proxies=next(later)))
    monkeypatch.setattr("serving.rollouts.serve_config.deploy", lambda *_: None)
    with app._ray(SimpleNamespace(host="127.0.0.1", port=8000, sinks=1), None, None):
        pass


def test_a_start_that_ray_serve_gives_up_is_one_error_in_words(monkeypatch):
    said = r"^Ray Serve did not start: there is no room\.$"
    with pytest.raises(UnavailableError, match=said):
        start(monkeypatch, RuntimeError("there is no room."), [])


def test_a_busy_machine_is_given_longer_and_told_of(monkeypatch, capsys):
    monkeypatch.setattr(app, "TELL_S", -1.0)
    states = [{}, {"node": "STARTING"}, {"node": "HEALTHY"}]
    late = TimeoutError("HTTP proxies not available after 60s.")
    start(monkeypatch, late, [*states, AssertionError])
    said = capsys.readouterr().out.splitlines()
    assert (
        said
        == ["still starting: this machine is busy, so it takes longer than a minute"]
        + ["still starting, for 60 s now"] * 2
    )


def test_proxies_that_never_come_are_one_error_in_words(monkeypatch):
    monkeypatch.setattr(app, "PROXIES_S", 0.0)
    said = r"^Ray Serve did not start: its proxies were not up 60 s .* \(STARTING\): try again when"
    with pytest.raises(UnavailableError, match=said):
        start(monkeypatch, TimeoutError("late"), [{"node": "STARTING"}] * 100)
