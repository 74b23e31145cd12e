"""From a pipeline's own folder to the store that serving reads: offline, registry, then online.

Offline rows, registry and online store are named by addresses, the same that serving has. The files
come first, then the registry that points at them, then what lists are made from.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml  # type: ignore[import-untyped]
from feast import FeatureStore

from coterie.data.locks import REDIS, SQLITE, Locks, check_log_url, open_locks
from coterie.data.people_key import agree_on_key, key_of_ids
from coterie.data.stores import open_store as open_url
from coterie.data.stores import reaching
from coterie.data.suppressed import Suppressed
from coterie.data.suppression_store import read_suppressed
from coterie.errors import BadInputError, UnavailableError
from coterie.progress import Progress, silent
from coterie.recommend.point_in_time import TRAINING_FEATURES
from coterie.schema import (
    ASKED_TS,
    CONSENT,
    FRIEND_WEIGHTS,
    FRIENDS_MUTUAL,
    SHOPPER_RECENT_VIEW,
    SHOPPER_TIES_VIEW,
)
from feature_repo.online import Written, write_online
from feature_repo.services import service
from feature_repo.store import SETTINGS
from feature_repo.views import CREATED, TIMESTAMP, definitions, file_of

VIEWS: Final = (SHOPPER_RECENT_VIEW, SHOPPER_TIES_VIEW)
OFFLINE: Final = "features"
"""The lock of those who put files in the place of others."""
EVENT_LOGS: Final[dict[str, frozenset[str]]] = {"redis": REDIS, "sqlite": frozenset({SQLITE})}
"""Online stores by Feast's type, and the event logs whose locks all who write to them take."""
_TYPES: Final = {
    # Which training has no use for.
    ASKED_TS: pa.list_(pa.int64()),
    CONSENT: pa.list_(pa.int64()),
    FRIENDS_MUTUAL: pa.list_(pa.int64()),
    FRIEND_WEIGHTS: pa.list_(pa.float32()),
    **{column.name: column.type for column in TRAINING_FEATURES},
}
_FEW: Final = 1000
"""Rows of a file by which it is told what stands for people in it."""
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class SharedStore:
    """The feature store that serving reads."""

    offline: str
    """Folder or URL of the views' files."""
    settings: str
    """Feast's ``feature_store.yaml``: registry and online store; secrets stand in it as names of
    variables, ``${NAME}``."""
    event_log: str
    """URL of the event log that serving pushes from."""
    password: str = field(default="", repr=False)
    """Of the event log."""

    def check(self, environment: Mapping[str, str] = os.environ) -> None:
        """Refuse what nothing can be handed over to.

        Raises:
            BadInputError: The settings are none, a secret is missing, or those who write to this
                online store cannot lock each other out by this log.
        """
        try:
            kind = yaml.safe_load(self.settings)["online_store"]["type"]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise BadInputError(
                f"these are no settings of a feature store: {self.settings!r}; expected the text "
                "of Feast's feature_store.yaml with the type of its online store"
            ) from error
        unset = sorted({n for n in _VARIABLE.findall(self.settings) if not environment.get(n)})
        if unset:
            raise BadInputError(
                f"the settings of the feature store name {', '.join(unset)}, which is not set: "
                "does redis_secret name the secret that the chart made?"
            )
        check_log_url(self.event_log)
        scheme = urlsplit(self.event_log).scheme
        if scheme not in EVENT_LOGS.get(kind, ()):
            expected = (f"{store} with {min(logs)}://" for store, logs in EVENT_LOGS.items())
            raise BadInputError(
                f"online store {kind} with an event log {scheme}://: what serving pushes meanwhile "
                f"could be lost. Expected one of these pairs: {', '.join(expected)}"
            )

    @contextmanager
    def open(self) -> Iterator[FeatureStore]:
        """Open the store that serving reads.

        Raises:
            BadInputError: Feast does not take its settings.
        """
        with tempfile.TemporaryDirectory(prefix="coterie-features-") as folder:
            Path(folder, SETTINGS).write_text(self.settings)
            with asking_feast("open", self.offline):
                store = FeatureStore(repo_path=folder)
            yield store

    def locks(self) -> Locks:
        """Open the locks of those who write to it."""
        return open_locks(self.event_log, self.password)

    def suppressed(self) -> Suppressed:
        """Read who was erased, as the log of those who serve from it says."""
        return read_suppressed(self.event_log, self.password)

    def agree_on_key(self, path: str) -> None:
        """Refuse a view's file whose people stand under another key than those of serving.

        Raises:
            BadInputError: They do.
            UnavailableError: The log does not answer.
        """
        with _reading(path) as file:
            ids = pq.ParquetFile(file).iter_batches(_FEW, columns=["user_id"])
            few: list[str] = next((batch.column(0).to_pylist() for batch in ids), [])
        if few:
            name = key_of_ids(few)
            agree_on_key(self.event_log, self.password, name, "the features to hand over")


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What became of a snapshot."""

    snapshot_ms: int
    """When its tables were read, milliseconds since 1970, UTC."""
    newer_ms: int
    """The snapshot that was there already and is newer, so that nothing was changed; or 0."""
    online: Written

    def in_words(self) -> str:
        """Say what a person should know of the handover."""
        if self.newer_ms:
            return (
                f"nothing was handed over: features of tables read at {_time(self.newer_ms)} are "
                f"there already, these were read at {_time(self.snapshot_ms)}"
            )
        return (
            f"{self.online.shoppers:,} shoppers handed over, of tables read at "
            f"{_time(self.snapshot_ms)}: {self.online.recent:,} recent lists and "
            f"{self.online.ties:,} lists of friends changed online"
        )


def hand_over(
    folder: str, shared: SharedStore, version: str, told: Progress = silent
) -> HandedOver:
    """Put what ``fill_store`` left into the store that serving reads.

    A snapshot that is older than what is there changes nothing: a slow run that ends after a
    younger one takes nothing back.

    Args:
        folder: That ``fill_store`` filled.
        shared: Where to.
        version: Of the model that will read the features.
        told: How far it is.

    Raises:
        BadInputError: See ``SharedStore.check`` and ``agree_on_key``; or a store does not let us
            in.
        UnavailableError: A store does not answer.
    """
    shared.check()
    locks = shared.locks()
    files = {view: Path(file_of(folder, view)) for view in VIEWS}
    shared.agree_on_key(str(files[SHOPPER_TIES_VIEW]))
    snapshot_ms = min(_snapshot_ms(str(path)) for path in files.values())
    for view, path in files.items():
        newer_ms = put_rows(path, file_of(shared.offline, view), snapshot_ms, locks)
        if newer_ms:
            return HandedOver(snapshot_ms, newer_ms, Written(0))
    with shared.open() as store:
        register(store, shared.offline, version)
        recent, ties = (newest_rows(str(path), view) for view, path in files.items())
        written = write_online(store, recent, ties, snapshot_ms, locks, told, shared.suppressed)
    return HandedOver(snapshot_ms, 0, written)


def register(store: FeatureStore, offline: str, version: str = "") -> list[str]:
    """Register the views, and a version's service; what other definitions there are stays.

    Returns:
        Their names.
    """
    found: list[Any] = definitions(offline)
    with asking_feast("register views in", str(store.config.registry.path)):
        store.apply([*found, service(version)] if version else found)
    return [definition.name for definition in found]


def refill(shared: SharedStore, told: Progress = silent) -> HandedOver:
    """Bring the newest moment of the offline files online again, for a store that lost it.

    Raises:
        FileNotFoundError: A file is not there.
        BadInputError: See ``hand_over``.
        UnavailableError: A store does not answer.
    """
    shared.check()
    urls = {view: file_of(shared.offline, view) for view in VIEWS}
    shared.agree_on_key(urls[SHOPPER_TIES_VIEW])
    # Both before either is read: a younger run may be putting its own there.
    snapshot_ms = min(map(_snapshot_ms, urls.values()))
    recent, ties = (newest_rows(url, view) for view, url in urls.items())
    with shared.open() as store:
        written = write_online(
            store, recent, ties, snapshot_ms, shared.locks(), told, shared.suppressed
        )
    return HandedOver(snapshot_ms, 0, written)


def newest_rows(url: str, view: str) -> pa.Table:
    """Read the last moment of a view's file, a row a shopper, in the order of ids.

    Columns that were not there yet when the file was written are null.
    """
    with _reading(url) as file:
        rows = pq.read_table(file)
    last = rows.filter(pc.equal(rows[TIMESTAMP], pc.max(rows[TIMESTAMP]))).sort_by("user_id")
    for feature in next(one for one in definitions() if one.name == view).features:
        if feature.name not in last.column_names:
            missing = pa.nulls(len(last), _TYPES[feature.name])
            last = last.append_column(feature.name, missing)
    return last


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _snapshot_ms(url: str) -> int:
    """When the tables were read that a view's file tells of, to the second: of rows that are online
    some stores tell no more."""
    with _reading(url) as file:
        written = pq.read_table(file, columns=[CREATED])[CREATED]
    return int(pc.max(written).as_py().timestamp()) * 1000


def put_rows(path: Path, url: str, snapshot_ms: int, locks: Locks) -> int:
    """Put a file where readers look for it, unless a newer snapshot is there: which, or 0."""
    fs, place = open_url(url)
    # Beside, then renamed: a reader never sees half a file.
    beside = f"{place}.{secrets.token_hex(4)}.half"
    with reaching(url):
        fs.makedirs(place.rpartition("/")[0], exist_ok=True)
        fs.put_file(str(path), beside)
        try:
            with locks.lock(OFFLINE, wait_s=60.0):
                fs.invalidate_cache()
                known_ms = _snapshot_ms(url) if fs.exists(place) else 0
                if known_ms > snapshot_ms:
                    return known_ms
                locks.check_held()
                fs.mv(beside, place)
        finally:
            if fs.exists(beside):
                fs.rm_file(beside)
            fs.invalidate_cache()
    return 0


@contextmanager
def _reading(url: str) -> Iterator[Any]:
    fs, path = open_url(url)
    with reaching(url), fs.open(path, "rb") as file:
        yield file


@contextmanager
def asking_feast(what: str, where: str) -> Iterator[None]:
    """Turn what Feast's parts raise into errors of ours."""
    try:
        yield
    except Exception as error:
        raise UnavailableError(
            f"cannot {what} the feature store {where}: {type(error).__name__}: {error}; "
            "see whether registry and online store answer"
        ) from error
