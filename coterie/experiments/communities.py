"""Communities as they were when an experiment began: shoppers stay with theirs to its end."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import BadInputError
from coterie.schema import NETWORK_COMMUNITY

FOLDER: Final = "communities"
"""Beside what is written down of experiments."""
USER_ID: Final = "user_id"
MOST_PEOPLE: Final = 2_000_000
"""In one map: 24 MB in each replica, and some 30 MB in its file."""
Ints = npt.NDArray[np.int64]


def frozen(study: pa.Table) -> pa.Table:
    """Take of what the network step found of people what an experiment keeps.

    Args:
        study: With ``user_id`` and ``community``, one row a person.

    Returns:
        These two columns, in the order of ids.

    Raises:
        BadInputError: Nobody is in it, or more than a map holds.
    """
    rows = study.select([USER_ID, NETWORK_COMMUNITY]).drop_null().sort_by(USER_ID)
    if not 0 < rows.num_rows <= MOST_PEOPLE:
        raise BadInputError(
            f"the network has communities of {rows.num_rows:,} people: expected 1 to "
            f"{MOST_PEOPLE:,}; draw shoppers instead"
        )
    community = pc.cast(rows[NETWORK_COMMUNITY], pa.int32())
    return pa.table({USER_ID: rows[USER_ID].cast(pa.string()), NETWORK_COMMUNITY: community})


def file_name(content: bytes, started_ms: int, num: int) -> str:
    """Name the file of a map by its digest, as exported files are named: whoever takes people who
    are erased out of these, or renews pseudonyms, knows it for one."""
    digest = hashlib.blake2b(content, digest_size=4).hexdigest()
    return f"{digest}-{started_ms:015d}-{started_ms:015d}_{num:08d}.parquet"


@dataclass(frozen=True, slots=True)
class CommunityMap:
    """Which community each person is drawn with."""

    keys: npt.NDArray[np.uint64]
    """Hashes of ids, rising, shape (people,)."""
    labels: npt.NDArray[np.int32]
    """Of each, shape (people,)."""

    @classmethod
    def of(cls, rows: pa.Table) -> "CommunityMap":
        """Make it of what ``frozen`` keeps."""
        parts = [_hashes(part.to_pylist()) for part in rows[USER_ID].chunks]
        keys = np.concatenate([np.zeros(0, np.uint64), *parts])
        order = np.argsort(keys, kind="stable")
        labels = rows[NETWORK_COMMUNITY].to_numpy().astype(np.int32)
        return cls(keys[order], labels[order])

    def named(self, user_id: str) -> str:
        """Name a shopper's community; empty: it is not known, and they are drawn alone."""
        label = int(self.find([user_id])[0])
        return "" if label < 0 else f"{label}"

    def find(self, user_ids: Sequence[str]) -> Ints:
        """Find the communities of shoppers; each who is in none has a number below 0 of their own.

        Args:
            user_ids: Each once.
        """
        wanted = _hashes(user_ids)
        alone = -1 - np.arange(len(wanted))
        if not len(self.keys):
            return alone
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.labels[at].astype(np.int64), alone)


def _hashes(user_ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    digests = (
        hashlib.blake2b(one.encode("utf-8", "replace"), digest_size=8).digest() for one in user_ids
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
