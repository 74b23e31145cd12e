"""A replica leaves alone what it holds before it loads a release, when it looks for garbage."""

import asyncio
import gc
from types import SimpleNamespace

import pytest

from coterie.rollout.live import Live, ReleaseRef


@pytest.fixture(autouse=True)
def as_before():
    thresholds = gc.get_threshold()
    yield
    # What all tests hold is left alone again: to look through it takes a second each time.
    gc.freeze()
    gc.set_threshold(*thresholds)


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_replica_does_so_once_before_it_loads_a_release(monkeypatch):
    from serving import deployments

    monkeypatch.setattr(deployments, "_sink_handles", lambda _: [])
    frozen = []
    replica = object.__new__(deployments.Api)
    replica._settings, replica._begun, replica._writer = None, False, None
    replica._router = SimpleNamespace(adopt=lambda _: frozen.append(gc.get_freeze_count()))
    content = Live(ReleaseRef("0" * 64, "somewhere")).as_json()
    asyncio.run(replica.reconfigure(content))
    gc.unfreeze()
    asyncio.run(replica.reconfigure(content))
    assert frozen[0] > 1000
    assert frozen[1] == 0
