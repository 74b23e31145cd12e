"""Where a shop has a key for pseudonyms, no id of a person is in any byte that is kept, the whole
way round: requests, log, features, exports, clean tables, model, release, log lines, counts and
traces. Then the key is rotated, and lists stay what they were."""

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from tiny_shop import Trained, train, write_raw

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.pseudonyms import PseudonymKeys
from coterie.privacy.renew import renew
from coterie.probes import Starting
from coterie.release.bundle import load_release
from coterie.rollout.live import Live, ReleaseRef
from feature_repo.materialise import materialise
from serving import consumer
from serving.api.application import create_app
from serving.api.dependencies import AppParts
from serving.api.directory import ShopperDirectory
from serving.events.open import open_log, open_rows
from serving.features.live import LiveState
from serving.features.online_store import FeastFeatures
from serving.ingestion.eraser import Eraser
from serving.ingestion.exporter import Exporter
from serving.ingestion.sink import Sink
from serving.rollouts.router import ReleaseRouter
from serving.settings import Settings
from serving.telemetry.logs import start_logging
from serving.telemetry.metrics import ServingMetrics

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from scanning import found_in_bytes, found_in_folder

RAW = "zz-raw-7f3a-"
"""Begins the id of every shopper, and stands in nothing else."""
FIRST, SECOND = "first-key-0123456789abcdef0123456789", "second-key-0123456789abcdef012345678"
GONE = f"{RAW}shopper-0003"
NEWCOMER = f"{RAW}newcomer"


def renamed(raw):
    """Begin all ids of people alike, and let some rows be bad with an id in a wrong place."""
    for file in raw.glob("*.parquet"):
        table = pq.read_table(file)
        for place, name in enumerate(table.column_names):
            if name.endswith("user_id"):
                ids = [one and f"{RAW}{one}" for one in table[name].to_pylist()]
                table = table.set_column(place, name, pa.array(ids, pa.string()))
        pq.write_table(table, file)
    events = pq.read_table(raw / "events.parquet")
    odd = events.slice(0, 3)
    odd = odd.set_column(
        odd.column_names.index("event"), "event", pa.array([f"{RAW}misplaced"] * 3)
    )
    odd = odd.set_column(
        odd.column_names.index("event_id"), "event_id", pa.array(["o1", "o2", "o3"])
    )
    pq.write_table(pa.concat_tables([events, odd.cast(events.schema)]), raw / "events.parquet")
    return raw


class Replica:
    """An app on real stores, in this process, whose callers name people by the shop's ids."""

    def __init__(self, trained, state, source, key):
        self.state, self.source = state, str(source)
        self.place = f"sqlite://{state}/events.sqlite"
        self.log, features = open_log(self.place), FeastFeatures(trained.store)
        settings = Settings("unused", state=str(state), pseudonym_key=key)
        start_logging("DEBUG", str(state / "serving.log"))
        metrics = ServingMetrics()
        router = ReleaseRouter(features, metrics, live=LiveState(open_rows(self.place)))
        release = load_release(trained.bundle)
        router.adopt(Live(ReleaseRef(release.digest, trained.bundle)))
        self.sink = Sink(self.log, features, metrics, None, 1.0)
        self.eraser = Eraser(open_log(self.place), FeastFeatures(trained.store))
        directory = ShopperDirectory.empty()
        self.http = TestClient(create_app(AppParts(settings, router, self, metrics, directory)))

    async def write(self, entries):
        return self.sink.write([entries])[0]

    async def erase(self, user_id):
        return self.eraser.erase(user_id)

    async def lift(self, user_id):
        return self.eraser.lift(user_id)

    async def about(self, user_id, after, most):
        return self.eraser.about(user_id, after, most)

    def export(self):
        Exporter(open_log(self.place), self.source, ServingMetrics().log).export()

    def listed(self, user_id, k=20):
        answer = self.http.get(f"/v1/users/{user_id}/recommendations", params={"k": k})
        assert answer.status_code == 200, answer.text
        return answer.json()


def people(raw):
    ties = pq.read_table(raw / "ties.parquet")["src_user_id"].to_pylist()
    known = sorted(set(ties) - {GONE}, key=lambda one: (-ties.count(one), one))
    return known[0], known[1]


def say(replica, who, friend):
    """All that an app sends: events, ties, a consent, and what does not fit."""
    events = [
        {"event_id": f"live-{n}", "user_id": who, "item_id": f"item-{n:04}", "event": "view"}
        for n in range(5)
    ]
    events += [
        {**events[0], "event_id": "led", "user_id": NEWCOMER, "referrer_user_id": who},
        {**events[0], "event_id": "asked", "user_id": NEWCOMER, "event": "share"}
        | {"invited_user_id": who},
        {**events[0], "event_id": "checked", "user_id": f" {who} ", "text": "fine"},
        {**events[0], "event_id": "unfit", "event": f"{RAW}kind"},
    ]
    sent = replica.http.post("/v1/events", json={"events": events})
    assert (sent.status_code, sent.json()["accepted"]) == (207, 8), sent.text
    paths = (f"/v1/users/{who}/ties/{friend}", f"/v1/users/{NEWCOMER}/ties/{who}")
    for path in paths:
        assert replica.http.put(path, json={"kind": "friend"}).status_code == 200
    ties = [{"src_user_id": NEWCOMER, "dst_user_id": friend, "kind": "follow"}]
    assert replica.http.post("/v1/ties", json={"ties": ties}).status_code == 200
    assert replica.http.put(f"/v1/users/{friend}", json={"may_be_named": True}).status_code == 200
    assert replica.http.get(f"/v1/users/{who}/search", params={"q": "red"}).status_code == 200
    assert replica.http.get(f"/v1/users/{who}/nothing").status_code == 404
    assert replica.http.get(f"/v1/users/{who}%00x/data").status_code == 422


@pytest.fixture(scope="module")
def spans():
    """All traces of the process."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trace, "get_tracer_provider", lambda: provider)
        patched.setattr(trace, "get_tracer", provider.get_tracer)
        yield kept


@pytest.fixture(scope="module")
def story(tmp_path_factory, spans):
    """The shop under its first key, and what it leaves."""
    home = tmp_path_factory.mktemp("pseudonyms")
    source, keys = renamed(write_raw(home / "source")), PseudonymKeys([FIRST])
    config = {"loop.max_epochs": 1, "embedding_size": 8}
    trained = train(source, home / "work", "v1", keys, **config)
    replica = Replica(trained, home / "state", source, FIRST)
    who, friend = people(source)
    say(replica, who, friend)
    assert replica.http.delete(f"/v1/users/{GONE}").status_code == 200
    told = {
        "list": replica.listed(who),
        "newcomer": replica.listed(NEWCOMER),
        "data": replica.http.get(f"/v1/users/{who}/data").json(),
        "metrics": replica.http.get("/metrics").text,
    }
    replica.export()
    again = Trained(str(home / "clean-2"), str(home / "store-2"), trained.bundle)
    report = ingest(str(source), again.clean, IngestConfig(pseudonyms=keys))
    materialise(again.clean, again.store, str(home / "known-2"), "v1")
    return home, who, friend, trained, again, told, report, keys


def folders_of(home):
    parts = ("state", "work", "clean-2", "store-2", "known-2")
    return [*(home / name for name in parts), *(home / "source" / n for n in ("events", "changes"))]


def test_no_byte_that_is_kept_holds_an_id(story, spans):
    home, *_, told, _, _ = story
    folders = folders_of(home)
    assert all(folder.is_dir() and any(folder.iterdir()) for folder in folders)
    assert {str(f): found_in_folder(f, RAW) for f in folders if found_in_folder(f, RAW)} == {}
    # They are there under another name, so the scan has looked at something.
    assert all(found_in_folder(f, "ps-") for f in folders if f.name != "work")
    assert not found_in_bytes(told["metrics"].encode(), RAW)
    traced = json.dumps([json.loads(one.to_json()) for one in spans.get_finished_spans()])
    assert "request" in traced
    assert RAW not in traced


def test_answers_name_people_by_what_is_kept(story):
    _, who, friend, *_, told, _, keys = story
    assert told["list"]["user_id"] == keys.of(who)
    assert keys.of(friend) in {one["user_id"] for one in told["data"]["friends"]}
    assert RAW not in json.dumps(told)
    # Who has just come has a list by their friends, and by what they were led to.
    assert told["newcomer"]["source"] != "popular"


def test_exported_events_meet_the_shops_own_rows_of_a_person(story):
    _, who, _, _, again, _, report, keys = story
    events = pq.read_table(Path(again.clean) / "events.parquet")
    of_who = events.filter(pa.compute.equal(events["user_id"], keys.of(who)))
    live = [one for one in of_who["event_id"].to_pylist() if one.startswith("live-")]
    assert len(live) == 5
    assert of_who.num_rows > len(live)
    assert report.pseudonym_key == keys.name
    assert all(one.startswith("ps-") for one in events["user_id"].to_pylist())
    people_ = pq.read_table(Path(again.clean) / "users.parquet")["user_id"].to_pylist()
    assert all(one.startswith("ps-") for one in people_)
    assert report.tables["events"].erased > 0
    bad = pq.read_table(Path(again.clean) / "quarantine.parquet").to_pylist()
    assert len(bad) == 3


def test_a_rotated_key_leaves_lists_as_they_were(story):
    home, who, friend, _, again, _, _, first = story
    source, state = home / "source", home / "state-rotated"
    before = Replica(again, home / "state", source, FIRST)
    lists = {one: before.listed(one)["items"] for one in (who, friend, NEWCOMER)}
    keys = PseudonymKeys([FIRST, SECOND])
    assert renew(str(source), keys) == 2
    assert renew(str(source), keys) == 0
    old = {name: found_in_folder(source / name, first.name) for name in ("events", "changes")}
    assert old == {"events": [], "changes": []}
    rotated = replace(again, clean=str(home / "clean-3"), store=str(home / "store-3"))
    state.mkdir()
    settings = Settings(
        "none",
        state=str(state),
        event_export=str(source),
        pseudonym_key=f"{FIRST}\n{SECOND}",
    )
    given = consumer.options(["--restore"])
    consumer.consume(settings, given, threading.Event(), CollectorRegistry(), Starting())
    report = ingest(str(source), rotated.clean, IngestConfig(pseudonyms=keys))
    materialise(rotated.clean, rotated.store, str(home / "known-3"), "v1")
    after = Replica(rotated, state, source, f"{FIRST}\n{SECOND}")
    for one, items in lists.items():
        now = after.listed(one)
        assert now["user_id"] == keys.of(one)
        assert [(i["rank"], i["item"]["item_id"]) for i in now["items"]] == [
            (i["rank"], i["item"]["item_id"]) for i in items
        ]
        assert [i["score"] for i in now["items"]] == pytest.approx([i["score"] for i in items])
    for folder in (state, Path(rotated.clean), Path(rotated.store)):
        assert found_in_folder(folder, first.name) == found_in_folder(folder, RAW) == []
    # Who was erased under the first key stays out under the second.
    assert report.tables["events"].erased > 0
    event = {"event_id": "back", "user_id": GONE, "item_id": "item-0001", "event": "view"}
    refused = after.http.post("/v1/events", json={"events": [event]})
    assert (refused.status_code, "erased" in refused.text) == (422, True)
    assert after.http.put(f"/v1/users/{GONE}", json={"may_be_used": True}).status_code == 422
    assert after.http.get(f"/v1/users/{GONE}/data").json()["erased"] is True
    assert after.http.delete(f"/v1/users/{GONE}/erasure").json()["lifted"] is True
    assert after.http.post("/v1/events", json={"events": [event]}).status_code == 200
