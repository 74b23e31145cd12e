"""The step that trains by a RayJob, run as Kubeflow would: only Kubernetes is made up, and what a
RayJob's pods would do is done by a process beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from tiny_shop import write_raw

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("cluster", "helm")]
from chart import CI, Chart, one
from fake_api import FakeApi, serving
from tools import NoHelmError, helm

from coterie.monitoring.runs import SILENT_S, Outcome, Runs

UID = "0b16e7a2-9c1e-4d8a-b0de-6a4f0a4d3a11"


class Operator:
    """Runs what a RayJob asks for; the first of them is preempted before it has begun."""

    def __init__(self, api, lost=0):
        self.api, self.lost = api, lost
        self.jobs, self.running = [], {}
        api.job_looked_at = self.look

    def look(self, job):
        name = job["metadata"]["name"]
        if name not in self.running:
            self.jobs.append(job)
            self.running[name] = None if len(self.jobs) <= self.lost else self.start(job)
        work = self.running[name]
        if work is None:
            job["status"] = {"jobDeploymentStatus": "Failed", "reason": "AppFailed"}
            return
        over = work.poll() is not None
        self.show_log(name)
        job["status"] = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
        if over:
            self.log.close()
            won = work.returncode == 0
            job["status"] = {
                "jobDeploymentStatus": "Complete" if won else "Failed",
                "jobStatus": "SUCCEEDED" if won else "FAILED",
            }

    def start(self, job):
        program, url = job["spec"]["entrypoint"].split()[:-1], job["spec"]["entrypoint"].split()[-1]
        assert program == ["python", "-m", "components.training_job"]
        # Here is no Ray cluster to join: the same work in that process itself.
        path = Path(url.removeprefix("file://"), "job.json")
        sent = json.loads(path.read_text())
        sent["settings"] |= {"workers": 0, "address": "local"}
        sent["checkpoints"] = sent["checkpoints"].removeprefix("file://")
        path.write_text(json.dumps(sent))
        self.log = path.with_name("log").open("w+")
        return subprocess.Popen(
            [sys.executable, "-u", *program[1:], url], stdout=self.log, stderr=subprocess.STDOUT
        )

    def show_log(self, name):
        self.log.seek(0)
        lines = self.log.read().splitlines()
        pod, labels = f"{name}-abcde", {"coterie/job": name, "coterie/part": "submitter"}
        self.api.put("pods", pod, {"metadata": {"labels": labels}})
        self.api.logs[pod] = "".join(
            f"2026-11-26T05:00:00.{n:09d}Z {line}\n" for n, line in enumerate(lines)
        )


@pytest.fixture
def api():
    return FakeApi()


@pytest.fixture(scope="module")
def settings():
    """Where the chart says that this cluster trains."""
    try:
        objects = Chart(helm()).objects(CI["minimal"], "--set", "training.retries=1")
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")
    return one(objects, "ConfigMap", "coterie-training")["data"]["training.json"]


@pytest.fixture
def step(api, settings, tmp_path, monkeypatch):
    """The environment that Kubernetes gives the step's pod."""
    with serving(api) as address:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": address}}],
            "users": [{"name": "a", "user": {}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("COTERIE_TRAINING", settings)
        monkeypatch.setenv("COTERIE_POD_NAME", "the-step")
        monkeypatch.setenv("COTERIE_POD_UID", UID)
        monkeypatch.setenv("COTERIE_POD_NAMESPACE", "shop")
        yield tmp_path


def command(home, *more):
    write_raw(home / "raw")
    given = {
        "source": home / "raw",
        "settings": '{"loop.max_epochs": 3, "embedding_size": 16}',
        "min_gain": -1,
        "baselines": "popularity social",
        "ray_address": "rayjob",
        "checkpoints": f"file://{home}/bucket",
        "worker_memory": "3Gi",
    }
    command = [sys.executable, "-m", "pipelines.local", "--root", str(home / "run")]
    return [*command, *(f"{name}={value}" for name, value in given.items()), *more]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_trains_on_a_cluster_of_its_own_which_may_be_lost(api, step):
    operator = Operator(api, lost=1)
    content = 'content={"text": {"place": "default"}, "texts": {"max_characters": 60}}'
    done = subprocess.run(
        command(step, content), capture_output=True, text=True, timeout=300, check=False
    )
    log = (step / "run" / "pipeline.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log[-3000:]
    names = [job["metadata"]["name"] for job in operator.jobs]
    assert names == [f"coterie-train-{UID[:8]}-{attempt}" for attempt in (0, 1)]
    assert "a new cluster goes on from the last checkpoint" in log
    # The job's own progress, through its log.
    assert "coterie-progress\t3\t3\ttraining social" in log
    (group,) = operator.jobs[1]["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (worker,) = group["template"]["spec"]["containers"]
    assert worker["resources"]["limits"] == {"cpu": "4", "memory": "3Gi"}
    assert not ray_jobs(api)
    assert not list((step / "bucket" / "jobs").glob("*"))
    made = json.loads((step / "run" / "result.json").read_text())
    # The vectors went with the job, which sees no folder of ours, and into the release.
    told = json.loads(Path(made["bundle"], "manifest.json").read_text())
    assert told["encoders"]["text"]["place"] == "default"
    assert Path(made["bundle"], "content.safetensors").is_file()


@pytest.fixture
def training(api, step):
    """A run whose step waits for its RayJob: the process of the run, and that of the step."""
    api.job_looked_at = lambda job: job.update(status={"jobDeploymentStatus": "Running"})
    more = (f"status={step}/status", "version=v1")
    run = subprocess.Popen(
        command(step, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while not ray_jobs(api):
            assert run.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        yield run, step_of(run.pid)
    finally:
        run.terminate()
        run.wait(30)


def outcome(step, later_s=0.0):
    """How the run stands in the store, for whoever looks so much later."""
    (run,) = Runs(f"{step}/status", lambda: time.time() + later_s).read()
    return run.outcome, run.why


@pytest.mark.slow
def test_a_step_that_kubeflow_ends_takes_the_job_along_and_has_failed(api, step, training):
    run, process = training
    # Kubeflow's launcher passes it on.
    os.kill(process.pid, signal.SIGTERM)
    process.wait(30)
    assert not ray_jobs(api)
    assert run.wait(60) == 1
    assert outcome(step) == (
        Outcome.FAILED,
        "train: SIGTERM came: the run was terminated, or its pod evicted",
    )


@pytest.mark.slow
def test_a_step_that_is_killed_outright_has_failed_though_nobody_can_say_so(api, step, training):
    """As on a cluster, where nobody on this machine waits for it: its silence says so."""
    run, process = training
    run.kill()
    process.kill()
    run.wait(30)
    psutil.wait_procs([process], 30)
    assert outcome(step)[0] is Outcome.RUNNING, "it has only just fallen silent"
    ended, why = outcome(step, SILENT_S + 5)
    assert ended is Outcome.FAILED
    assert why.startswith("train: no sign of it")
    # Kubernetes removes the job with the step's pod; and where that pod stays, the job's program
    # ends once nobody waits (tests/workflow/test_remote.py).
    (name,) = ray_jobs(api)
    (owner,) = api.objects["rayjobs", name]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Pod", UID)


def ray_jobs(api):
    return [name for kind, name in list(api.objects) if kind == "rayjobs"]


def step_of(pid):
    """The process that runs the component: a fork of the run's, or the last of those that KFP
    starts where processes cannot be forked."""
    return psutil.Process(pid).children(recursive=True)[-1]
