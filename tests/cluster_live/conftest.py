"""Fixtures that bring the cluster into the state that a step needs, and the table at the end."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live_cluster import Cluster
from live_fake import fake
from live_install import Install, Release, clean_up, prepare, refuse_others
from live_settings import Settings, missing, read
from live_table import FAKE, ORDER, table

Saw = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Steps in the order of an install's life; without a cluster they are skipped."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    steps = sorted(
        (item for item in here if item.path.stem in ORDER),
        key=lambda item: ORDER.index(item.path.stem),
    )
    names = missing()
    for item in steps:
        fits_fake = item.get_closest_marker(FAKE) is not None
        if names and fits_fake:
            item.add_marker(pytest.mark.slow)
            continue
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(5400))
        if names:
            why = f"needs a cluster: set {', '.join(names)} (docs/cluster.md)"
            item.add_marker(pytest.mark.skip(reason=why))
    places = [place for place, item in enumerate(items) if item in steps]
    for place, item in zip(places, steps, strict=True):
        items[place] = item


def as_long(fixture_name: str, config: pytest.Config) -> str:
    """Say for how long an install stays.

    A real one costs minutes. The fake takes the place of our own clients in this process, so it
    is gone before another file of tests needs them.
    """
    return "module" if missing() else "session"


@pytest.fixture(scope=as_long)
def install(tmp_path_factory) -> Iterator[Install]:
    """The install, in a namespace of its own; all of it goes at the end.

    Where no cluster is named it is one on the fake.
    """
    if missing():
        with fake(tmp_path_factory.mktemp("fake")) as found:
            yield found
        return
    settings = read()
    cluster = Cluster(settings.namespace)
    refuse_others(cluster, settings)
    try:
        prepare(cluster, settings)
        yield Install(cluster, settings)
    finally:
        if not settings.keep:
            clean_up(cluster, settings)


@pytest.fixture(scope=as_long)
def settings(install) -> Settings:
    return install.settings


@pytest.fixture(scope=as_long)
def cluster(install) -> Cluster:
    return install.cluster


@pytest.fixture
def installed(install) -> Install:
    """The chart is in; perhaps nothing is served."""
    install.ensure_installed()
    return install


@pytest.fixture
def first(installed) -> Release:
    """A release in the store, with features of its shoppers."""
    return installed.release_for("first")


@pytest.fixture
def second(installed, first) -> Release:
    """Another release, of the same tables."""
    more = json.dumps({"loop.max_epochs": 4, "embedding_size": 16})
    return installed.release_for("second", settings=more)


@pytest.fixture
def serving(installed, first) -> Install:
    """The first release is stable, nothing is rolled out, and enough workers are Ready."""
    installed.ensure_served(first)
    return installed


@pytest.fixture
def saw(record_property, request) -> Saw:
    """Say figures that a step saw: at once, and again in the table at the end."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    began = time.monotonic()

    def say(**figures: Any) -> None:
        told = " ".join(f"{name}={value}" for name, value in figures.items())
        record_property("saw", told)
        if terminal:
            at = f"{time.monotonic() - began:7.1f} s"
            terminal.ensure_newline()
            terminal.write_line(f"{at}  {request.node.name}: {told}")

    return say


RESULTS: list[dict[str, Any]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a step ended."""
    path = Path(report.fspath)
    if path.parent.name != Path(__file__).parent.name or path.stem not in ORDER:
        return
    name = f"{path.stem.removeprefix('test_')}: {report.nodeid.rpartition('::')[2]}"
    last = RESULTS[-1] if RESULTS and RESULTS[-1]["step"] == name else None
    if last is None:
        last = {"step": name, "result": "passed", "seconds": 0.0, "saw": [], "why": ""}
        RESULTS.append(last)
    last["seconds"] = round(last["seconds"] + report.duration, 1)
    last["saw"] = [value for key, value in report.user_properties if key == "saw"]
    if report.failed:
        last |= {"result": "failed", "why": str(report.longrepr)[-2000:]}
    elif report.skipped:
        last |= {"result": "skipped", "why": str(report.longrepr)[-300:]}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of all steps, and write it as JSON."""
    if missing() or not RESULTS:
        return
    path = Path(os.environ.get("COTERIE_REPORT", "build/cluster-live.json"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(RESULTS, indent=2) + "\n")
    terminalreporter.section("steps")
    for line in table(RESULTS):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"the same as JSON: {path}")
