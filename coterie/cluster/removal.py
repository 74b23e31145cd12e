"""Take a RayService away before its install goes: ``python -m coterie.cluster.removal``.

KubeRay holds a RayCluster back until a Job of its own, under the head's account, has made Redis
forget it. An uninstall takes account and Redis away at once, so it has to begin with this.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from coterie.cluster.api import JOBS, PODS, RAY_CLUSTERS, RAY_SERVICES, Cluster
from coterie.errors import CoterieError, UnavailableError

PAUSE_S: Final = 2.0
OWNED_BY: Final = "ray.io/originated-from-cr-name"
"""Label of a RayCluster: the RayService that it was made for."""


def remove(
    cluster: Cluster,
    service: str,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Delete a RayService, and return once it and its RayClusters are gone; one that is not there,
    or a cluster without KubeRay, is no error.

    Args:
        cluster: Its namespace.
        service: Its name.
        seconds: How long it may take.
        clock: Seconds that never fall.
        pause: Waits for so many seconds.

    Raises:
        BadInputError: The role does not let us.
        UnavailableError: It took longer, or the API did not answer in all that time.
    """
    end, told = clock() + seconds, ""
    while True:
        left = _left(cluster, service)
        if not left:
            print(f"no RayService {service} is left", flush=True)
            return
        if left != told:
            print(f"waiting until {left}", flush=True)
        told = left
        if clock() >= end:
            raise UnavailableError(
                f"waited {seconds:.0f} s until {left}. Does the KubeRay operator run? `kubectl get "
                "rayclusters,jobs,pods` shows what it waits for; then repeat the uninstall. "
                "`helm uninstall --no-hooks` leaves it behind"
            )
        pause(PAUSE_S)


def tidy(cluster: Cluster, jobs: str, pods: Sequence[str]) -> None:
    """Delete what Helm forgets: Jobs of upgrades that failed, with these labels, and pods of tests
    that did, by their names. What cannot be deleted now is said, and left."""
    try:
        for job in cluster.list(JOBS, jobs):
            cluster.delete(JOBS, job["metadata"]["name"])
        for name in pods:
            cluster.delete(PODS, name)
    except UnavailableError as error:
        # No reason to stop the uninstall, now that nothing serves: they go by themselves in time.
        print(f"Jobs or pods may be left: {error}", flush=True)


def _left(cluster: Cluster, service: str) -> str:
    """Ask again for the deletion, whoever cancelled it; what is still there, in words."""
    try:
        if cluster.find(RAY_SERVICES, service):
            cluster.delete(RAY_SERVICES, service)
        clusters = cluster.list(RAY_CLUSTERS, f"{OWNED_BY}={service}")
        names = [f"RayCluster {one['metadata']['name']}" for one in clusters]
        names += [f"RayService {service}"] if cluster.find(RAY_SERVICES, service) else []
    except UnavailableError as error:
        return f"the API answers ({error})"
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} gone" if names else ""


def main(arguments: list[str] | None = None) -> int:
    """Do it; 1 and one line where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m coterie.cluster.removal", description=__doc__)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--service", required=True, help="name of the RayService")
    parser.add_argument("--seconds", type=float, required=True, help="how long it may take")
    parser.add_argument("--jobs", required=True, help="labels of Jobs that may be left")
    parser.add_argument("--pod", action="append", default=[], help="that may be left")
    given = parser.parse_args(arguments)
    try:
        cluster = Cluster.connect(given.namespace)
        remove(cluster, given.service, given.seconds)
        tidy(cluster, given.jobs, given.pod)
    except CoterieError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
