"""A name that does not resolve is told as what it is, whoever's client found out."""

import logging
import socket

import pytest

from coterie.data.stores import open_store, reaching
from coterie.errors import UnavailableError, unresolved
from coterie.rollout.decide import MetricsStatus
from coterie.rollout.metrics import PrometheusMetrics
from coterie.rollout.state import Target

HOST = "names.shop.svc"
SAID = rf"(?s){HOST}.* name does not resolve.*networkPolicy\.dns"


@pytest.fixture(autouse=True)
def nobody_answers_for_names(monkeypatch):
    """As where a policy drops what is asked: the resolver gives up."""

    def give_up(host, *_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", give_up)


def test_the_object_store(monkeypatch):
    s3fs = pytest.importorskip("s3fs")
    # One that another test asked would know its address already.
    s3fs.S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:9000")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fs, path = open_store("s3://bucket/releases")
    with pytest.raises(UnavailableError, match=SAID), reaching("s3://bucket/releases"):
        fs.exists(path)


def test_the_event_log():
    redis_log = pytest.importorskip("serving.events.redis_log")
    with pytest.raises(UnavailableError, match=SAID):
        redis_log.RedisLog(f"redis://{HOST}:6379/0").ping()


def test_the_feature_store():
    redis = pytest.importorskip("redis")
    features = pytest.importorskip("serving.features.online_store")

    class Rows:
        """What reads: it lets the client's errors through."""

        def read(self, _):
            redis.Redis(HOST).ping()

    found = object.__new__(features.FeastFeatures)
    found._rows, found._list = Rows(), None
    with pytest.raises(UnavailableError, match=SAID):
        found.ping()


def test_prometheus_once_as_long_as_it_lasts(caplog):
    caplog.set_level(logging.WARNING)
    metrics = PrometheusMetrics(f"http://{HOST}:9090")
    for _ in range(3):
        assert metrics.totals(Target("old", "new", 0.1)) == (MetricsStatus.DOWN, {})
    (record,) = caplog.records
    assert HOST in record.getMessage()
    assert "networkPolicy.dns" in record.getMessage()


def test_of_other_troubles_nothing_is_said():
    assert not unresolved(ConnectionRefusedError(111, "Connection refused"))
    assert not unresolved(None)
