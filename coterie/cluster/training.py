"""A challenger fitted by a RayJob, for a step that waits for it."""

import contextlib
from functools import partial
from typing import Final

from coterie.cancel import cancellable
from coterie.cluster.api import Cluster
from coterie.cluster.jobs import RayJobs, Say
from coterie.cluster.rayjob import Pod, TrainingCluster, ray_job
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.workflow.remote import beat, check_refusal, fetch, forget, send
from coterie.workflow.settings import FitSettings

PROGRAM: Final = ("python", "-m", "components.training_job")
"""Takes the URL of what was sent."""


def fit_on_cluster(
    clean: str,
    known: str,
    out: str,
    settings: FitSettings,
    checkpoints: str,
    cluster: TrainingCluster,
    pod: Pod,
    jobs: RayJobs,
    say: Say,
) -> None:
    """Send the tables, run a RayJob, fetch the challenger.

    A cluster that is lost (preempted, evicted, out of memory) is made anew, ``cluster.retries``
    times, and training goes on from its last state. Asked to stop, we take the job along.

    Args:
        clean: Folder that ``ingest`` wrote.
        known: Folder of point-in-time features.
        out: Folder for the challenger.
        settings: What to fit, with how many workers.
        checkpoints: URL where states outlive a cluster; what is sent lies there as well, meanwhile.
        cluster: Where to train.
        pod: Ours; what we make is removed with it.
        jobs: Runs them.
        say: Told of what happens, line by line.

    Raises:
        BadInputError: What was given is wrong, or a person removed the job: never tried again.
        UnavailableError: The cluster was lost too often.
    """
    if "://" not in checkpoints:
        raise BadInputError(
            f"checkpoints is {checkpoints!r}: a RayJob needs a URL that its pods and this step "
            "reach, such as s3://shop/checkpoints"
        )
    if settings.workers < 1:
        raise BadInputError("0 workers train in the step itself: a RayJob needs 1 or more")
    url = f"{checkpoints.rstrip('/')}/jobs/{cluster.job_name(pod, 0)}"
    with cancellable():
        try:
            send(url, clean, known, settings, checkpoints)
            _run(url, settings, cluster, pod, jobs, say)
            fetch(url, out)
        finally:
            with contextlib.suppress(CoterieError):
                forget(url)


def fit_from_pod(
    clean: str,
    known: str,
    out: str,
    settings: FitSettings,
    checkpoints: str,
    cluster: TrainingCluster,
    pod: Pod,
    say: Say = print,
) -> None:
    """Fit on a cluster for a step that runs in ``pod``, whose log is that of the job."""
    kubernetes = Cluster.connect(pod.namespace)
    try:
        jobs = RayJobs(kubernetes, say)
        fit_on_cluster(clean, known, out, settings, checkpoints, cluster, pod, jobs, say)
    finally:
        kubernetes.close()


def _run(
    url: str,
    settings: FitSettings,
    cluster: TrainingCluster,
    pod: Pod,
    jobs: RayJobs,
    say: Say,
) -> None:
    for attempt in range(cluster.retries + 1):
        name = cluster.job_name(pod, attempt)
        body = ray_job(cluster, name, pod, (*PROGRAM, url), settings.workers)
        try:
            jobs.run(name, body, partial(beat, url))
            return
        except UnavailableError as error:
            check_refusal(url)
            if attempt == cluster.retries:
                raise
            say(f"{error}; a new cluster goes on from the last checkpoint")
