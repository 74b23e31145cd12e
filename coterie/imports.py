"""Imports that take less time than they ask for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quick_imports() -> Iterator[None]:
    """Let Feast be imported within, in a third of its time.

    Typeguard rewrites Feast's classes as they are imported, so that every call checks its types:
    4.8 s of 9.3 s, and time of every call after. Torch, 2.3 s and 200 MB, Feast imports for the
    case that somebody asks it for tensors: it is left out, unless it is there already.
    """
    import typeguard

    checked, torch_is_new = typeguard.typechecked, "torch" not in sys.modules
    typeguard.typechecked = _as_it_is
    if torch_is_new:
        sys.modules["torch"] = None  # type: ignore[assignment]  # what import refuses
    try:
        yield
    finally:
        typeguard.typechecked = checked
        if torch_is_new:
            del sys.modules["torch"]


def _as_it_is(target: Any = None, **_: Any) -> Any:
    """Leave a function as it is, called as ``typeguard.typechecked``, with arguments or not."""
    return _as_it_is if target is None else target
