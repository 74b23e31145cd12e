import subprocess
import sys

import pytest
import yaml

from components._base import IMAGE
from pipelines.compile import compile_pipelines
from pipelines.train import train_pipeline

STEPS = {"ingest", "features", "train", "evaluate", "release"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    [path] = compile_pipelines(str(tmp_path_factory.mktemp("compiled")))
    return path


@pytest.fixture(scope="module")
def spec(compiled):
    return yaml.safe_load(compiled.read_text())


def test_nothing_is_installed_at_run_time(compiled):
    text = compiled.read_text()
    assert "pip install" not in text
    assert "pip3" not in text


def test_every_step_runs_in_our_image(spec):
    executors = spec["deploymentSpec"]["executors"]
    assert {name.removeprefix("exec-") for name in executors} == STEPS
    assert {one["container"]["image"] for one in executors.values()} == {IMAGE}


def test_the_image_is_a_setting(tmp_path):
    program = (
        "from pipelines.compile import compile_pipelines; "
        f"print(compile_pipelines({str(tmp_path)!r})[0].read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"COTERIE_IMAGE": "registry.example/coterie:7", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "image: registry.example/coterie:7" in done.stdout
    assert IMAGE not in done.stdout


def test_the_same_code_compiles_to_the_same_bytes(compiled, tmp_path):
    program = f"from pipelines.compile import main; main(['--out', {str(tmp_path)!r}])"
    subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "7", "PATH": ""}, check=True
    )
    assert (tmp_path / "train.yaml").read_bytes() == compiled.read_bytes()


def test_every_parameter_is_described_and_all_but_the_source_have_a_default(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == set(train_pipeline.component_spec.inputs)
    assert [name for name, one in parameters.items() if not one.get("description")] == []
    assert [name for name, one in parameters.items() if not one.get("isOptional")] == ["source"]


def test_the_ui_gets_tables_of_metrics_and_the_report(spec):
    kinds = {
        (name.removeprefix("comp-"), artifact, one["artifactType"]["schemaTitle"])
        for name, component in spec["components"].items()
        for artifact, one in component["outputDefinitions"].get("artifacts", {}).items()
    }
    assert ("train", "validation", "system.Metrics") in kinds
    assert ("evaluate", "test", "system.Metrics") in kinds
    assert ("evaluate", "report", "system.HTML") in kinds


def test_steps_run_in_their_order(spec):
    tasks = spec["root"]["dag"]["tasks"]
    needs = {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()}
    assert needs == {
        "ingest": set(),
        "features": {"ingest"},
        "train": {"ingest", "features"},
        "evaluate": {"ingest", "train"},
        "release": {"ingest", "train", "evaluate"},
    }
