"""Imports that take less time than they ask for."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def expect_little_garbage() -> None:
    """Look for garbage a tenth as often, in a process that is ours from its beginning to its end.

    Nearly all that an import makes stays: looking it through for garbage again and again, as Python
    does by default, took a fifth of what a pipeline's steps import.
    """
    gc.set_threshold(10_000, 20, 20)


def leave_alone_what_is_here() -> None:
    """Look for garbage a tenth as often, and never again in all that this process holds by now.

    It is for a process that goes on to answer: what it imported and made stays to its end. Looking
    that through, some hundred thousand objects, held up whoever waited for an answer by a tenth of
    a second, again and again.
    """
    expect_little_garbage()
    gc.collect()
    gc.freeze()


@contextmanager
def quick_imports() -> Iterator[None]:
    """Let Feast be imported within, in a third of its time.

    Typeguard rewrites Feast's classes as they are imported, so that every call checks its types:
    4.8 s of 9.3 s, and time of every call after. Torch, 2.3 s and 200 MB, Feast imports for the
    case that somebody asks it for tensors: it is left out, unless it is there already.
    """
    import typeguard

    checked = typeguard.typechecked
    typeguard.typechecked = _as_it_is
    try:
        with without("torch"):
            yield
    finally:
        typeguard.typechecked = checked


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let modules that could do with another one be imported within, without it.

    Args:
        name: Of that module, which stays where it is there already.
    """
    new = name not in sys.modules
    if new:
        sys.modules[name] = None  # type: ignore[assignment]  # what import refuses
    try:
        yield
    finally:
        if new:
            del sys.modules[name]


@contextmanager
def without_compiler() -> Iterator[None]:
    """Let Torch's optimisers step within without its compiler, which takes 2 s to import.

    They import it at each step only to tell it not to look at them. Where it is there already it
    stays; nothing within may compile, nor wrap a module for several processes.
    """
    import torch

    name = "torch._dynamo"
    if name in sys.modules:
        yield
        return
    absent: Any = ModuleType(name)
    absent.graph_break = lambda: None
    absent.disable = lambda function, *_, **__: function
    sys.modules[name] = torch._dynamo = absent
    try:
        yield
    finally:
        del sys.modules[name], torch._dynamo


def load_feast() -> None:
    """Import Feast quickly."""
    with quick_imports():
        importlib.import_module("feast")


def load_serve() -> None:
    """Import what every process of Ray Serve needs; without pandas, 0.7 s of 1.5, whose frames it
    could write into answers."""
    with without("pandas"):
        importlib.import_module("ray.serve")


def _as_it_is(target: Any = None, **_: Any) -> Any:
    """Leave a function as it is, called as ``typeguard.typechecked``, with arguments or not."""
    return _as_it_is if target is None else target
