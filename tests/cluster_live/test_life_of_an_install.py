"""One install from the first command to the last, in the order in which it lives.

``make test-cluster``; each test stands on those before it. A shop's tables and an object store have
to be there: ``docs/cluster.md`` sets up both in kind.
"""

import base64
import json
import os
import time

import pytest
from live_cluster import RELEASE, Cluster, ask, load, wait

MISSING = [name for name in ("KUBECONFIG", "COTERIE_IMAGE") if not os.environ.get(name)]
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        bool(MISSING), reason=f"needs a cluster: set {' and '.join(MISSING)} (docs/cluster.md)"
    ),
]
KUBEFLOW = "kubeflow"
VERSIONS: dict[str, dict[str, str]] = {}
"""Releases that the pipeline made, by what the tests use them for: folder and digest."""


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    # Where Kubeflow has one user, steps run in its own namespace, so that has to be ours.
    namespace = os.environ.get("COTERIE_NAMESPACE", KUBEFLOW)
    return Cluster(namespace, os.environ["COTERIE_IMAGE"])


def test_it_installs(cluster):
    cluster.install()
    assert cluster.pods("controller")
    assert "Nothing is served yet" in cluster.helm("status", RELEASE)


def run_pipeline(cluster, version):
    """A run by the API of Kubeflow Pipelines; where its release lies."""
    from kfp import Client

    with cluster_of_kfp(cluster).forwarded("svc/ml-pipeline", 8888) as address:
        client = Client(address)
        run = start_run(client, version)
    wait(lambda: state_of(cluster, run.run_id) in ENDED, 3000, 15)
    assert state_of(cluster, run.run_id) == "SUCCEEDED"
    return {"folder": f"s3://coterie/releases/{version}", "digest": digest(cluster, version)}


def start_run(client, version):
    """All parameters but these have the values of the install."""
    pipeline = client.get_pipeline_id(f"{RELEASE}-train")
    assert pipeline, "the hook did not upload it"
    newest = client.list_pipeline_versions(pipeline, sort_by="created_at desc")
    experiment = client.create_experiment("cluster-tests")
    return client.run_pipeline(
        experiment.experiment_id,
        f"test-{version}",
        pipeline_id=pipeline,
        version_id=newest.pipeline_versions[0].pipeline_version_id,
        params={"version": version, "baselines": "popularity"},
        service_account=f"{RELEASE}-train",
    )


ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
"""States of a run that nothing follows; the client's own wait does not know the last one."""


def cluster_of_kfp(cluster):
    return Cluster(KUBEFLOW, cluster.image)


def state_of(cluster, run):
    from kfp import Client

    # A connection of its own each time: one that lasts an hour is lost with the pod behind it.
    with cluster_of_kfp(cluster).forwarded("svc/ml-pipeline", 8888) as address:
        return Client(address).get_run(run).state


def digest(cluster, version):
    read = (
        "from coterie.release.store import ReleaseStore;"
        f"print(ReleaseStore('s3://coterie/releases').get('{version}').digest)"
    )
    pod = cluster.pods("controller")[0]
    return cluster.kubectl("exec", pod, "--", "python", "-c", read).split()[-1]


def test_the_pipeline_makes_a_release(cluster):
    VERSIONS["first"] = run_pipeline(cluster, f"t{int(time.time())}")


def test_the_release_is_served(cluster):
    first = VERSIONS["first"]
    cluster.install(
        "--set", f"release.folder={first['folder']}", "--set", f"release.digest={first['digest']}"
    )
    cluster.kubectl("wait", f"rayservice/{RELEASE}", "--for=condition=Ready", "--timeout=20m")


def test_helm_test_passes(cluster):
    cluster.helm("test", RELEASE, "--timeout=5m")


def test_training_ran_as_a_ray_job(cluster):
    """The chart's defaults say so; its cluster and the job are gone, and the step told its log."""
    assert not ray_jobs(cluster)
    assert not cluster.pods("training")
    events = cluster.kubectl("get", "events", "-o", "json")
    assert any(one["involvedObject"]["kind"] == "RayJob" for one in json.loads(events)["items"]), (
        "no RayJob was ever made"
    )


def ray_jobs(cluster):
    return cluster.kubectl("get", "rayjobs", "-o", "name").split()


def test_a_deleted_run_takes_its_ray_job_along(cluster):
    from kfp import Client

    with cluster_of_kfp(cluster).forwarded("svc/ml-pipeline", 8888) as address:
        run = start_run(Client(address), f"gone{int(time.time())}")
    wait(lambda: ray_jobs(cluster), 1800, 5)
    with cluster_of_kfp(cluster).forwarded("svc/ml-pipeline", 8888) as address:
        Client(address).terminate_run(run.run_id)
    wait(lambda: not ray_jobs(cluster), 120, 2)


def token(cluster):
    secret = cluster.get("secret", f"{RELEASE}-app")
    return base64.b64decode(secret["data"]["COTERIE_ADMIN_TOKEN"]).decode()


def command(cluster, path, **body):
    with cluster.forwarded(f"svc/{RELEASE}-api", 8000) as address:
        said = {"who": "cluster-tests", "reason": "a test", **body}
        return ask(address, f"/v1/admin/rollouts{path}", token(cluster), said)


QUICK = {"weights": [0.5], "step_s": 30, "bake_s": 30, "min_samples": 200}


def test_a_second_release_is_promoted_under_load(cluster):
    VERSIONS["second"] = run_pipeline(cluster, f"t{int(time.time())}")
    second = VERSIONS["second"]
    with load(cluster, 900) as sent:
        command(cluster, "", release=second["folder"].rpartition("/")[2], plan=QUICK)
        wait(lambda: cluster.served()["canary"] is not None, 300)
        wait(lambda: cluster.served()["stable"]["digest"] == second["digest"], 800)
    assert sent.answered > 1000
    assert not sent.failed


def test_a_bad_release_is_rolled_back_and_no_shopper_sees_it(cluster):
    """Its digests are right, but what is known of shoppers makes no difference to their lists."""
    pod = cluster.pods("controller")[0]
    bad = f"bad{int(time.time())}"
    program = PLANT.format(
        source=VERSIONS["second"]["folder"], version=bad, store="s3://coterie/releases"
    )
    cluster.kubectl("exec", pod, "--", "python", "-c", program)
    weights = []

    def gone():
        served = cluster.served()
        weights.append(served["weight"])
        return served["canary"] is None

    with load(cluster, 400) as sent:
        command(cluster, "", release=bad, plan=QUICK)
        wait(lambda: cluster.served()["canary"] is not None, 120)
        wait(gone, 270)
    assert max(weights) == 0, "shoppers saw it"
    assert cluster.served()["stable"]["digest"] == VERSIONS["second"]["digest"]
    assert not sent.failed


PLANT = """
import tempfile
from coterie.release.bundle import ReleaseContent, load_release, write_release
from coterie.release.store import ReleaseStore
good = load_release("{source}")
rows = len(good.popularity)
bad = {{n: t * 0 if t.ndim == 2 and len(t) == rows else t for n, t in good.parameters.items()}}
folder = tempfile.mkdtemp() + "/bad"
write_release(folder, ReleaseContent(
    "{version}", bad, good.catalogue, good.popularity, dict(good.manifest.metrics),
    good.manifest.data_fingerprint, dict(good.manifest.limits),
))
ReleaseStore("{store}").publish(folder)
"""


def test_an_upgrade_under_load_loses_nothing_and_keeps_what_is_live(cluster):
    before, old = cluster.served(), cluster.ray_cluster()
    with load(cluster, 900) as sent:
        cluster.install("--reuse-values", "--set", "serving.logLevel=DEBUG")
        # Ready stays true all the while: what tells is which cluster answers.
        wait(lambda: cluster.ray_cluster() not in ("", old), 800)
        cluster.kubectl("wait", f"rayservice/{RELEASE}", "--for=condition=Ready", "--timeout=5m")
    assert sent.answered > 1000
    assert not sent.failed
    assert cluster.served() == before


@pytest.mark.parametrize("component", ["worker", "controller", "head"])
def test_a_pod_that_goes_takes_no_request_with_it(cluster, component):
    with load(cluster, 240) as sent:
        cluster.kubectl("delete", cluster.pods(component)[0], "--wait=false")
        time.sleep(180)
    assert sent.answered > 1000
    assert not sent.failed


def test_a_killed_worker_costs_at_most_what_it_was_answering(cluster):
    """Without a warning: as when a machine dies."""
    with load(cluster, 120) as sent:
        pod = cluster.pods("worker")[0]
        cluster.kubectl("delete", pod, "--grace-period=0", "--force", "--wait=false")
    assert len(sent.failed) <= 2, sent.failed


def test_it_uninstalls_and_leaves_what_it_should(cluster):
    cluster.helm("uninstall", RELEASE, "--wait")
    assert cluster.get("secret", f"{RELEASE}-redis")
    assert cluster.get("pvc", f"data-{RELEASE}-redis-0")
    assert cluster.get("configmap", f"{RELEASE}-rollout")
    assert not cluster.kubectl("get", "rayservice", "--output=name")
