"""The recipe "A pipeline step" of CONTRIBUTING, followed for a toy: how many items each category
has."""

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
import yaml
from kfp import compiler
from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import IMAGE, component
from components.ingest import ingest
from coterie.monitoring.runs import STEPS, Runs
from pipelines._base import pipeline
from pipelines.kubernetes import LITTLE_RESOURCES, request_resources
from pipelines.local import parse_parameters, run_pipeline
from pipelines.parameters import TRAIN, Parameters, parameter
from serving.telemetry import pipeline_runs
from serving.telemetry.pipeline_runs import families
from tests.tiny_shop import write_raw

ROOT = Path(__file__).parents[2]


# Step 2, components/<step>.py: unpacks paths and calls one function.
@component
def shelves(
    clean: Input[Dataset], figures: Output[Artifact], min_items: int, version: str, status: str
) -> None:
    """Count the items of each category."""
    from coterie.workflow.status import recorded
    from tests.recipes.toy_step import count_shelves

    with recorded(status, version, "shelves"):
        count_shelves(clean.path, figures.path, min_items)


# Step 4, pipelines/parameters.py: a field for what a person may say to the step.
@dataclass(frozen=True, slots=True, kw_only=True)
class ToyParameters(Parameters):
    min_items: int = parameter("Categories with fewer items are left out.", (TRAIN,), default=1)


class Counted(NamedTuple):
    figures: Artifact


# Step 5, pipelines/release_steps.py: a task, with what it needs of other steps and of a machine.
@pipeline(TRAIN, "Counts the items of each category.")
def toy_pipeline(given: ToyParameters) -> Counted:
    """Ingest and count."""
    taken = ingest(
        source=given.source,
        dataset=given.dataset,
        mapping=given.mapping,
        max_bad_share=given.max_bad_share,
        runner=given.runner,
        keep_days=given.keep_days,
        content="",
        pseudonyms=given.pseudonyms,
        pipeline=TRAIN,
        version=given.version,
        status=given.status,
    )
    counted = shelves(
        clean=taken.outputs["clean"],
        min_items=given.min_items,
        version=taken.outputs["version"],
        status=given.status,
    )
    request_resources(counted, *LITTLE_RESOURCES)
    return Counted(counted.outputs["figures"])


class Heard:
    def __init__(self):
        self.steps = []

    def start(self, step):
        self.steps.append(step)

    def advance(self, what, done, total):
        pass

    def note(self, text):
        pass

    def finish(self, well):
        self.steps.append(well)


@pytest.fixture
def raw(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    return str(write_raw(tmp_path / "raw"))


@pytest.fixture
def shown(monkeypatch):
    """Step 3, coterie/monitoring/runs.py: its name in STEPS."""
    monkeypatch.setattr(pipeline_runs, "STEPS", ("ingest", "shelves", *STEPS[1:]))


def test_it_runs_here_after_the_step_that_it_needs_and_is_shown(raw, tmp_path, shown):
    heard, status = Heard(), str(tmp_path / "status")
    shelves = Counter(pq.read_table(f"{raw}/items.parquet")["category"].to_pylist())
    least = sorted(shelves.values())[len(shelves) // 2]
    typed = [f"source={raw}", f"status={status}", "version=v1", f"min_items={least}"]
    given = parse_parameters(typed, toy_pipeline)
    found = run_pipeline(str(tmp_path / "root"), given, heard, toy_pipeline)
    assert heard.steps == ["ingest", True, "shelves", True]
    told = json.loads(Path(found["figures"], "shelves.json").read_text())
    assert told == {name: count for name, count in shelves.items() if count >= least}
    assert 0 < len(told) < len(shelves)
    (run,) = Runs(status).read()
    assert list(run.steps) == ["ingest", "shelves"]
    metrics = {one.name: one for one in families([run], run.started, run.started)}
    steps = metrics["coterie_pipeline_step_seconds"].samples
    assert [sample.labels["step"] for sample in steps] == ["ingest", "shelves"]


def test_it_compiles_for_the_cluster_with_our_image(tmp_path):
    compiler.Compiler().compile(toy_pipeline, str(tmp_path / "toy.yaml"))
    compiled = yaml.safe_load((tmp_path / "toy.yaml").read_text())
    container = compiled["deploymentSpec"]["executors"]["exec-shelves"]["container"]
    assert container["image"] == IMAGE
    assert container["resources"]["memoryRequest"] > 0
    assert compiled["root"]["dag"]["tasks"]["shelves"]["dependentTasks"] == ["ingest"]
    assert compiled["root"]["inputDefinitions"]["parameters"]["min_items"] == {
        "defaultValue": 1,
        "description": "Categories with fewer items are left out.",
        "isOptional": True,
        "parameterType": "NUMBER_INTEGER",
    }
