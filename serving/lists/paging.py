"""Pages of a list: a token tells what earlier ones showed, so nothing comes twice, come what may.

Scores change between two pages, items come and go, and another release may answer: only what was
shown is certain. So that is what a token holds, as short hashes of ids, and it needs no server that
remembers.
"""

import base64
import binascii
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from coterie.errors import BadInputError

MAX_SHOWN: Final = 500
"""Items of all pages of a list together; whoever read so many looks for something else."""
_HASH: Final = 5
"""Bytes of an item: in a catalogue of a million, one list of two thousand that is read to its end
lacks an item for nothing."""
ABOUT_BYTES: Final = 8
"""Of the digest of what a list is about."""
_CHECK: Final = 4
_VERSION: Final = b"\x01"
MAX_TOKEN: Final = -(-(len(_VERSION) + ABOUT_BYTES + MAX_SHOWN * _HASH + _CHECK) // 3) * 4


@dataclass(frozen=True, slots=True)
class Shown:
    """What earlier pages of a list showed, in no order."""

    hashes: frozenset[bytes] = frozenset()

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def read(cls, token: str, about: bytes) -> "Shown":
        """Read a token that ``next_page`` made; an empty one is the first page's.

        Raises:
            BadInputError: It is damaged, or belongs to another list.
        """
        if not token:
            return NOTHING_SHOWN
        body = _decoded(token)
        if body[len(_VERSION) :][:ABOUT_BYTES] != about:
            raise BadInputError(
                "`after` belongs to another list: expected the `next` of an answer to the same "
                "shopper, filters, surface and query; leave `after` out to begin anew"
            )
        rest = body[len(_VERSION) + ABOUT_BYTES :]
        return cls(frozenset(rest[at : at + _HASH] for at in range(0, len(rest), _HASH)))

    def misses(self, item_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Tell which of some items no earlier page showed, shape (ids,)."""
        if not self.hashes:
            return np.ones(len(item_ids), np.bool_)
        known = self.hashes
        return np.fromiter((_hash(one) not in known for one in item_ids), np.bool_, len(item_ids))

    def next_page(self, item_ids: Iterable[str], about: bytes) -> str | None:
        """Make the token of the page after the one with these items; None: there is none."""
        hashes = self.hashes | {_hash(one) for one in item_ids}
        if len(hashes) >= MAX_SHOWN:
            return None
        body = _VERSION + about + b"".join(sorted(hashes))
        return base64.urlsafe_b64encode(body + _check(body)).decode().rstrip("=")


NOTHING_SHOWN: Final = Shown()


def _decoded(token: str) -> bytes:
    try:
        whole = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _damaged() from error
    body, check = whole[:-_CHECK], whole[-_CHECK:]
    shown = len(body) - len(_VERSION) - ABOUT_BYTES
    fits = shown >= 0 and shown % _HASH == 0 and shown <= MAX_SHOWN * _HASH
    if not fits or not body.startswith(_VERSION) or _check(body) != check:
        raise _damaged()
    return body


def _damaged() -> BadInputError:
    return BadInputError(
        "`after` is not the `next` of an answer: send it as it came, whole, or leave it out"
    )


@functools.lru_cache(100_000)
def _hash(item_id: str) -> bytes:
    return hashlib.blake2b(item_id.encode(), digest_size=_HASH).digest()


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK, person=b"page").digest()
