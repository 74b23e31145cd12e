"""Where Kubeflow Pipelines is: what the chart uploads runs, and a run takes its RayJob along."""

import time
from contextlib import contextmanager

import pytest
from live_cluster import RELEASE, Cluster
from live_install import Release

ENDED = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
"""States of a run that nothing follows; the client's own wait does not know the last one."""


@pytest.fixture
def kubeflow(installed, settings):
    if not installed.kubeflow():
        pytest.skip(
            f"no Kubeflow Pipelines in {settings.kubeflow}, or we are not in its namespace: set "
            f"COTERIE_NAMESPACE={settings.kubeflow}, where a Kubeflow of one user runs its steps"
        )
    return installed


@contextmanager
def client_of(install):
    """A connection of its own each time: one that lasts an hour is lost with the pod behind it."""
    from kfp import Client

    there = Cluster(install.settings.kubeflow)
    with there.forwarded("service/ml-pipeline", 8888) as address:
        yield Client(address)


def start_run(install, version):
    """Start a run of the newest version, with the install's values of all other parameters."""
    with client_of(install) as client:
        pipeline = client.get_pipeline_id(f"{RELEASE}-train")
        assert pipeline, "the chart did not upload it"
        newest = client.list_pipeline_versions(pipeline, sort_by="created_at desc")
        experiment = client.create_experiment("cluster-tests")
        run = client.run_pipeline(
            experiment.experiment_id,
            f"test-{version}",
            pipeline_id=pipeline,
            version_id=newest.pipeline_versions[0].pipeline_version_id,
            params={"version": version, "baselines": "popularity"},
            service_account=f"{RELEASE}-train",
        )
    return run.run_id


def state_of(install, run):
    """How a run stands."""
    with client_of(install) as client:
        return client.get_run(run).state


def test_a_run_of_the_uploaded_pipeline_makes_a_release(kubeflow, first, cluster, saw):
    """``first`` put the shop's tables where the install's defaults look for them."""
    version = f"kfp-{int(time.time())}"
    run = start_run(kubeflow, version)
    took = cluster.wait(
        lambda: state_of(kubeflow, run) in ENDED, 3600, "the run ends", 15, kubeflow.seen
    )
    state = state_of(kubeflow, run)
    saw(seconds=round(took), state=state)
    assert state == "SUCCEEDED"
    kubeflow.made["kubeflow"] = Release(version, "", f"{kubeflow.store}/{version}")
    # The chart's defaults say that training is a RayJob; its cluster and the job are gone.
    assert not cluster.objects("rayjobs")
    assert not cluster.pods("training")
    events = cluster.objects("events")
    assert any(one["involvedObject"]["kind"] == "RayJob" for one in events), "there never was one"


def test_a_run_that_is_terminated_takes_its_ray_job_along(kubeflow, first, cluster, saw):
    run = start_run(kubeflow, f"gone-{int(time.time())}")
    cluster.wait(lambda: cluster.objects("rayjobs"), 1800, "a RayJob is there", 5)
    with client_of(kubeflow) as client:
        client.terminate_run(run)
    took = cluster.wait(lambda: not cluster.objects("rayjobs"), 180, "the RayJob is gone")
    saw(gone_after_s=round(took))
    cluster.wait(lambda: state_of(kubeflow, run) in ENDED, 300, "the run ends", 5)
    assert state_of(kubeflow, run) in ("CANCELED", "FAILED")
