"""Ray Serve does not come up: what is said of it."""

import warnings
from types import SimpleNamespace

import pytest

from coterie.errors import UnavailableError
from serving import app


@pytest.mark.parametrize("kind", [RuntimeError, TimeoutError])
def test_a_start_that_ray_serve_gives_up_is_one_error_in_words(monkeypatch, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # not as errors: Ray Serve's own, as it is imported
        from ray import serve

    def gives_up(**_):
        raise kind("HTTP proxies not available after 60s.")

    monkeypatch.setattr(app, "start_local_ray", lambda *_, **__: None)
    monkeypatch.setattr(app, "_listen_for_stops", lambda: None)
    monkeypatch.setattr(serve, "start", gives_up)
    settings = SimpleNamespace(host="127.0.0.1", port=8000, sinks=1)
    said = r"^Ray Serve did not start: HTTP proxies not available after 60s\.$"
    with pytest.raises(UnavailableError, match=said), app._ray(settings, None, None):
        pass
