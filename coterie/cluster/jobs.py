"""Runs RayJobs to their end: their log is repeated here, and whoever stops us stops them."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from coterie.cluster.api import PODS, RAY_JOBS, Cluster, ConflictError, Object
from coterie.cluster.rayjob import JOB_LABEL, PART_LABEL, SUBMITTER
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.retries import until_available

Say = Callable[[str], None]
T = TypeVar("T")

LOOK_S: Final = 2.0
PATIENCE_S: Final = 300.0
"""So long the API may be away before the job is given up."""
BEAT_S: Final = 60.0
LEAVING_S: Final = 15.0
"""So long it is tried to remove a job: a pod that is to end has half a minute."""
ENDED: Final = frozenset({"Complete", "Failed", "ValidationFailed"})
HOPELESS: Final = frozenset({"DeadlineExceeded", "ValidationFailed"})
"""Reasons that the same job would meet again."""
_IN_WORDS: Final = {
    "": "is new",
    "Initializing": "waits for its pods",
    "Suspended": "waits in its queue",
    "Suspending": "gives way to others",
}


class RayJobs:
    """Jobs of one namespace. They are looked at, not watched: nothing here is needed sooner, and
    looks survive whatever breaks a watch off."""

    def __init__(
        self,
        cluster: Cluster,
        say: Say,
        look_s: float = LOOK_S,
        patience_s: float = PATIENCE_S,
        leaving_s: float = LEAVING_S,
    ):
        self._cluster, self._say = cluster, say
        self._look_s, self._patience_s, self._leaving_s = look_s, patience_s, leaving_s

    def run(
        self, name: str, body: Mapping[str, Any], beat: Callable[[], None] = lambda: None
    ) -> None:
        """Create a RayJob, repeat its log until it has ended, and remove it, whatever happens.

        Args:
            name: Its name; one that is there already, because the answer to its creation was
                lost, is taken for ours.
            body: Metadata and spec.
            beat: Called every BEAT_S while we wait.

        Raises:
            BadInputError: Kubernetes or KubeRay refuses it, it took too long, or a person removed
                it.
            UnavailableError: It failed, or the API was away for too long.
        """
        try:
            self._patiently(lambda: self._create(name, body), self._patience_s)
            self._follow(name, beat)
        finally:
            self._remove(name)

    def _create(self, name: str, body: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConflictError):
            self._cluster.create(RAY_JOBS, name, body)

    def _follow(self, name: str, beat: Callable[[], None]) -> None:
        log, before, beaten = _Log(self._cluster, name, self._say), None, -BEAT_S
        while True:
            if time.monotonic() - beaten >= BEAT_S:
                beaten = time.monotonic()
                beat()
            job = self._patiently(lambda: self._cluster.find(RAY_JOBS, name), self._patience_s)
            if job is None:
                raise BadInputError(f"RayJob {name} was removed by somebody: nothing was trained")
            status = job.get("status") or {}
            phase = str(status.get("jobDeploymentStatus", ""))
            if phase != before and phase in _IN_WORDS:
                self._say(f"RayJob {name} {_IN_WORDS[phase]}")
            before = phase
            ended = phase in ENDED
            try:
                log.go_on()
            except UnavailableError as error:
                # What was missed comes with the next look, unless this was the last.
                if ended:
                    self._say(f"the end of the log is missing: {error}")
            if ended:
                return _judge(name, status)
            time.sleep(self._look_s)

    def _remove(self, name: str) -> None:
        """Remove a job; one that cannot be goes with its owner, or at its deadline."""
        try:
            self._patiently(lambda: self._cluster.delete(RAY_JOBS, name), self._leaving_s)
        except CoterieError as error:
            self._say(f"RayJob {name} was not removed: {error}")

    def _patiently(self, ask: Callable[[], T], patience_s: float) -> T:
        """Ask again as long as there is no answer."""
        return until_available(ask, patience_s, self._look_s)


class _Log:
    """The log of a job: that of the pod that submitted it, which follows the work."""

    def __init__(self, cluster: Cluster, job: str, say: Say):
        self._cluster, self._job, self._say = cluster, job, say
        self._until: dict[str, str] = {}
        """By pod, the time of the last line that was said."""

    def go_on(self) -> None:
        """Say what is new.

        Raises:
            UnavailableError: The API did not answer.
        """
        pods = self._cluster.list(PODS, f"{JOB_LABEL}={self._job},{PART_LABEL}={SUBMITTER}")
        for pod in sorted(pods, key=lambda one: str(one["metadata"].get("creationTimestamp"))):
            self._of(pod["metadata"]["name"])

    def _of(self, pod: str) -> None:
        until = self._until.get(pod, "")
        text = self._cluster.log(pod, until)
        # What lacks its end comes again.
        for line in text[: text.rfind("\n") + 1].splitlines():
            at, _, said = line.partition(" ")
            if _moment(at) > _moment(until):
                self._say(said)
                self._until[pod] = at


def _moment(time_: str) -> tuple[str, str]:
    """Put RFC 3339 times in an order: nanoseconds lose their zeros, so texts have none."""
    second, _, rest = time_.rstrip("Z").partition(".")
    return second, rest.ljust(9, "0")


def _judge(name: str, status: Object) -> None:
    if status.get("jobStatus") == "SUCCEEDED":
        return
    reason = str(status.get("reason", "")) or str(status.get("jobStatus", "")) or "no reason given"
    said = f"RayJob {name} failed: {reason} ({status.get('message') or 'see its log above'})"
    if reason in HOPELESS or status.get("jobDeploymentStatus") in HOPELESS:
        raise BadInputError(said)
    raise UnavailableError(said)
