"""What holds for all tests, whichever of them share a process."""

import gc
import os
import sys
from collections.abc import Iterator
from operator import is_
from pathlib import Path

import prometheus_client  # noqa: F401 - see below
import pytest
from hypothesis import settings
from quick import is_quick, rank

# An example takes as long as the machine lets it: others work on it too.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
# They hold no doctests, and all of them have the same name.
# The last one needs a package that only those who type its command have.
collect_ignore_glob = ["conftest.py", "*/conftest.py", "fuzz/fuzz_atheris.py"]

# Before anything imports Torch: tests run side by side, and threads that wait busily for each other
# while somebody else has the core made one step of training take twenty times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# There are more processes than cores: a thread more in each took a sixth more of the cores' time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# helm and promtool live for a moment: to collect garbage so often took a fifth of their time.
os.environ.setdefault("GOGC", "400")

# Feast sets PROMETHEUS_MULTIPROC_DIR when it is imported, and prometheus-client decides at its own
# import whether counts are a process's alone: counted after Feast, one test would see another's.


def pytest_configure(config: pytest.Config) -> None:
    """Where all tests are collected, load pipelines while few modules are there: kfp looks through
    all of them at each request for cores or memory. Last of all it took nine seconds, first one.
    Who hands tests out to other processes collects none."""
    hands_out = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    if list(config.args) == config.getini("testpaths") and not hands_out:
        import pipelines.compile  # noqa: F401


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end, and looking through it for garbage again and again took
    a fifth of collection and a tenth of the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is quick, and put the longest files first."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    ranks = {}
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        ranks[item.path] = rank(path, item.path in slow)
        if is_quick(path, {marker.name for marker in item.iter_markers()}):
            item.add_marker("quick")
    items.sort(key=lambda item: ranks[item.path])


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their place: what is packed holds the second at which it was, and processes
    that share the tests refuse to begin where one of them has other names for them."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """A test leaves the environment as it was: serving hands Ray its switches and token in it."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


OURS = {"coterie", "serving", "pipelines", "components", "feature_repo"}
HERE = str(Path(__file__).parent)


SEEN: dict[str, dict[str, object]] = {}
"""What each module of ours held at the last look."""


def stand_ins() -> set[str]:
    """What tests have put in the place of functions and classes of ours since the last look."""
    ours = [
        (name, module)
        for name, module in sys.modules.items()
        if name.split(".")[0] in OURS and not is_as_seen(name, dict(vars(module)))
    ]
    if not ours:
        return set()
    SEEN.update((name, dict(vars(module))) for name, module in ours)
    of_tests = {
        name
        for name, module in sys.modules.items()
        if str(getattr(module, "__file__", "")).startswith(HERE)
    }
    return {
        f"{name}.{attribute}"
        for name, module in ours
        for attribute, value in list(vars(module).items())
        if getattr(value, "__module__", None) in of_tests
    }


def is_as_seen(name: str, held: dict[str, object]) -> bool:
    """Whether a module holds the same objects as at the last look: most do after each file."""
    seen = SEEN.get(name, {})
    return seen.keys() == held.keys() and all(map(is_, seen.values(), held.values()))


@pytest.fixture(scope="session")
def standing_in() -> set[str]:
    """Those that are known already: to look takes some thousandths of a second, so once a file."""
    return stand_ins()


@pytest.fixture(scope="module", autouse=True)
def nothing_stands_in(standing_in: set[str]) -> Iterator[None]:
    """A file of tests leaves our modules as they were: the next of this process uses them."""
    yield
    left = stand_ins() - standing_in
    standing_in |= left
    assert not left, f"left in place: {sorted(left)}"
