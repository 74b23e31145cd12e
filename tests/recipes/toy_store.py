"""An online store that Feast does not know: shoppers' features in one table of a SQLite file."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel

TYPE = f"{__name__}.ToyOnlineStore"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TABLE = (
    "CREATE TABLE rows (view, shopper, feature, value, at_us, PRIMARY KEY (view, shopper, feature))"
)
# A push of an earlier turn comes too late: what is there is newer.
WRITE = """
INSERT INTO rows VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value, at_us = excluded.at_us
WHERE excluded.at_us > rows.at_us
"""


class ToyOnlineStoreConfig(FeastConfigBaseModel):
    type: Literal["tests.recipes.toy_store.ToyOnlineStore"]
    path: str


class ToyOnlineStore(OnlineStore):
    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        rows = [
            (table.name, key.SerializeToString(), name, value.SerializeToString(), _us(when))
            for key, values, when, _ in data
            for name, value in values.items()
        ]
        with closing(sqlite3.connect(config.online_store.path)) as file, file:
            file.executemany(WRITE, rows)
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: Any,
        table: Any,
        entity_keys: Sequence[Any],
        requested_features: Sequence[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        query = "SELECT feature, value, at_us FROM rows WHERE view = ? AND shopper = ?"
        with closing(sqlite3.connect(config.online_store.path)) as file:
            return [
                _row(file.execute(query, (table.name, key.SerializeToString())).fetchall())
                for key in entity_keys
            ]

    def update(self, config: Any, *_: Any, **__: Any) -> None:
        with closing(sqlite3.connect(config.online_store.path)) as file, file:
            if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
                file.execute(TABLE)

    def teardown(self, config: Any, *_: Any) -> None:
        with closing(sqlite3.connect(config.online_store.path)) as file, file:
            file.execute("DROP TABLE IF EXISTS rows")


def _row(found: list[tuple[str, bytes, int]]) -> tuple[datetime | None, dict[str, Value] | None]:
    if not found:
        return None, None
    values = {name: Value.FromString(value) for name, value, _ in found}
    return EPOCH + timedelta(microseconds=found[0][2]), values


def _us(when: datetime) -> int:
    """Feast leaves out the zone of some times; all are UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
