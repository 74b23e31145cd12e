"""What lists showed reaches its files, and nobody's who may not be there."""

import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry
from waiting import PATIENCE_S, wait_until

from coterie.errors import UnavailableError
from coterie.impressions.table import ShownList, read_impressions
from serving.events.sqlite_log import SqliteLog
from serving.features.online_store import FakeFeatures
from serving.ingestion import impression_writer as writing
from serving.ingestion.impression_writer import ImpressionWriter
from serving.ingestion.retention import Retention
from serving.ingestion.sweep import Sweeper
from serving.telemetry.instruments import ImpressionMetrics, LogMetrics

DAY_MS = 86_400_000


def shown(user_id, at_ms=DAY_MS, number=0):
    return ShownList(
        f"{number:012x}-{at_ms:x}-000000000000",
        user_id,
        at_ms,
        "home",
        "v1",
        "",
        "",
        "",
        ("pan", "lamp"),
        (1.0, 0.5),
    )


class Kept:
    def __init__(self, folder, share=1.0, **options):
        self.folder = str(folder / "tables")
        self.log = SqliteLog(folder / "events.sqlite")
        self.features = FakeFeatures()
        self.registry = CollectorRegistry()
        self.writer = ImpressionWriter(
            self.folder,
            share,
            ImpressionMetrics(self.registry),
            lambda: (self.log, self.features),
            **options,
        )

    def users(self):
        return sorted(set(read_impressions(self.folder)["user_id"].to_pylist()))

    def count(self, name):
        return self.registry.get_sample_value(name)


def test_what_was_shown_is_in_files_that_sweeper_and_retention_know(tmp_path):
    kept = Kept(tmp_path)
    kept.writer.note(shown("ana", 3 * DAY_MS, 1))
    kept.writer.note(shown("lou", DAY_MS, 2))
    assert kept.writer.flush() == 4
    assert kept.writer.flush() == 0
    assert kept.users() == ["ana", "lou"]
    assert kept.count("coterie_impressions_total") == 4
    sweeper = Sweeper(kept.log, kept.folder)
    [path] = sweeper.aged_files()
    assert kept.count("coterie_impression_bytes_total") == Path(path).stat().st_size
    clock = 5 * DAY_MS / 1000
    retention = Retention(
        kept.log,
        lambda: kept.features,
        sweeper,
        3.0,
        LogMetrics(CollectorRegistry()),
        lambda: clock,
    )
    assert retention.finish()["exports"] == 2
    assert kept.users() == ["ana"]


def test_who_is_erased_is_in_no_file_whichever_came_first(tmp_path):
    kept = Kept(tmp_path)
    for number, user_id in enumerate(("ana", "lou", "max")):
        kept.writer.note(shown(user_id, number=number))
    kept.writer.flush()
    kept.writer.note(shown("lou", number=9))
    with kept.log.lock("export"):
        kept.log.erase("lou")
    kept.writer.flush()
    assert Sweeper(kept.log, kept.folder).sweep() == 2
    assert kept.users() == ["ana", "max"]
    kept.writer.note(shown("lou", number=10))
    assert kept.writer.flush() == 0


@pytest.mark.parametrize("how", ["table", "live"])
def test_who_may_not_be_used_is_not_kept(tmp_path, how):
    kept = Kept(tmp_path, withdrawn=lambda: {"lou"} if how == "live" else set())
    if how == "table":
        kept.features.consent["lou"] = (True, False)
    for number, user_id in enumerate(("ana", "lou")):
        kept.writer.note(shown(user_id, number=number))
    kept.writer.flush()
    assert kept.users() == ["ana"]


def test_a_share_of_shoppers_is_kept_whole(tmp_path):
    writer = Kept(tmp_path, 0.25).writer
    kept = {n for n in range(4000) if writer.keeps(f"user-{n}")}
    assert 900 < len(kept) < 1100
    assert kept == {n for n in range(4000) if writer.keeps(f"user-{n}")}
    assert not any(Kept(tmp_path, 0.0).writer.keeps(f"user-{n}") for n in range(50))


def test_what_cannot_be_written_waits_and_too_much_of_it_is_dropped_and_counted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(writing, "MOST_WAITING", 3)
    kept = Kept(tmp_path)
    kept.features.down = True
    for number in range(5):
        kept.writer.note(shown("ana", number=number))
    with pytest.raises(UnavailableError):
        kept.writer.flush()
    assert kept.count("coterie_impressions_dropped_total") == 2
    kept.features.down = False
    assert kept.writer.flush() == 6


def test_a_request_waits_for_no_file(tmp_path, monkeypatch):
    kept, held = Kept(tmp_path), threading.Event()
    plain = writing.put_file
    monkeypatch.setattr(writing, "put_file", lambda *args: held.wait(PATIENCE_S) and plain(*args))
    kept.writer.start(0.01)
    kept.writer.note(shown("ana", number=1))
    wait_until(lambda: kept.writer._flushing.locked())
    kept.writer.note(shown("lou", number=2))  # would hang if it waited
    held.set()
    kept.writer.stop()
    assert kept.users() == ["ana", "lou"]


def test_files_are_small(tmp_path):
    """The cost that docs tell: bytes a row of lists of 20 items."""
    kept = Kept(tmp_path)
    ids = tuple(f"item-{n:06d}" for n in range(20))
    for number in range(500):
        one = shown(f"shopper-{number % 100:05d}", DAY_MS + number, number)
        kept.writer.note(
            ShownList(
                **{f: getattr(one, f) for f in one.__slots__}
                | {"item_ids": ids, "propensities": (1.0,) * 20}
            )
        )
    rows = kept.writer.flush()
    assert kept.count("coterie_impression_bytes_total") / rows < 12
    assert pq.read_metadata(Sweeper(kept.log, kept.folder).files("impressions")[0]).num_rows == rows
