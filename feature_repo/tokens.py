"""Cheap names for Dask's frames, while Feast joins views whose cells are lists.

Dask names a frame by a hash of its content, and Feast's join asks for some 240 names. A column of
lists is hashed by pickling every cell: 31 s of 31 for 2,000 shoppers. Which frame it is serves as
well as what is in it, within one process and as long as no frame is changed in place.
"""

import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from dask.tokenize import normalize_token

_NAMED = (pd.DataFrame, pd.Series)


@contextmanager
def named_by_identity() -> Iterator[None]:
    """Let Dask name pandas' frames by which they are, not by what they hold."""
    names = _Names()
    before = {kind: normalize_token.dispatch(kind) for kind in _NAMED}
    for kind in _NAMED:
        normalize_token.register(kind, names.of)
    try:
        yield
    finally:
        for kind, function in before.items():
            normalize_token.register(kind, function)


class _Names:
    """A name for each living frame; the same one each time it is asked for."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[object], str]] = {}

    def of(self, frame: object) -> str:
        """Name a frame. An id alone would not do: it is given again after a frame's end."""
        known = self._known.get(id(frame))
        if known is None or known[0]() is not frame:
            known = (weakref.ref(frame), uuid.uuid4().hex)
            self._known[id(frame)] = known
        return known[1]
