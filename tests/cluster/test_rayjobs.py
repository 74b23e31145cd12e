"""A step trains by a RayJob: what it sends to Kubernetes, and what it survives."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import serving

from coterie.cancel import CancelledError, cancellable
from coterie.cluster import jobs as jobs_module
from coterie.cluster.jobs import RayJobs
from coterie.cluster.rayjob import JOB_LABEL, PART_LABEL, Pod, TrainingCluster, ray_job
from coterie.cluster.training import fit_on_cluster
from coterie.errors import BadInputError, UnavailableError
from coterie.workflow import remote
from coterie.workflow.settings import FitSettings

SCHEMA = Path(__file__).parents[3] / "shared" / "schemas" / "RayJob.ray.io.v1.json"
POD = Pod("coterie-train-step", "0b16e7a2-9c1e-4d8a-b0de-6a4f0a4d3a11", "shop")
NAME = "coterie-train-0b16e7a2-0"
HALF = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
CLUSTER = TrainingCluster(
    name="coterie-train",
    image="registry.example/coterie-train:7",
    service_account="coterie-train",
    resources={part: {**HALF[part], "nvidia.com/gpu": 1} for part in HALF},
    head_resources=HALF,
    pull_secrets=({"name": "login"},),
    node_selector={"pool": "gpu"},
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists"},),
    labels={"kueue.x-k8s.io/queue-name": "training"},
    pod_labels={"app.kubernetes.io/component": "training"},
    s3_secret="s3-user",
    s3_endpoint="http://minio:9000",
    s3_region="us-east-1",
    retries=2,
)


def line(second, text, nanos="5"):
    return f"2026-11-26T05:00:{second:02d}.{nanos}Z {text}\n"


class Story:
    """What becomes of each RayJob: its phases, look by look, and what its log says then."""

    def __init__(self, api, *attempts):
        self.api, self.attempts = api, [list(one) for one in attempts]
        self.born: list[str] = []
        api.job_looked_at = self.look

    def look(self, job):
        name = job["metadata"]["name"]
        if name not in self.born:
            self.born.append(name)
        rounds = self.attempts[self.born.index(name)]
        status, text = rounds.pop(0) if len(rounds) > 1 else rounds[0]
        job["status"] = status
        if text is not None:
            pod = f"{name}-abcde"
            labels = {JOB_LABEL: name, PART_LABEL: "submitter"}
            self.api.put("pods", pod, {"metadata": {"labels": labels}})
            self.api.logs[pod] = text


def phase(name, job="", reason="", message=""):
    return {
        "jobDeploymentStatus": name, "jobStatus": job, "reason": reason, "message": message
    }  # fmt: skip


RUNNING = (phase("Running", "RUNNING"), line(1, "epoch 1"))
DONE = (phase("Complete", "SUCCEEDED"), line(1, "epoch 1") + line(1, "epoch 2", "75"))
LOST = (phase("Failed", "FAILED", "AppFailed", "the head is gone"), line(1, "epoch 1"))


@pytest.fixture
def said():
    return []


@pytest.fixture
def jobs(cluster, said):
    return RayJobs(cluster, said.append, look_s=0.01, patience_s=5.0, leaving_s=1.0)


def body(name=NAME):
    return ray_job(CLUSTER, name, POD, ["python", "-m", "x", "s3://a b"], 3)


def left(api):
    return [name for kind, name in api.objects if kind == "rayjobs"]


def test_kuberay_takes_the_job():
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMA.is_file():
        pytest.skip(f"no schema of RayJob in {SCHEMA}")
    schema = closed(json.loads(SCHEMA.read_text()))
    whole = {"apiVersion": "ray.io/v1", "kind": "RayJob", **body()}
    jsonschema.Draft202012Validator(schema).validate(whole)
    slipped = {**whole, "spec": {**whole["spec"], "shutdownAfterJobFinish": True}}
    with pytest.raises(jsonschema.ValidationError, match="shutdownAfterJobFinish"):
        jsonschema.Draft202012Validator(schema).validate(slipped)


def closed(schema):
    """Kubernetes drops unknown fields without a word: a slip would go unnoticed."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    is_object = isinstance(inner.get("properties"), dict) and inner.get("type") == "object"
    if is_object and "additionalProperties" not in inner:
        if set(inner["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}:
            inner["properties"]["metadata"] = {"type": "object"}
        inner["additionalProperties"] = False
    return inner


def test_the_job_is_shut_down_and_goes_with_the_step():
    made = body()
    spec, (owner,) = made["spec"], made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", POD.name, POD.uid)
    assert spec["shutdownAfterJobFinishes"] is True
    # It would keep the GPUs for so long.
    assert spec["ttlSecondsAfterFinished"] == 0
    # KubeRay cannot tell a wrong input from a lost node.
    assert spec["backoffLimit"] == 0
    assert spec["entrypoint"] == "python -m x 's3://a b'"


def test_workers_lie_on_the_pool_all_or_none_and_the_head_takes_no_work():
    made = body()
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "training"
    assert made["metadata"]["labels"]["ray.io/gang-scheduling-enabled"] == "true"
    ray = made["spec"]["rayClusterSpec"]
    (group,) = ray["workerGroupSpecs"]
    assert group["replicas"] == group["minReplicas"] == group["maxReplicas"] == 3
    pod = group["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    head = ray["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert "nodeSelector" not in head["template"]["spec"]
    assert "nvidia.com/gpu" not in head["template"]["spec"]["containers"][0]["resources"]["limits"]


def test_secrets_are_named_and_nowhere_written(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    made = body()
    assert "hunter2" not in json.dumps(made)
    for template in templates(made):
        (container,) = template["spec"]["containers"]
        from_secret = {
            one["name"]: one["valueFrom"]["secretKeyRef"]["name"]
            for one in container["env"]
            if "valueFrom" in one
        }
        assert from_secret == dict.fromkeys(
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "s3-user"
        )


def templates(made):
    spec = made["spec"]
    groups = [spec["rayClusterSpec"]["headGroupSpec"], *spec["rayClusterSpec"]["workerGroupSpecs"]]
    return [spec["submitterPodTemplate"], *(group["template"] for group in groups)]


def test_pods_are_restricted():
    for template in templates(body()):
        assert template["metadata"]["labels"]["app.kubernetes.io/component"] == "training"
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        assert template["spec"]["automountServiceAccountToken"] is False
        (container,) = template["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])


def test_resources_can_be_asked_for():
    asked = CLUSTER.asking("8", "32Gi", "nvidia.com/gpu", 2)
    for part in ("requests", "limits"):
        assert asked.resources[part] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 2}
    assert CLUSTER.asking() == CLUSTER
    worker = ray_job(asked, NAME, POD, ["x"], 1)["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    threads = worker["template"]["spec"]["containers"][0]["env"][-1]
    assert threads == {"name": "OMP_NUM_THREADS", "value": "8"}
    with pytest.raises(BadInputError, match="Name the resource"):
        CLUSTER.asking(accelerators=1)


def test_settings_of_another_version_are_refused():
    with pytest.raises(BadInputError, match="colour"):
        TrainingCluster.of('{"name": "a", "colour": "red"}')
    with pytest.raises(BadInputError, match="image"):
        TrainingCluster.of('{"name": "a"}')


def test_names_fit_into_what_kuberay_makes_of_them():
    long = replace(CLUSTER, name="a" * 60)
    assert len(long.job_name(POD, 2)) == 47
    assert CLUSTER.job_name(POD, 0) == NAME


def test_the_jobs_log_is_repeated_and_the_job_removed(api, jobs, said):
    waiting = (phase("Suspended"), None)
    Story(api, [waiting, waiting, RUNNING, RUNNING, DONE])
    jobs.run(NAME, body())
    assert said == [f"RayJob {NAME} waits in its queue", "epoch 1", "epoch 2"]
    assert left(api) == []


def test_whoever_works_is_told_that_we_wait(api, jobs, monkeypatch):
    monkeypatch.setattr(jobs_module, "BEAT_S", 0.0)
    Story(api, [RUNNING, RUNNING, DONE])
    beats = []
    jobs.run(NAME, body(), lambda: beats.append(1))
    assert len(beats) == 3


def test_a_pod_that_has_not_started_has_no_log_yet(api, jobs, said):
    Story(api, [(RUNNING[0], None), DONE])
    labels = {JOB_LABEL: NAME, PART_LABEL: "submitter"}
    api.put("pods", f"{NAME}-abcde", {"metadata": {"labels": labels}})
    jobs.run(NAME, body())
    assert said == ["epoch 1", "epoch 2"]


@pytest.mark.parametrize("status", [409, 410, 429, 500, 503, 0, -2])
@pytest.mark.parametrize(
    ("verb", "plural"), [("get", "rayjobs"), ("list", "pods"), ("get", "pods/log")]
)
def test_troubles_of_the_api_are_waited_out(api, jobs, said, status, verb, plural):
    Story(api, [RUNNING, RUNNING, RUNNING, DONE])
    api.fail(verb, plural, status, times=2, headers={"Retry-After": "1"})
    jobs.run(NAME, body())
    assert said == ["epoch 1", "epoch 2"]
    assert left(api) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("status", [429, 500, 0])
def test_a_job_whose_creation_was_not_answered_is_created_once(api, jobs, status, after):
    Story(api, [DONE])
    api.fail("create", "rayjobs", status, after=after)
    jobs.run(NAME, body())
    # Found again, not made twice: the name is the same.
    assert [r[0] for r in api.requests if r[1] == "rayjobs"].count("create") == 2
    assert left(api) == []


def test_an_api_that_stays_away_ends_the_wait(api, cluster, said):
    Story(api, [RUNNING])
    api.fail("get", "rayjobs", 503, times=float("inf"))
    jobs = RayJobs(cluster, said.append, look_s=0.01, patience_s=0.1, leaving_s=0.1)
    with pytest.raises(UnavailableError, match="503"):
        jobs.run(NAME, body())
    assert left(api) == []


def test_a_job_that_cannot_be_removed_is_told_of(api, cluster, said):
    Story(api, [DONE])
    api.fail("delete", "rayjobs", 500, times=float("inf"))
    jobs = RayJobs(cluster, said.append, look_s=0.01, leaving_s=0.05)
    jobs.run(NAME, body())
    assert said[-1].startswith(f"RayJob {NAME} was not removed")


def test_a_job_that_somebody_removed_is_not_made_again(api, jobs):
    Story(api, [RUNNING])
    api.job_looked_at = lambda job: api.objects.pop(("rayjobs", NAME), None)
    api.objects.clear()

    def gone(verb, plural):
        api.objects.pop(("rayjobs", NAME), None)

    api.on_write = gone
    with pytest.raises(BadInputError, match="removed by somebody"):
        jobs.run(NAME, body())


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (phase("Failed", "FAILED", "AppFailed"), UnavailableError),
        (phase("Failed", "", "SubmissionFailed"), UnavailableError),
        (phase("Complete", "STOPPED"), UnavailableError),
        (phase("Failed", "RUNNING", "DeadlineExceeded"), BadInputError),
        (phase("ValidationFailed", "", "ValidationFailed", "no image"), BadInputError),
    ],
)
def test_how_it_failed_says_whether_to_try_again(api, jobs, status, error):
    Story(api, [(status, None)])
    with pytest.raises(error, match=NAME):
        jobs.run(NAME, body())
    assert left(api) == []


def test_a_right_that_is_missing_is_named(api, jobs):
    api.fail("create", "rayjobs", 403)
    with pytest.raises(BadInputError, match="verb create on rayjobs"):
        jobs.run(NAME, body())


# With the work itself, which a fake does.


@pytest.fixture
def tables(tmp_path):
    for part in ("clean", "known"):
        (tmp_path / part / "inner").mkdir(parents=True)
        (tmp_path / part / "inner" / "rows.parquet").write_bytes(part.encode())
    return tmp_path


@pytest.fixture
def fit(tables, jobs, said, api):
    def fit():
        settings = FitSettings(workers=2)
        url = f"file://{tables}/bucket"
        clean, known, out = (str(tables / part) for part in ("clean", "known", "out"))
        fit_on_cluster(clean, known, out, settings, url, CLUSTER, POD, jobs, said.append)
        return tables / "out"

    return fit


def works(api, tables, attempts):
    """Each RayJob does what ``attempts`` says: it is lost, refuses, or does it."""
    seen = []

    def look(job):
        name = job["metadata"]["name"]
        if "status" in job:
            return
        url = job["spec"]["entrypoint"].split()[-1]
        what = attempts[len(seen)]
        sent = Path(url.removeprefix("file://"))
        seen.append((name, sorted(p.relative_to(sent).as_posix() for p in sent.rglob("*.*"))))
        if what == "refused":
            remote._write(f"{url}/outcome.json", {"refused": "events lack a column"})
        elif what == "done":
            for part in ("challenger.json", "parameters.safetensors"):
                remote._write(f"{url}/challenger/{part}", {})
            remote._write(f"{url}/outcome.json", {"refused": ""})
        job["status"] = phase("Complete", "SUCCEEDED") if what == "done" else LOST[0]

    api.job_looked_at = look
    return seen


def test_tables_go_to_the_bucket_and_the_challenger_comes_back(api, tables, fit):
    seen = works(api, tables, ["done"])
    out = fit()
    sent = ["clean/inner/rows.parquet", "job.json", "training_features/inner/rows.parquet"]
    assert seen == [(NAME, sent)]
    assert sorted(p.name for p in out.iterdir()) == ["challenger.json", "parameters.safetensors"]
    assert not list((tables / "bucket" / "jobs").glob("*")), "what was sent is removed"


def test_a_cluster_that_is_preempted_is_made_anew(api, tables, fit, said):
    seen = works(api, tables, ["lost", "lost", "done"])
    fit()
    assert [name for name, _ in seen] == [NAME[:-1] + str(n) for n in range(3)]
    assert sum("goes on from the last checkpoint" in one for one in said) == 2
    assert left(api) == []


def test_preemption_is_borne_so_often_and_no_more(api, tables, fit):
    seen = works(api, tables, ["lost"] * 9)
    with pytest.raises(UnavailableError, match="the head is gone"):
        fit()
    assert len(seen) == 1 + CLUSTER.retries


def test_wrong_input_is_never_tried_again(api, tables, fit):
    seen = works(api, tables, ["refused", "done"])
    with pytest.raises(BadInputError, match="events lack a column"):
        fit()
    assert len(seen) == 1


def test_success_without_a_challenger_is_none(api, tables, fit):
    works(api, tables, ["done"])
    inner = api.job_looked_at

    def look(job):
        inner(job)
        for path in tables.rglob("outcome.json"):
            path.unlink()

    api.job_looked_at = look
    with pytest.raises(UnavailableError, match="broken off"):
        fit()


@pytest.mark.parametrize(
    ("settings", "why"), [(FitSettings(workers=0), "0 workers"), (FitSettings(workers=1), "URL")]
)
def test_what_a_rayjob_cannot_do_is_refused_first(api, jobs, settings, why):
    where = "file:///tmp/x" if settings.workers == 0 else "/tmp/x"
    with pytest.raises(BadInputError, match=why):
        fit_on_cluster("c", "k", "o", settings, where, CLUSTER, POD, jobs, print)
    assert api.requests == []


def test_a_step_that_is_asked_to_stop_takes_the_job_along(api, jobs):
    Story(api, [RUNNING])
    looks = []

    def look(job):
        looks.append(1)
        if len(looks) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    api.job_looked_at = look
    with pytest.raises(CancelledError), cancellable():
        jobs.run(NAME, body())
    assert left(api) == []


STEP = """
import sys
from kubernetes import client
from coterie.cluster.api import Cluster
from coterie.cancel import cancellable
from coterie.cluster.jobs import RayJobs
settings = client.Configuration()
settings.host = sys.argv[1]
jobs = RayJobs(Cluster("shop", settings), lambda line: print(line, flush=True), look_s=0.05)
with cancellable():
    jobs.run("a-job", {"metadata": {"name": "a-job"}, "spec": {}})
"""


def test_the_same_as_a_process(api):
    """As Kubeflow ends a step."""
    Story(api, [(RUNNING[0], line(1, "epoch 1"))])
    with serving(api) as address:
        command = [sys.executable, "-c", STEP, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as step:
            assert step.stdout.readline() == b"epoch 1\n"
            assert left(api) == ["a-job"]
            step.terminate()
            since = time.monotonic()
            step.communicate(timeout=30)
            assert time.monotonic() - since < 10
    assert step.returncode != 0
    assert left(api) == []


def test_times_without_trailing_zeros_keep_their_order():
    times = ["2026-11-26T05:00:01Z", "2026-11-26T05:00:01.5Z", "2026-11-26T05:00:01.75Z"]
    assert sorted(times, key=jobs_module._moment) == times
    assert jobs_module._moment("") < jobs_module._moment(times[0])
