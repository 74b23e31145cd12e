"""With a key for pseudonyms no byte of a Redis, or of its files, holds an id that came in."""

import pytest
from asking import event, post
from fastapi.testclient import TestClient
from redis_server import PASSWORD, RedisServer
from scanning import found_in_folder, found_in_redis
from small_shop import make_router, people

from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import ShopperDirectory
from serving.events.open import open_log, open_rows
from serving.features.live import LiveState
from serving.ingestion.eraser import Eraser
from serving.ingestion.sink import Sink
from serving.settings import Settings
from serving.telemetry.metrics import ServingMetrics

WHO = "zz-raw-7f3a"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RedisServer(tmp_path_factory.mktemp("redis"), "appendfsync no\nrdbcompression no\n")
    yield running
    running.stop()


class Writer:
    """The sink, in this process."""

    def __init__(self, place, features, metrics):
        self.sink = Sink(open_log(place, PASSWORD), features, metrics, None, 1.0)
        self.eraser = Eraser(open_log(place, PASSWORD), features)

    async def write(self, entries):
        return self.sink.write([entries])[0]

    async def erase(self, user_id):
        return self.eraser.erase(user_id)


@pytest.mark.parametrize(("key", "is_found"), [("1" * 32, False), ("", True)])
def test_a_redis_holds_ids_where_there_is_no_key_alone(server, release, tmp_path, key, is_found):
    server.ask("FLUSHALL")
    features, metrics = people(), ServingMetrics()
    router = make_router(
        release, features, metrics, live=LiveState(open_rows(server.place, PASSWORD))
    )
    settings = Settings("unused", state=str(tmp_path), pseudonym_key=key)
    writer = Writer(server.place, features, metrics)
    parts = AppParts(settings, router, writer, metrics, ShopperDirectory.empty())
    client = TestClient(create_app(parts))
    sent = post(client, event("e1", WHO), event("e2", "ana", referrer_user_id=WHO))
    assert sent.status_code == 200, sent.text
    assert client.put(f"/v1/users/{WHO}/ties/ana", json={}).status_code == 200
    assert client.put(f"/v1/users/{WHO}", json={"may_be_named": False}).status_code == 200
    if is_found:
        assert found_in_redis(server, WHO) != []
        return
    # What an erasure that names a person leaves as well.
    assert client.delete("/v1/users/zz-raw-7f3a-gone").status_code == 200
    assert found_in_redis(server, WHO) == []
    assert found_in_folder(server.folder, WHO) == []
    assert found_in_redis(server, "ps-") != []
