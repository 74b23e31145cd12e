"""Writes down what a version leaves behind, for later ones to read.

Run in a checkout of that version, beside a redis-server, and keep what it writes with the tests of
the next ones: ``PYTHONPATH=. python /path/to/tests/previous/make.py /path/to/tests/previous``.
What lies here is of 0.1.0 (commit c52ff24); ``chart/`` holds what that version's
``tests/helm/golden`` did: the fields that Kubernetes lets nobody change.
"""

import base64
import json
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path.cwd() / "tests"))
sys.path.append(str(Path.cwd() / "tests" / "cluster"))
sys.path.append(str(Path.cwd() / "tests" / "serving"))

from cluster_shop import Shop, release
from fake_api import FakeApi, serving
from kubernetes import client
from logged import numbered
from redis_server import PASSWORD, RedisServer

from coterie.cluster.api import Cluster
from coterie.rollout.book import Book
from coterie.rollout.decide import Command, Verb
from coterie.rollout.state import Phase, State
from serving.events.open import open_log


def fill(log) -> None:
    """Ten events exported and pushed, ten pushed, ten neither."""
    for first in (0, 10, 20):
        log.append(numbered(10, first))
        if first < 20:
            with log.lock("push"):
                log.mark_pushed(log.unpushed(100))
        if first == 0:
            log.mark_exported(log.unexported(100))


def sqlite_dump(folder: Path) -> str:
    log = open_log(f"sqlite://{folder}/events.sqlite")
    fill(log)
    log.close()
    return "\n".join(sqlite3.connect(folder / "events.sqlite").iterdump())


def redis_dump(folder: Path) -> dict[str, str]:
    server = RedisServer(folder / "redis")
    log = open_log(server.place, PASSWORD)
    fill(log)
    keys = sorted(server.ask("KEYS", "*"))
    # Known ids and turns end by themselves.
    kept = [key for key in keys if b":id:" not in key and b":turn:push" not in key]
    found = {key.decode(): base64.b64encode(server.ask("DUMP", key)).decode() for key in kept}
    log.close()
    server.stop()
    return found


def config_maps(folder: Path) -> dict[str, dict[str, str]]:
    """A rollout in the middle of a step, and a command that nobody has read yet."""
    api = FakeApi()
    shop = Shop(api, str(folder), release(folder, "v1"), release(folder, "v2", 2.0))
    with serving(api) as address:
        settings = client.Configuration()
        settings.host = address
        cluster = Cluster("shop", settings)
        shop.start(cluster)
        controller = shop.controller(cluster)
        while controller.book.read()[0].phase is not Phase.STEP:
            controller.turn()
        controller.book.command(Command("c2", Verb.PAUSE, "ana", "lunch"))
        cluster.close()
    names = ("shop-rollout", "shop-rollout-commands")
    maps = {name: api.objects["configmaps", name]["data"] for name in names}
    return {**maps, "digests": {"stable": shop.old, "canary": shop.new}}


def book_files(folder: Path) -> dict[str, str]:
    book = Book(folder)
    book.write(State(stable="a" * 64), 0)
    book.command(Command("c1", Verb.PAUSE, "ana", "lunch"))
    return {file.name: file.read_text() for file in folder.iterdir() if file.suffix}


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        for name in ("sqlite", "cluster", "book"):
            Path(folder, name).mkdir()
        state = {
            "book": book_files(Path(folder, "book")),
            "config_maps": config_maps(Path(folder, "cluster")),
            "redis": redis_dump(Path(folder)),
            "sqlite": sqlite_dump(Path(folder, "sqlite")),
        }
    (target / "state.json").write_text(json.dumps(state, indent=1) + "\n")


if __name__ == "__main__":
    main()
