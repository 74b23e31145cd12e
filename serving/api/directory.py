"""Shoppers that the storefront offers to look at."""

import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.ids import normal_id
from coterie.data.suppressed import NOBODY, Suppressed
from coterie.errors import BadInputError
from serving.ingestion.people_door import PeopleDoor
from serving.schemas import ShopperSample
from serving.settings import Settings

_STEP: Final = 2654435761
"""Knuth's multiplicative hash: a sample that is spread out, and the same each time."""


class ShopperDirectory:
    """Ids to choose from: those with a history and ties first."""

    def __init__(self, ids: pa.Array) -> None:
        self._ids = ids
        self._left_out: Suppressed | None = None

    @classmethod
    def empty(cls) -> "ShopperDirectory":
        """Make a directory that offers nobody."""
        return cls(pa.array([], pa.string()))

    @classmethod
    def read(cls, clean: str) -> "ShopperDirectory":
        """Read ids from a clean folder's tables, without those of people who may not be used.

        Raises:
            BadInputError: The folder holds no clean tables.
        """
        folder = Path(clean)
        try:
            active = pc.unique(_column(folder / "events.parquet", "user_id"))
            tied = pc.unique(_column(folder / "ties.parquet", "src_user_id"))
            users = pq.read_table(folder / "users.parquet", columns=["user_id", "may_be_used"])
        except OSError as error:
            raise BadInputError(
                f"no shoppers in {clean}: {error}; name a folder that ingest wrote"
            ) from error
        kept_out = users.filter(pc.equal(users.column("may_be_used"), False)).column("user_id")
        ids = active.filter(pc.invert(pc.is_in(active, value_set=kept_out.combine_chunks())))
        ids = ids.take(pc.sort_indices(ids))
        has_ties = pc.is_in(ids, value_set=tied)
        spread = ids.filter(has_ties), ids.filter(pc.invert(has_ties))
        return cls(pa.concat_arrays([_spread(part) for part in spread]))

    def part_of(self, text: str, door: PeopleDoor) -> str:
        """Say what to look for: what stands for somebody whom a text names, else the text."""
        try:
            inside = door.enter(normal_id(text))
        except BadInputError:
            return text
        return inside if pc.is_in(pa.scalar(inside), value_set=self._ids).as_py() else text

    def find(
        self,
        part: str,
        limit: int,
        withdrawn: Collection[str] = (),
        erased: Suppressed = NOBODY,
    ) -> ShopperSample:
        """Find ids that contain ``part``; a sample of all if it is empty.

        Args:
            part: Of an id.
            limit: Ids to name.
            withdrawn: Who may not be used any more: not found.
            erased: Who was erased: not known any more, also when they come back.
        """
        if erased and erased is not self._left_out:
            self._ids = self._ids.filter(pc.invert(erased.among(self._ids)))
            self._left_out = erased
        part = unicodedata.normalize("NFC", part).strip()  # ids are; a part need not be one
        found = self._ids.filter(pc.match_substring(self._ids, part)) if part else self._ids
        if withdrawn:
            gone = pa.array(sorted(withdrawn), pa.string())
            found = found.filter(pc.invert(pc.is_in(found, value_set=gone)))
        return ShopperSample(shoppers=found.slice(0, limit).to_pylist(), total=len(found))


def directory_of(settings: Settings) -> ShopperDirectory:
    """Find whom the storefront offers: nobody where there is none, or where no shoppers are set."""
    if not (settings.storefront and settings.shoppers):
        return ShopperDirectory.empty()
    return ShopperDirectory.read(settings.shoppers)


def _column(path: Path, name: str) -> pa.Array:
    column: pa.Array = pq.read_table(path, columns=[name]).column(name).combine_chunks()
    return column


def _spread(ids: pa.Array) -> pa.Array:
    scattered = [(row * _STEP) % (1 << 32) for row in range(len(ids))]
    return ids.take(pc.sort_indices(pa.array(scattered, pa.int64())))
