"""Rows, changes and marks of people in a shop that keeps no ids of its own inside.

What ``coterie.data.pseudonyms`` makes of one id is made here of columns, each id once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.changes import Change, people_of, states_of, tie_key
from coterie.data.checks import COLUMN, FOUND, REASON
from coterie.data.pseudonyms import (
    DIGEST_BYTES,
    DIGEST_CHARACTERS,
    IS_PSEUDONYM,
    NO_KEYS,
    OF_ANOTHER_KEY,
    PseudonymKeys,
    base64_for_addresses,
)
from coterie.data.suppressed import Suppressed, suppressed_in
from coterie.errors import BadInputError
from coterie.schema import TIES, Table, TieKind

EXPORTED_NAME: Final = r"(^|/)[0-9a-f]{8}(-[0-9]{15}(_[0-9]{8})?){2}\.parquet$"
"""Names of files that the event consumer wrote, which hold pseudonyms; all others are the shop's,
and a text in them that looks like a pseudonym is somebody's who would like to be another."""
COMMUNITIES: Final = "experiments/communities"
"""Where experiments keep, in a folder that is exported to, which community people are of."""
KEPT_BACK: Final = "kept back: it may be an id"
"""Stands in quarantine for what was found."""
PERSON: Final = "user_id"
"""Columns whose names end so hold ids of people."""
_LIKE: Final = "^ps-[0-9a-f]{8}-[A-Za-z0-9_-]{22}$"
_GROUPS: Final = -(-DIGEST_BYTES // 3)
_REMEMBERED: Final = 1 << 19
"""Ids whose pseudonyms are kept at hand while tables are read."""


class PseudonymousRows:
    """Puts pseudonyms in the place of ids in rows that were checked."""

    def __init__(self, keys: PseudonymKeys) -> None:
        self._keys = keys
        self._known: dict[str, bytes] = {}

    def of(self, table: Table, checked: pa.Table, file: str) -> pa.Table:
        """Replace the ids of people in checked rows.

        Args:
            table: Of the contract.
            checked: As ``checks.check`` leaves them, with the file of each row beside.
            file: Name of the column that says which file a row is of.

        Returns:
            The rows, without what was found in bad ones, which may be an id in a wrong place. A row
            that names somebody by what no id is, is bad.
        """
        if not self._keys:
            return checked
        exported = pc.match_substring_regex(checked[file], EXPORTED_NAME)
        for name in (one for one in table.arrow.names if one.endswith(PERSON)):
            made, wrong = self._column(checked[name], exported)
            checked = _put(checked, name, made)
            fresh = pc.and_(pc.is_valid(wrong), pc.is_null(checked[REASON]))
            if pc.any(fresh).as_py():
                checked = _put(checked, COLUMN, pc.if_else(fresh, name, checked[COLUMN]))
                checked = _put(checked, REASON, pc.if_else(fresh, wrong, checked[REASON]))
        told = pc.if_else(pc.is_valid(checked[FOUND]), KEPT_BACK, pa.scalar(None, pa.string()))
        return _put(checked, FOUND, told)

    def ids(self, texts: Iterable[str]) -> set[str]:
        """Make pseudonyms of what may be ids; what is a pseudonym of no key of ours is left out."""
        if not self._keys:
            return set(texts)
        return {found for text in texts if (found := _newest(self._keys, text)) is not None}

    def newest(self, ids: pa.ChunkedArray) -> pa.Array:
        """Bring a column of ids and pseudonyms to the newest pseudonyms.

        Raises:
            BadInputError: One is a pseudonym of another key.
        """
        made, wrong = self._column(ids, pa.scalar(True))
        if pc.any(pc.is_valid(wrong)).as_py():
            raise BadInputError(f"found {OF_ANOTHER_KEY}: give that key too")
        return made

    def _column(self, ids: pa.ChunkedArray, exported: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Make pseudonyms of a column, and say what is wrong with each: null where nothing is."""
        whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        coded = whole.cast(pa.string()).dictionary_encode()
        distinct = coded.dictionary
        like = pc.match_substring_regex(distinct, _LIKE)
        none = pa.nulls(len(whole), pa.string())
        if not pc.any(like).as_py():
            return self._pseudonyms(distinct).take(coded.indices), none
        newest = [_newest(self._keys, text) for text in distinct.filter(like).to_pylist()]
        made = pc.replace_with_mask(distinct, like, pa.array(newest, pa.string()))
        fresh = self._pseudonyms(distinct.filter(pc.invert(like)))
        made = pc.replace_with_mask(made, pc.invert(like), fresh).take(coded.indices)
        is_like = pc.fill_null(like.take(coded.indices), False)
        unknown = pc.and_(is_like, pc.is_null(made))
        wrong = pc.if_else(unknown, OF_ANOTHER_KEY, none)
        wrong = pc.if_else(pc.and_(is_like, pc.invert(exported)), IS_PSEUDONYM, wrong)
        return pc.if_else(pc.is_valid(wrong), none, made), wrong

    def _pseudonyms(self, distinct: pa.Array) -> pa.Array:
        texts = distinct.to_pylist()
        if len(self._known) + len(texts) > _REMEMBERED:
            self._known.clear()
        new = [text for text in texts if text not in self._known]
        self._known.update(zip(new, self._keys.digests(new), strict=True))
        digests = b"".join(map(self._known.__getitem__, texts))
        return _written(self._keys.prefix, digests)


AS_THEY_ARE: Final = PseudonymousRows(NO_KEYS)


def _written(prefix: str, digests: bytes) -> pa.Array:
    """Write n pseudonyms, 16 bytes each, after one prefix, as ``PseudonymKeys.of`` writes one."""
    num = len(digests) // DIGEST_BYTES
    # Three bytes take four characters: what is not of a digest makes the last group whole.
    padded = np.zeros((num, _GROUPS * 3), np.uint8)
    padded[:, :DIGEST_BYTES] = np.frombuffer(digests, np.uint8).reshape(num, DIGEST_BYTES)
    characters = np.frombuffer(base64_for_addresses(padded.tobytes()), np.uint8)
    characters = characters.reshape(num, _GROUPS * 4)
    width = len(prefix) + DIGEST_CHARACTERS
    texts = np.empty((num, width), np.uint8)
    texts[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    texts[:, len(prefix) :] = characters[:, :DIGEST_CHARACTERS]
    ends = np.arange(0, width * (num + 1), width, dtype=np.int32)
    return pa.StringArray.from_buffers(num, pa.py_buffer(ends), pa.py_buffer(texts.tobytes()))


def renewed_changes(changes: Sequence[Change], keys: PseudonymKeys) -> list[Change]:
    """Bring changes to the newest pseudonyms, without those of people who were erased under older
    ones; marks stay as they are.

    Raises:
        BadInputError: One names a pseudonym of another key.
    """
    if not keys:
        return list(changes)
    gone = suppressed_before(suppressed_in(states_of(changes)), keys)
    return [
        _renewed(change, keys)
        for change in changes
        if not any(person in gone for person in people_of(change))
    ]


def _renewed(change: Change, keys: PseudonymKeys) -> Change:
    people = [keys.of(person) for person in people_of(change)]
    if change.table != TIES.name:
        return replace(change, key=tuple(people)) if people else change
    one, other = people
    return replace(change, key=tie_key(one, other, TieKind(change.key[2])))


def suppressed_before(gone: Suppressed, keys: PseudonymKeys) -> Suppressed:
    """Know people who were erased by whatever stands for them: their ids, or older pseudonyms."""
    return _SuppressedBefore(gone, keys) if keys and gone else gone


class _SuppressedBefore(Suppressed):
    def __init__(self, gone: Suppressed, keys: PseudonymKeys) -> None:
        super().__init__()
        self._digests = gone._digests
        self._keys = keys

    def marks_of(self, user_id: str) -> list[str]:
        """Give the marks that a person is known by, under any key or none."""
        try:
            lineage = self._keys.lineage(user_id)
        except BadInputError:
            lineage = (user_id,)
        return [mark for text in lineage for mark in super(_SuppressedBefore, self).marks_of(text)]


def _newest(keys: PseudonymKeys, text: str) -> str | None:
    try:
        return keys.of(text)
    except BadInputError:
        return None


def _put(rows: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), column)
