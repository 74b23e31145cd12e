"""The shop that faulty releases are tried on: simulated, and trained as its pipeline trains it."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie import workflow
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.simulate.world import World
from coterie.release.bundle import Release, load_release, write_release
from coterie.release.encoders import ReleasedEncoder
from coterie.release.gate import Limits
from coterie.schema import (
    FEATURE_TIMESTAMP,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
    TARGET_KINDS,
    EventKind,
)
from feature_repo.materialise import materialise
from pipelines.faulty_releases.fault import content_of
from pipelines.faulty_releases.search import TEXT, hashed
from serving.events.event import Event, by_shopper
from serving.features.online_store import FakeFeatures, Friends
from serving.features.recent import RecentList, merge
from serving.features.recent_rows import FIELDS

SMALL: Final = ShopConfig(num_users=1_500, num_items=600, num_events=60_000)
STRANGERS: Final = 0.15
"""Share of requests by shoppers of whom nothing is known."""
LESS: Final = 10 / 11
"""Share of the events that the live release was made from: all of them are a tenth more."""
MONTH: Final = timedelta(days=30)
_TIME: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class Shop:
    """A live release, the people who ask for lists, and what they really like."""

    home: Path
    release: Release
    folder: str
    """Of the live release."""
    until: datetime
    """When the last event had happened that it was made from."""
    features: FakeFeatures
    """Of what had happened by then."""
    coming: Mapping[str, Sequence[Event]]
    """What each shopper really did afterwards, without any list: first things first."""
    world: World
    user_ids: tuple[str, ...]
    """Who comes, strangers among them."""
    weight: np.ndarray
    """How often each comes, adding up to 1."""

    @property
    def known(self) -> int:
        """How many of them the shop knows; strangers follow."""
        return len(self.world.user_ids)


def make_shop(home: Path, config: ShopConfig = SMALL, less: float = LESS) -> Shop:
    """Simulate a shop, train its live release, and read what is known of its people.

    Args:
        home: A folder for all of it; where it has been made there, it is read.
        config: Of the simulator.
        less: Share of the events that the live release is made from; the rest is still to come.
    """
    raw, store, folder = home / "raw", home / "store", home / "live"
    if folder.exists():
        release, until = load_release(str(folder)), _reached(raw, less)
    else:
        simulate(config).write(str(raw))
        until = _reached(raw, less)
        with _cleaned(home, until, 1.0) as clean, _quiet():
            materialise(clean, str(store), str(home / "known"), "all")
        release = train(home, folder, "live", until)
    world = World.load(str(raw / "world.npz"))
    features, coming = _read_features(store), _read_coming(raw, until)
    shop = Shop(home, release, str(folder), until, features, coming, world, (), np.zeros(0))
    return visited_by(shop, STRANGERS)


def visited_by(shop: Shop, strangers: float) -> Shop:
    """Have a shop's people come as often as they did things, and strangers beside them.

    Args:
        shop: Whose people.
        strangers: Share of requests that are theirs.
    """
    known = [str(user_id) for user_id in shop.world.user_ids]
    others = [f"visitor-{number:04d}" for number in range(int(STRANGERS * len(known)))]
    often = np.array([1.0 + len(shop.features.recent.get(u, RecentList())) for u in known])
    weight = np.concatenate(
        [(1 - strangers) * often / often.sum(), np.full(len(others), strangers / len(others))]
    )
    return replace(shop, user_ids=(*known, *others), weight=weight)


def live_on(
    features: FakeFeatures, coming: Mapping[str, list[Event]], user_id: str, now: float
) -> None:
    """Have a shopper do what they really did next, without any list, up to what they wanted.

    Args:
        features: Changed in place: they know of it from now on.
        coming: By shopper, what is still to come, the first last; what is done is taken out.
        user_id: Who.
        now: When they do it, in seconds.
    """
    left, done = coming.get(user_id, []), list[Event]()
    while left and not (done and done[-1].event in TARGET_KINDS):
        done.append(replace(left.pop(), ts_ms=int(1000 * now) + 1 + len(done)))
    if done:
        features.recent[user_id] = merge(features.recent.get(user_id, RecentList()), done)


def train(
    home: Path,
    out: Path,
    version: str,
    until: datetime | None = None,
    share: float = 1.0,
    config: Mapping[str, Any] | None = None,
) -> Release:
    """Train a release on a shop's events.

    Args:
        home: Folder of the shop.
        out: Folder of the release.
        version: Of the release.
        until: Events from then on are left out; none if not given.
        share: Of the events that are left, drawn at random.
        config: Settings of the model that differ from the usual ones.
    """
    with _cleaned(home, until, share) as clean:
        model = str(Path(clean).with_name("model"))
        with _quiet():
            settings = workflow.FitSettings(config=config or {})
            workflow.fit_challenger(clean, model, settings)
        # A bad model is what is wanted here: the gate is not what is tried.
        limits = Limits(min_gain_over_popularity=-1)
        made = workflow.make_release(clean, model, f"{model}-released", version, limits)
        return _with_vectors(made, out)


def _with_vectors(release: Release, out: Path) -> Release:
    """Write a release with vectors of its items' texts, by an encoder that needs no weights."""
    said = [
        f"{title} {text}"
        for title, text in zip(
            *(release.catalogue.column(name).to_pylist() for name in ("title", "description")),
            strict=True,
        )
    ]
    made_by = ReleasedEncoder("letters", hashlib.sha256(b"letters").hexdigest())
    content = replace(
        content_of(release, release.version),
        vectors={TEXT: hashed(said)},
        encoders={TEXT: made_by},
    )
    return write_release(str(out), content)


@contextlib.contextmanager
def _cleaned(home: Path, until: datetime | None, share: float) -> Iterator[str]:
    """Clean a shop's tables, with some of its events, into a folder that is there for a while."""
    with tempfile.TemporaryDirectory(dir=home) as work:
        raw, clean = Path(work, "raw"), Path(work, "clean")
        raw.mkdir()
        for name in ("users", "ties", "items"):
            (raw / f"{name}.parquet").symlink_to(home / "raw" / f"{name}.parquet")
        pq.write_table(_events(home / "raw", until, share), raw / "events.parquet")
        ingest(str(raw), str(clean))
        yield str(clean)


def month_before(shop: Shop) -> datetime:
    """Find the time a month before the live release's last event."""
    return shop.until - MONTH


def _events(raw: Path, until: datetime | None, share: float) -> pa.Table:
    events = pq.read_table(raw / "events.parquet")
    if until is not None:
        events = events.filter(pc.less(_times(events), pa.scalar(until, _TIME)))
    kept = np.random.default_rng(0).random(len(events)) < share
    return events.filter(pa.array(kept))


def _read_coming(raw: Path, until: datetime) -> dict[str, list[Event]]:
    """Read what shoppers did from a time on, by shopper, in the order in which it happened."""
    events = pq.read_table(raw / "events.parquet")
    later = events.filter(pc.greater_equal(_times(events), pa.scalar(until, _TIME)))
    names = ("event_id", "user_id", "item_id", "event", "value")
    columns = (later.sort_by("ts")[name].to_pylist() for name in names)
    return by_shopper(
        Event(number, user, item, EventKind(kind), 0, value)
        for number, user, item, kind, value in zip(*columns, strict=True)
    )


def _times(events: pa.Table) -> pa.ChunkedArray:
    return events["ts"].cast(_TIME)


def _reached(raw: Path, share: float) -> datetime:
    """Find when this share of the events had happened."""
    times = _times(pq.read_table(raw / "events.parquet", columns=["ts"])).cast(pa.int64())
    return datetime.fromtimestamp(float(np.quantile(times.to_numpy(), share)) / 1e6, UTC)


def _read_features(store: Path) -> FakeFeatures:
    """Read the newest rows of a feature store's files: what its online store would answer."""
    found = FakeFeatures()
    for row in _newest(store / f"{SHOPPER_RECENT_VIEW}.parquet"):
        found.recent[row["user_id"]] = RecentList(*(tuple(row[name]) for name in FIELDS))
    for row in _newest(store / f"{SHOPPER_TIES_VIEW}.parquet"):
        found.friends[row["user_id"]] = Friends(
            tuple(row["friend_ids"]),
            tuple(row["friend_strengths"]),
            tuple(map(bool, row["friends_named"])),
            tuple(map(bool, row["friends_mutual"])),
            tuple(row["friend_weights"]),
        )
        may_be_named, may_be_used = map(bool, row["consent"])
        found.consent[row["user_id"]] = (may_be_named, may_be_used)
    return found


def _newest(file: Path) -> Sequence[Mapping[str, Any]]:
    table = pq.read_table(file)
    moment = table[FEATURE_TIMESTAMP]
    rows: list[Mapping[str, Any]] = table.filter(pc.equal(moment, pc.max(moment))).to_pylist()
    return rows


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what libraries print off the screen."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
