"""What the chart uploads into Kubeflow Pipelines, against the API's own description."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from chart import ROOT, one

pytest.importorskip("kfp")
from kubeflow_api import KubeflowApi, RefusedError, check, operations, pipeline_of, serving

PIPELINES = ("backtest", "lists", "refresh", "rollback", "train")
STORE = ("--set", "release.store=s3://shop/releases", "--set", "training.source=s3://shop/tables")
NIGHTLY = (
    "--set", "pipelines.recurring.refresh.enabled=true",
    "--set", "pipelines.recurring.refresh.parameters.roll_out=true",
)  # fmt: skip


def upload_job(chart, *options):
    """The pod of the upload, as the chart makes it, and the scripts that are mounted into it."""
    objects = chart.objects(None, *STORE, *options)
    jobs = [o for o in objects if o["kind"] == "Job"]
    containers = [c for job in jobs for c in job["spec"]["template"]["spec"]["containers"]]
    (container,) = [c for c in containers if c["name"] == "upload"]
    variables = {v["name"]: v["value"] for v in container["env"]}
    return container["args"], variables, one(objects, "ConfigMap", "coterie-scripts")["data"]


@pytest.fixture
def run_job(chart, tmp_path, monkeypatch):
    """Runs the script of the upload with the pod's own variables, in this process."""
    compiled = tmp_path / "compiled"

    def run(address, *options, schedules=None):
        options = ("--set", f"pipelines.endpoint={address}", *options)
        _, variables, scripts = upload_job(chart, *options)
        from pipelines.compile import compile_pipelines

        compile_pipelines(str(compiled), json.loads(variables["PIPELINE_DEFAULTS"]))
        path = tmp_path / "upload.py"
        path.write_text(scripts["upload.py"])
        spec = importlib.util.spec_from_file_location("chart_upload", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        settings = json.loads(variables["UPLOAD_SETTINGS"])
        settings["schedules"] = schedules or settings["schedules"]
        monkeypatch.setenv("UPLOAD_SETTINGS", json.dumps(settings))
        monkeypatch.setattr("sys.argv", ["upload.py", str(compiled)])
        monkeypatch.setenv("HOME", str(tmp_path))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This client only works", FutureWarning)
            module.main()

    return run


def test_the_job_of_the_chart_uploads_all_pipelines_and_their_schedules(chart, tmp_path):
    """Its own arguments, in a shell, as the pod runs them."""
    api = KubeflowApi()
    with serving(api) as address:
        endpoint = ("--set", f"pipelines.endpoint={address}")
        arguments, variables, scripts = upload_job(chart, *endpoint, *NIGHTLY)
        for name, text in scripts.items():
            (tmp_path / name).write_text(text)
        where = {"/etc/coterie/scripts": str(tmp_path), "/tmp/pipelines": str(tmp_path / "made")}
        for path, here in where.items():
            assert path in arguments[-1]
            arguments[-1] = arguments[-1].replace(path, here)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            arguments,
            env={**os.environ, **variables, "PATH": path, "HOME": str(tmp_path)}
            | {"PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    names = {one["name"] for one in api.pipelines.values()}
    assert names == {f"coterie-{name}" for name in PIPELINES}
    assert not api.tokens - {""}, "Kubeflow of one user wants none"
    (schedule,) = api.schedules.values()
    assert schedule["trigger"] == {"cron_schedule": {"cron": "0 0 2 * * *"}}
    assert schedule["service_account"] == "coterie-train"
    assert schedule["runtime_config"]["parameters"] == {"roll_out": True}
    version = api.versions[schedule["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["name"].startswith("0.1.0-"), "the schedule runs what was compiled"
    inputs = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    assert inputs["source"]["defaultValue"] == "s3://shop/tables"
    assert inputs["training_config"]["defaultValue"] == "coterie-training"


def test_the_same_install_again_changes_nothing(run_job):
    api = KubeflowApi()
    with serving(api) as address:
        run_job(address, *NIGHTLY)
        before = [set(api.pipelines), set(api.versions), set(api.schedules)]
        run_job(address, *NIGHTLY)
    assert [set(api.pipelines), set(api.versions), set(api.schedules)] == before


def test_another_image_is_a_new_version_that_the_schedule_runs(run_job):
    api = KubeflowApi()
    with serving(api) as address:
        run_job(address, *NIGHTLY)
        (first,) = api.schedules
        run_job(address, *NIGHTLY, "--set-string", "images.tag=7")
    (second,) = api.schedules.values()
    assert second["recurring_run_id"] != first
    version = api.versions[second["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["name"].startswith("7-")


def test_a_schedule_that_is_turned_off_goes_and_others_stay(run_job):
    api = KubeflowApi()
    with serving(api) as address:
        run_job(address, *NIGHTLY)
        (ours,) = api.schedules.values()
        others = [
            # By hand; of an install whose name begins like one of our pipelines; and many.
            {**ours, "recurring_run_id": f"by-hand-{n}", "display_name": name}
            for n, name in enumerate(
                ["mine", "coterie-refresh-by-hand", "coterie-refresh-x-0123456789ab", "a", "b"]
            )
        ]
        api.schedules = {one["recurring_run_id"]: one for one in [*others, ours]}
        run_job(address)
    assert set(api.schedules) == {one["recurring_run_id"] for one in others}


def test_where_kubeflow_has_several_users_all_of_it_is_that_users(run_job, monkeypatch, tmp_path):
    """With the pod's token; what is there already is found in that namespace."""
    token = tmp_path / "token"
    token.write_text("of-the-pod")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    users = ("--set", "pipelines.userNamespace=ana", "--set", "pipelines.token=true")
    api = KubeflowApi(several_users=True)
    with serving(api) as address:
        run_job(address, *users, *NIGHTLY)
        before = set(api.pipelines)
        run_job(address, *users, *NIGHTLY)
    assert set(api.pipelines) == before
    assert {one["namespace"] for one in api.pipelines.values()} == {"ana"}
    assert {one["namespace"] for one in api.schedules.values()} == {"ana"}
    assert api.tokens == {"Bearer of-the-pod"}


def test_an_install_of_the_same_name_elsewhere_is_refused(run_job):
    """Both would upload into one pipeline, and a person would start the other one's."""
    api = KubeflowApi()
    with serving(api) as address:
        run_job(address)
        for one in api.pipelines.values():
            one["description"] = one["description"].replace("shop/coterie", "other/coterie")
        with pytest.raises(SystemExit, match=r"belongs to install other/coterie.*nameOverride"):
            run_job(address)


def test_a_parameter_that_no_pipeline_has_is_refused(run_job):
    wrong = ("--set", "pipelines.recurring.refresh.parameters.wrokers=2")
    api = KubeflowApi()
    with (
        serving(api) as address,
        pytest.raises(SystemExit, match=r"no parameter wrokers: expected .*workers"),
    ):
        run_job(address, *NIGHTLY, *wrong)
    assert not api.schedules


def test_a_schedule_of_no_pipeline_is_refused(run_job):
    wrong = {"tarin": {"cron": "0 0 2 * * *", "parameters": {}}}
    api = KubeflowApi()
    with serving(api) as address, pytest.raises(SystemExit, match="no pipeline tarin"):
        run_job(address, schedules=wrong)
    assert not api.pipelines


# the pipelines themselves


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    from pipelines.compile import compile_pipelines

    return compile_pipelines(str(tmp_path_factory.mktemp("compiled")))


def test_every_pipeline_is_one_by_the_specification(compiled):
    assert sorted(path.stem for path in compiled) == sorted(PIPELINES)
    for path in compiled:
        spec = pipeline_of(path.read_bytes())
        assert spec.pipeline_info.name == f"coterie-{path.stem}"
        assert spec.schema_version == "2.1.0"
        for executor in spec.deployment_spec["executors"].values():
            assert executor["container"]["image"], path.stem


@pytest.mark.parametrize("document", [0, 1])
def test_what_the_specification_does_not_know_is_refused(compiled, document):
    (train,) = [path for path in compiled if path.stem == "train"]
    documents = list(yaml.safe_load_all(train.read_text()))
    documents[document]["wrokers"] = 2
    with pytest.raises(RefusedError, match="wrokers"):
        pipeline_of(yaml.safe_dump_all(documents).encode())


def test_what_a_step_asks_of_kubernetes_is_held_against_its_specification(compiled):
    (train,) = [path for path in compiled if path.stem == "train"]
    documents = list(yaml.safe_load_all(train.read_text()))
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    next(iter(executors.values()))["secretAsEnvs"] = [{}]
    with pytest.raises(RefusedError, match="secretAsEnvs"):
        pipeline_of(yaml.safe_dump_all(documents).encode())


# the description


def test_the_description_refuses_what_is_not_in_it():
    good = {
        "display_name": "a", "max_concurrency": 1, "mode": "ENABLE",
        "trigger": {"cron_schedule": {"cron": "0 0 2 * * *"}},
    }  # fmt: skip
    check("V2beta1RecurringRun", good, "run")
    for wrong, said in (
        ({**good, "modes": 1}, "run has modes"),
        ({**good, "mode": "ON"}, "run.mode is 'ON'"),
        ({**good, "trigger": {"cron_schedule": {"cron": 7}}}, "cron is 7: expected str"),
        ({**good, "recurring_run_id": "x"}, "recurring_run_id is set: Output"),
        ({k: v for k, v in good.items() if k != "display_name"}, "display_name is missing"),
        ({**good, "no_catchup": "yes"}, "no_catchup is 'yes': expected bool"),
    ):
        with pytest.raises(RefusedError, match=said):
            check("V2beta1RecurringRun", wrong, "run")


def test_the_description_holds_every_call_that_is_played():
    known = {one.name for one in operations()}
    played = {name for name in vars(KubeflowApi) if "service" in name or name.startswith("upload")}
    assert played <= known
