"""Faiss's codes where they lie in a file that is mapped, so that processes share their pages.

Faiss reads codes into memory of its own, and knows no mapping for this kind of index. What it calls
a table is a pointer and a length: here the pointer is made to name other memory for as long as the
index lives. Whether the table is laid out so is looked at first; where it is not, as another
version of faiss may have it, codes are copied, and nothing but memory depends on it.
"""

import ctypes
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGNED = 64
"""Bytes whose multiple the address of codes has to be: faiss reads 32 at a time."""
Bytes = npt.NDArray[np.uint8]


class _Table(ctypes.Structure):
    """What faiss's tables begin with."""

    _fields_ = (("address", ctypes.c_void_p), ("room", ctypes.c_size_t))


def take_codes(faiss: Any, index: Any) -> Bytes:
    """Copy the codes of an index, and leave it with none; ``ntotal`` is 0 then."""
    codes: Bytes = faiss.AlignedTable_to_array(index.codes).copy()
    index.reset()
    return codes


def give_codes(faiss: Any, index: Any, codes: Bytes, num: int) -> None:
    """Let an index without codes have some.

    Args:
        faiss: The library.
        index: An ``IndexPQFastScan`` that was trained and holds nothing.
        codes: What ``take_codes`` took from one, read only, at an aligned address. The index keeps
            them, and everything that they are a view of, for as long as it lives.
        num: How many vectors they are of.
    """
    if not _points_to(index, codes):
        faiss.copy_array_to_AlignedTable(codes, index.codes)
    index.ntotal = num
    index.ntotal2 = -(-num // index.bbs) * index.bbs


def _points_to(index: Any, codes: Bytes) -> bool:
    """Make the index's table name these codes; return whether that can be done."""
    if codes.ctypes.data % ALIGNED or not _is_laid_out(index):
        return False
    table = _table_of(index)
    table.address, table.room = codes.ctypes.data, len(codes)
    index.codes.numel = len(codes)
    # Faiss would free memory that is none of its own: only once the table is empty again may the
    # index go. When Python ends it stays, since a search may go on in another thread.
    index.this.disown()
    weakref.finalize(index, _let_go, index.this, table, codes).atexit = False
    return True


def _is_laid_out(index: Any) -> bool:
    """Check the layout of a table, empty so far, by giving it some bytes for a moment."""
    table = _table_of(index)
    before = table.address, table.room
    index.codes.resize(ALIGNED)
    known, seen, room = int(index.codes.get()), table.address, table.room
    index.codes.resize(0)
    after = table.address, table.room
    return before == after == (None, 0) and seen == known and room >= ALIGNED


def _table_of(index: Any) -> _Table:
    return _Table.from_address(int(index.codes.tab))


def _let_go(this: Any, table: _Table, codes: Bytes) -> None:  # noqa: ARG001 - kept until now
    table.address, table.room = None, 0
    this.acquire()
