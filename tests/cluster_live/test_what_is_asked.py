"""What the tests with a cluster ask for, held against the interfaces: this needs no cluster."""

import inspect
import json
import re
import sys
from pathlib import Path

import pytest
from live_cluster import RELEASE, ROOT

sys.path.insert(0, str(ROOT / "tests" / "serving"))
from test_life_of_an_install import PLANT, QUICK

sys.path.insert(0, str(ROOT / "tests" / "helm"))
import chart as rendered
from test_chart_schemas import SCHEMAS
from tools import NoHelmError, helm

TEXT = "".join(
    (Path(__file__).parent / name).read_text()
    for name in ("live_cluster.py", "test_life_of_an_install.py")
)
VALUES = Path(__file__).parent / "values.yaml"
RELEASED = (
    "--set",
    "release.folder=s3://coterie/releases/v1",
    "--set",
    f"release.digest={'0' * 64}",
)


@pytest.fixture(scope="module")
def chart():
    try:
        return rendered.Chart(helm())
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")


@pytest.mark.parametrize("command", ["upgrade", "status", "test", "uninstall"])
def test_helm_has_every_option(chart, command):
    known = set(re.findall(r"--[a-z-]+", chart.run(command, "--help")))
    options = {
        "upgrade": {
            "--install", "--create-namespace", "--values", "--set", "--force-conflicts",
            "--timeout", "--reuse-values",
        },
        "test": {"--timeout"},
        "uninstall": {"--wait"},
    }.get(command, set())  # fmt: skip
    assert {"--namespace", *options} <= known
    assert all(option in TEXT for option in options)


def test_the_client_of_pipelines_takes_every_argument():
    from kfp import Client

    asked = {
        "get_pipeline_id": (("name",), {}),
        "list_pipeline_versions": (("id",), {"sort_by": "created_at desc"}),
        "create_experiment": (("name",), {}),
        "run_pipeline": (
            ("experiment", "name"),
            {"pipeline_id": "", "version_id": "", "params": {}, "service_account": ""},
        ),
        "get_run": (("id",), {}),
        "terminate_run": (("id",), {}),
    }
    for name, (positional, named) in asked.items():
        assert f".{name}(" in TEXT
        inspect.signature(getattr(Client, name)).bind(None, *positional, **named)


def test_what_pipelines_answer_has_every_field():
    api = pytest.importorskip("kfp_server_api")
    assert "state" in api.V2beta1Run.openapi_types
    assert "run_id" in api.V2beta1Run.openapi_types
    assert "pipeline_versions" in api.V2beta1ListPipelineVersionsResponse.openapi_types
    assert "pipeline_version_id" in api.V2beta1PipelineVersion.openapi_types
    assert "experiment_id" in api.V2beta1Experiment.openapi_types


def test_kuberay_tells_what_is_read():
    if not SCHEMAS.is_dir():
        pytest.skip(f"no schemas of custom resources in {SCHEMAS}")
    service = json.loads((SCHEMAS / "RayService.ray.io.v1.json").read_text())
    status = service["properties"]["status"]["properties"]
    assert "rayClusterName" in status["activeServiceStatus"]["properties"]
    assert "conditions" in status


def test_the_chart_makes_what_is_looked_for(chart):
    objects = chart.objects(VALUES, *RELEASED)
    made = set(rendered.named(objects))
    assert {
        f"RayService/{RELEASE}", f"Secret/{RELEASE}-app", f"Secret/{RELEASE}-redis",
        f"ConfigMap/{RELEASE}-rollout", f"ConfigMap/{RELEASE}-training",
        f"StatefulSet/{RELEASE}-redis", f"ServiceAccount/{RELEASE}-train",
    } <= made  # fmt: skip
    assert {"worker", "head", "controller"} <= {pod.component for pod in rendered.pods(objects)}
    assert {"stable", "canary", "weight"} <= rendered.deployments(objects)["Api"][
        "user_config"
    ].keys()
    redis = rendered.one(objects, "StatefulSet", f"{RELEASE}-redis")
    (claim,) = redis["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"


def test_an_upgrade_that_changes_the_log_level_brings_a_new_ray_cluster(chart):
    before, after = (
        rendered.one(chart.objects(VALUES, *RELEASED, *more), "RayService", RELEASE)
        for more in ((), ("--set", "serving.logLevel=DEBUG"))
    )
    assert before["spec"]["rayClusterConfig"] != after["spec"]["rayClusterConfig"]
    assert before["metadata"]["annotations"] == after["metadata"]["annotations"]


def test_the_plan_of_a_quick_rollout_is_one():
    from serving.admin import PlanIn

    assert PlanIn(**QUICK).plan().min_samples == QUICK["min_samples"]


def test_the_planted_release_can_be_read_and_knows_nothing_of_shoppers(tmp_path):
    from small_shop import write_small_release

    from coterie.release.store import ReleaseStore

    write_small_release(tmp_path / "good")
    store = tmp_path / "store"
    store.mkdir()
    program = PLANT.format(source=tmp_path / "good", version="bad", store=store)
    # Not in a process of its own: on a busy machine a library's thread once outlived what was
    # done there, and aborted it. What is asked is what the program leaves.
    exec(compile(program, "plant", "exec"), {})
    bad = ReleaseStore(str(store)).get("bad")
    assert not bad.parameters["item_in"].any()
    assert bad.parameters["item_bias"].any()
