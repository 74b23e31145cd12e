"""One controller acts at a time, though clocks differ, requests fail, and processes die."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from coterie.cluster.api import LEASES, Cluster, Object, logger
from coterie.errors import CoterieError, UnavailableError

DURATION_S: Final = 15
"""Others take over when a lease was not renewed for so long."""
RENEWED_EACH_S: Final = 2.0
GIVEN_UP_S: Final = 5.0
"""So long before others may take over, a holder takes its lease for lost: more than a request."""


class ClusterLease:
    """A Kubernetes Lease; true while this process holds it.

    Times on the lease are for people. Who waits measures by its own clock for how long the lease
    was left unchanged; who holds it counts from before the request that renewed it. So clocks need
    not agree, and a holder cut off from the API knows that it is one no more before others act.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        holder: str,
        duration_s: int = DURATION_S,
        given_up_s: float = GIVEN_UP_S,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._cluster, self._name, self._holder = cluster, name, holder
        self._duration_s, self._held_s = duration_s, duration_s - given_up_s
        self._clock = clock
        self._until = -float("inf")
        self.uid = ""
        """Of the object, once it was taken: the chart makes one with each install."""
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __bool__(self) -> bool:
        return self._clock() < self._until

    @property
    def renewed(self) -> bool:
        """Whether somebody looks after it."""
        return self._thread.is_alive()

    def __enter__(self) -> "ClusterLease":
        """Take it if it is free, and go on trying.

        Raises:
            BadInputError: The API does not allow it.
        """
        try:
            self.attempt()
        except UnavailableError as error:
            logger.warning("%s", error)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back, so that nobody has to wait for its end."""
        self._over.set()
        self._thread.join()
        self._until = -float("inf")
        try:
            self._give_back()
        except CoterieError as failed:
            logger.warning("the lease was not given back, and ends by itself: %s", failed)

    def attempt(self) -> None:
        """Take the lease, or renew it, unless another holds it.

        Raises:
            UnavailableError: The API did not answer, or another was faster, or the chart has not
                made the Lease yet: it tells installs apart, so nobody else may make one.
        """
        began = self._clock()
        lease = self._cluster.find(LEASES, self._name)
        if lease is None:
            self._until = -float("inf")
            raise UnavailableError(
                f"there is no Lease {self._name} yet: the chart makes it; by Argo CD, which leaves "
                "Leases out, a person has to (docs: Upgrade)"
            )
        spec = lease.get("spec") or {}
        if not self._may_take(spec):
            self._until = -float("inf")
            return
        version = lease["metadata"]["resourceVersion"]
        self._cluster.patch(LEASES, self._name, {"spec": self._spec(spec)}, version)
        self.uid = lease["metadata"]["uid"]
        self._until = began + self._held_s

    def _may_take(self, spec: Object) -> bool:
        holder = spec.get("holderIdentity")
        if not holder or holder == self._holder:
            return True
        seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        lasts = max(spec.get("leaseDurationSeconds") or 0, self._duration_s)
        return self._clock() - self._seen_at > lasts

    def _spec(self, before: Object) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        again = before.get("holderIdentity") == self._holder
        changes = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self._duration_s,
            "acquireTime": before.get("acquireTime") if again else now,
            "renewTime": now,
            "leaseTransitions": changes if again else changes + 1,
        }

    def _renew(self) -> None:
        while not self._over.wait(RENEWED_EACH_S):
            try:
                self.attempt()
            except CoterieError as error:
                # Not renewed: it ends by itself, unless a later attempt comes in time.
                logger.warning("%s", error)

    def _give_back(self) -> None:
        lease = self._cluster.find(LEASES, self._name)
        if lease is None or lease.get("spec", {}).get("holderIdentity") != self._holder:
            return
        version = lease["metadata"]["resourceVersion"]
        self._cluster.patch(LEASES, self._name, {"spec": {"holderIdentity": None}}, version)
