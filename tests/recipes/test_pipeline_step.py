"""The recipe "A pipeline step" of CONTRIBUTING, followed for a toy: how many items each category
has."""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import IMAGE, component
from components.ingest import ingest
from coterie.monitoring.runs import Runs
from pipelines.cluster import LITTLE, ask_for
from pipelines.local import run_pipeline
from tests.tiny_shop import CONFIG, write_raw

ROOT = Path(__file__).parents[2]


# Step 2, components/<step>.py: unpacks paths and calls one function.
@component
def shelves(clean: Input[Dataset], figures: Output[Artifact], version: str, status: str) -> None:
    """Count the items of each category."""
    from coterie.workflow.status import recorded
    from tests.recipes.toy_step import count_shelves

    with recorded(status, version, "shelves"):
        count_shelves(clean.path, figures.path)


class Counted(NamedTuple):
    figures: Artifact


# Step 4, pipelines/graph.py: a task with what it needs, of the steps before it and of a machine.
@dsl.pipeline(name="toy")
def pipeline(source: str, version: str = "v1", status: str = "") -> Counted:
    taken = ingest(
        source=source,
        dataset="",
        mapping="",
        max_bad_share=0.05,
        runner="native",
        pipeline="train",
        version=version,
        status=status,
    )
    counted = shelves(clean=taken.outputs["clean"], version=taken.outputs["version"], status=status)
    ask_for(counted, *LITTLE)
    return Counted(counted.outputs["figures"])


class Heard:
    def __init__(self):
        self.steps = []

    def started(self, step):
        self.steps.append(step)

    def progressed(self, what, done, total):
        pass

    def noted(self, text):
        pass

    def finished(self, well):
        self.steps.append(well)


@pytest.fixture
def raw(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    return str(write_raw(tmp_path / "raw"))


def test_it_runs_here_after_the_step_that_it_needs_and_is_recorded(raw, tmp_path):
    heard, status = Heard(), str(tmp_path / "status")
    given = {"source": raw, "status": status}
    found = run_pipeline(str(tmp_path / "root"), given, heard, pipeline)
    assert heard.steps == ["ingest", True, "shelves", True]
    told = json.loads(Path(found["figures"], "shelves.json").read_text())
    assert sum(told.values()) == CONFIG.num_items
    (run,) = Runs(status).read()
    assert list(run.steps) == ["ingest", "shelves"]


def test_it_compiles_for_the_cluster_with_our_image(tmp_path):
    compiler.Compiler().compile(pipeline, str(tmp_path / "toy.yaml"))
    compiled = yaml.safe_load((tmp_path / "toy.yaml").read_text())
    container = compiled["deploymentSpec"]["executors"]["exec-shelves"]["container"]
    assert container["image"] == IMAGE
    assert container["resources"]["memoryRequest"] > 0
    assert compiled["root"]["dag"]["tasks"]["shelves"]["dependentTasks"] == ["ingest"]
