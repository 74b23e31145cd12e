"""Who is forgotten is in no byte of any store, the whole way round: requests, log, features,
exports, clean tables, model and release."""

import contextlib
import sqlite3
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from tiny_shop import train, write_raw

from coterie.data.ingest import ingest
from coterie.release.bundle import load_release
from coterie.rollout.live import Live, ReleaseRef
from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import ShopperDirectory
from serving.events.open import open_log, open_rows
from serving.features.live import LiveState
from serving.features.online_store import FeastFeatures
from serving.ingestion.eraser import Eraser
from serving.ingestion.exporter import Exporter
from serving.ingestion.sink import Sink
from serving.ingestion.sweep import Sweeper
from serving.rollouts.router import ReleaseRouter
from serving.settings import Settings
from serving.telemetry.logs import start_logging
from serving.telemetry.metrics import ServingMetrics

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from scanning import found_in_folder

WHO = "zz-forget-me-7f3a"


def renamed(raw):
    """Call somebody with friends so that no other id holds theirs; also say who referred."""
    ties = pq.read_table(raw / "ties.parquet")
    known = max(set(ties["src_user_id"].to_pylist()), key=ties["src_user_id"].to_pylist().count)
    for file in raw.glob("*.parquet"):
        table = pq.read_table(file)
        for place, name in enumerate(table.column_names):
            if name.endswith("user_id"):
                ids = [WHO if one == known else one for one in table[name].to_pylist()]
                table = table.set_column(place, name, pa.array(ids, pa.string()))
        pq.write_table(table, file)
    return raw


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The shop, and all that its pipeline leaves."""
    home = tmp_path_factory.mktemp("forgotten")
    config = {"loop.max_epochs": 1, "embedding_size": 8}
    return train(renamed(write_raw(home / "source")), home / "work", "v1", **config), home


class Replica:
    """An app on real stores, in this process."""

    def __init__(self, trained, home):
        self.home, self.place = home, f"sqlite://{home}/state/events.sqlite"
        self.log, features = open_log(self.place), FeastFeatures(trained.store)
        settings = Settings("unused", state=str(home / "state"), storefront=True)
        start_logging("DEBUG", str(home / "state" / "serving.log"))
        metrics = ServingMetrics()
        router = ReleaseRouter(features, metrics, live=LiveState(open_rows(self.place)))
        release = load_release(trained.bundle)
        router.adopt(Live(ReleaseRef(release.digest, trained.bundle)))
        self.sink = Sink(self.log, features, metrics)
        self.eraser = Eraser(open_log(self.place), FeastFeatures(trained.store))
        directory = ShopperDirectory.read(trained.clean)
        self.http = TestClient(create_app(AppParts(settings, router, self, metrics, directory)))

    async def write(self, entries):
        return self.sink.write([entries])[0]

    async def erase(self, user_id):
        return self.eraser.erase(user_id)

    async def about(self, user_id, after, most):
        return self.eraser.about(user_id, after, most)

    def export(self):
        log, shop = open_log(self.place), str(self.home / "source")
        Exporter(log, shop, ServingMetrics().log).export()
        return Sweeper(log, shop).sweep()


def freed(store):
    """Leave the id in free pages of the online store, as an overwritten row may."""
    [file] = [f for f in Path(store).rglob("*.db") if f.read_bytes().startswith(b"SQLite")]
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE gone (who TEXT)")
        db.executemany("INSERT INTO gone VALUES (?)", [(f"{WHO} {'x' * 900}",)] * 20)
        db.execute("DROP TABLE gone")


def say(replica, friend):
    events = [
        {"event_id": f"live-{n}", "user_id": WHO, "item_id": f"i{n}", "event": "view"}
        for n in range(20)
    ]
    events.append({**events[0], "event_id": "led", "user_id": friend, "referrer_user_id": WHO})
    asked = {"event_id": "asked", "user_id": friend, "event": "share", "invited_user_id": WHO}
    events.append({**events[0], **asked})
    assert replica.http.post("/v1/events", json={"events": events}).status_code == 200
    for path in (f"/v1/users/{WHO}/ties/{friend}", f"/v1/users/{friend}/ties/{WHO}"):
        assert replica.http.put(path, json={"kind": "follow"}).status_code == 200
    assert replica.http.put(f"/v1/users/{WHO}", json={"may_be_named": True}).status_code == 200


@pytest.fixture(scope="module")
def story(made):
    """Where the id is found before, right after, and when all the rest has run."""
    trained, home = made
    folders = {
        "log": home / "state",
        "features": Path(trained.store),
        "exported": home / "source",
        "clean": Path(trained.clean),
        "release": Path(trained.bundle),
        "model": home / "work" / "model",
    }

    def scan():
        return {name: found_in_folder(folder, WHO) for name, folder in folders.items()}

    replica = Replica(trained, home)
    friend = replica.http.get(f"/v1/users/{WHO}/data").json()["friends"][0]["user_id"]
    say(replica, friend)
    told = replica.http.get(f"/v1/users/{WHO}/data").json()
    assert (len(told["recent"]) >= 20, len(told["log"])) == (True, 25)
    replica.export()
    freed(trained.store)
    before = scan()
    receipt = replica.http.delete(f"/v1/users/{WHO}")
    assert receipt.status_code == 200, receipt.text
    at_once = scan()
    lists = replica.http.get(f"/v1/users/{friend}/recommendations").text
    replica.export()
    report = ingest(str(home / "source"), trained.clean)
    return before, receipt.json(), at_once, lists, report, scan()


def test_the_id_was_everywhere_but_in_release_and_model(story):
    before, *_ = story
    assert {name for name, files in before.items() if files} == {
        "log",
        "features",
        "exported",
        "clean",
    }


def test_the_log_and_online_features_let_go_at_once(story):
    _, receipt, at_once, lists, *_ = story
    assert at_once["log"] == []
    # What the pipeline wrote offline is left until it runs again.
    assert [file for file in at_once["features"] if not file.endswith(".parquet")] == []
    assert (receipt["features"], receipt["log_events"], receipt["log_referrals"]) == (1, 20, 2)
    assert receipt["friends"] > 0
    assert WHO not in lists


def test_exports_let_go_with_the_consumer_and_tables_with_the_next_ingest(story):
    *_, report, after = story
    assert report.tables["events"].erased > 0
    assert report.tables["ties"].erased > 0
    assert after["clean"] == []
    # The tables that the shop handed in are the shop's.
    assert all("/" not in file for file in after["exported"])
