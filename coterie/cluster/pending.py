"""Pods of an upgrade that cannot start: nobody else says so where people look for a rollout."""

from typing import Final

from coterie.cluster.api import PODS, Cluster, Object, logger
from coterie.cluster.arms import CLUSTER_LABEL
from coterie.errors import CoterieError

STUCK: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
    }
)
"""Why a container waits, as the kubelet says it, where waiting alone does not help."""
_MESSAGE_LENGTH: Final = 300


class PendingPods:
    """Tells, once as long as it stays the same, why a RayCluster does not come up."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._said = ""

    def look(self, service: Object) -> str:
        """Find why the pending RayCluster is stuck; empty: none is, or nobody could tell."""
        status = service.get("status") or {}
        name = (status.get("pendingServiceStatus") or {}).get("rayClusterName")
        try:
            why = self._why(name) if name else ""
        except CoterieError as error:
            logger.warning("how pods of %s stand is not known: %s", name, error)
            return ""
        if why and why != self._said:
            lives = (status.get("activeServiceStatus") or {}).get("rayClusterName")
            goes_on = (
                f"{lives} serves on, and no release is rolled out meanwhile"
                if lives
                else ("nothing serves yet")
            )
            said = f"RayCluster {name} cannot start: {why}; {goes_on}. Mend the image, or go back"
            logger.warning("%s", said)
            self._cluster.tell(service, "UpgradeStuck", said, warning=True)
        elif self._said and not why:
            logger.info("no RayCluster is stuck any more")
        self._said = why
        return why

    def _why(self, name: str) -> str:
        pods = self._cluster.list(PODS, f"{CLUSTER_LABEL}={name}")
        return next((why for pod in pods if (why := _why_waiting(pod))), "")


def _why_waiting(pod: Object) -> str:
    status = pod.get("status") or {}
    kinds = ("initContainerStatuses", "containerStatuses")
    for container in (one for kind in kinds for one in status.get(kind) or ()):
        waiting = (container.get("state") or {}).get("waiting") or {}
        # Both reasons take turns, with texts that differ: told once, by the one that stays.
        reason = str(waiting.get("reason", "")).replace("ErrImagePull", "ImagePullBackOff")
        if reason in STUCK:
            image = container.get("image", "unknown")
            return f"pod of {container['name']}: {reason} of {image}"[:_MESSAGE_LENGTH]
    return ""
