"""What serves in a cluster: a RayService, told by its ``serveConfigV2``, heard through its status.

The text is made of the chart's template and of what is live, and written whenever it should be
another: for another target, and for another template.

KubeRay 1.7 asks Ray Serve for its status first and hands over a changed configuration after that,
in the same round, which ends with ``observedGeneration``. So for one round the status is that of
the old configuration under the number of the new one; a round comes every two seconds.

Replicas take a configuration at once and load a new release beside their work: what becomes of
that, their metrics tell, not this status.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from coterie.cluster.api import PODS, RAY_SERVICES, Cluster, ConflictError, Object, logger
from coterie.cluster.check import Check
from coterie.cluster.served import APPLICATION, DEPLOYMENT, compose, read_live, template_of, told
from coterie.cluster.stated import Statement, states
from coterie.errors import BadInputError, CoterieError, UnavailableError
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.state import Target

if TYPE_CHECKING:  # no controller needs a store before it listens
    from coterie.release.store import ReleaseStore

SETTLED_S: Final = 6.0
"""A status has to say so for this long: three of KubeRay's rounds."""
ATTEMPTS: Final = 4
SINCE: Final = "coterie.rollout/canary-since"
"""Annotation: which canary, and when it came."""
CLUSTER_LABEL: Final = "ray.io/cluster"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
WORKER: Final = "app.kubernetes.io/component=worker"
_WELL: Final = frozenset({"HEALTHY", "UPSCALING", "DOWNSCALING"})
_FAILED: Final = frozenset({"DEPLOY_FAILED", "UNHEALTHY"})


class RayServiceArms:
    """One RayService, and the store that its releases come from."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        store: "ReleaseStore",
        may_act: Callable[[], bool] = lambda: True,
        settled_s: float = SETTLED_S,
        clock: Callable[[], float] = time.monotonic,
        text_encoder: str | None = None,
    ):
        """Ask ``may_act`` right before each change, ``clock`` for seconds that never fall.

        A release that replicas' ``text_encoder`` cannot search does not pass preflight.
        """
        self._cluster, self._name, self._store = cluster, name, store
        self._text_encoder = text_encoder
        self._may_act, self._settled_s, self._clock = may_act, settled_s, clock
        self.taken: ReleaseRef | None = None
        """A release that may lie outside the store, since a person named its folder."""
        self.stated = False
        """Whether values were read: once the RayService has none, rollouts were switched off."""
        self._well: tuple[str, float] = ("", 0.0)
        self._check: Check | None = None
        self._said = ""

    def find(self) -> Object | None:
        """Find the RayService; None before it is there, and while it is being removed.

        Raises:
            UnavailableError: The API did not answer.
        """
        found = self._cluster.find(RAY_SERVICES, self._name)
        return None if found and found["metadata"].get("deletionTimestamp") else found

    def live(self) -> Target:
        """Read what replicas serve; weight is NaN until the status tells of the configuration.

        Raises:
            BadInputError: The RayService is not there, or not made for Coterie.
            UnavailableError: The API did not answer.
        """
        service = self._service()
        live = read_live(service)
        written = compose(template_of(service), live) == service["spec"]["serveConfigV2"]
        known = self._settled(service) and written
        return live.target if known else replace(live.target, weight=math.nan)

    def apply(self, target: Target) -> None:
        """Write the target into the RayService, unless it is there.

        Raises:
            UnavailableError: It did not work this time; why is logged, as long as it lasts once.
        """
        try:
            self._try_to_apply(target)
        except CoterieError as error:
            said = f"{_words(target)} cannot be applied: {error}"
            if said != self._said:
                logger.warning("%s", said)
            self._said = said
            raise UnavailableError(said) from error
        self._said = ""

    def preflight(self, digest: str) -> str | None:
        """Check whether a release may run, beside the turns: to read it whole may take minutes.

        Nothing is said while the service is being upgraded or does not run: a configuration would
        not reach the replicas that answer shoppers then.

        Raises:
            UnavailableError: The store did not answer, or the API.
        """
        service = self._service()
        if not self._settled(service):
            return None
        if self._check is None or self._check.digest != digest:
            self._check = self._begin(digest, told(service))
        check = self._check
        # One that passed is kept until it is asked how the release differs from what is live.
        if check.over and not check.passed:
            self._check = None
        return check.answer()

    def compare(self, canary: str, stable: str) -> Sequence[ComparedFigure] | None:  # noqa: ARG002 - it is what runs
        """Tell how a canary differs from what is live: ``preflight`` has compared them."""
        check, self._check = self._check, None
        return check.figures if check and check.digest == canary and check.passed else None

    def _begin(self, digest: str, now: Live | None) -> Check:
        """Begin to read a release, and to compare it with what runs, wherever that lies."""
        live = now.stable.folder if now else None
        return Check(
            digest,
            lambda: self._store.by_digest(digest),
            self._text_encoder,
            (lambda: live) if live else None,
        )

    def crashed(self, digest: str) -> str:
        """Ask Ray Serve, and pods since it came, why the canary cannot run."""
        service = self._service()
        status = service.get("status", {}).get("activeServiceStatus", {})
        app = status.get("applicationStatuses", {}).get(APPLICATION, {})
        if app.get("status") in _FAILED:
            return f"{APPLICATION} is {app['status']}: {_message(app)}"
        came, since = _came(service)
        if came != digest or not status.get("rayClusterName"):
            return ""
        pods = self._cluster.list(PODS, f"{CLUSTER_LABEL}={status['rayClusterName']}")
        return next((why for pod in pods if (why := _why_down(pod, since))), "")

    def _service(self) -> Object:
        return self._cluster.get(RAY_SERVICES, self._name)

    def _settled(self, service: Object) -> bool:
        """Tell whether the status has been good, and of this configuration, for long enough."""
        metadata = service["metadata"]
        runs = _runs(service) and not self._followed(service)
        seen = f"{metadata.get('uid')}/{metadata.get('generation')}" if runs else ""
        if not seen or seen != self._well[0]:
            self._well = (seen, self._clock())
        return bool(seen) and self._clock() - self._well[1] >= self._settled_s

    def _followed(self, service: Object) -> bool:
        """Tell whether workers of an older RayCluster still answer, as they do for a while after
        a new one serves: behind the chart's own Service, and told of nothing any more."""
        instance = (service["metadata"].get("labels") or {}).get(INSTANCE_LABEL)
        if not instance:
            return False
        newest = service["status"]["activeServiceStatus"].get("rayClusterName")
        workers = self._cluster.list(PODS, f"{INSTANCE_LABEL}={instance},{WORKER}")
        return any(
            one["metadata"]["labels"].get(CLUSTER_LABEL) != newest
            for one in workers
            if "deletionTimestamp" not in one["metadata"]
        )

    def _try_to_apply(self, target: Target) -> None:
        for _ in range(ATTEMPTS):
            try:
                return self._apply(target)
            except ConflictError as error:
                failed = error
        raise UnavailableError(
            f"RayService {self._name} was changed by others {ATTEMPTS} times in a row: {failed}"
        )

    def _apply(self, target: Target) -> None:
        service = self._service()
        if self.stated and not states(service):
            # Helm wrote what is live in the same request, and takes the controller away after it.
            raise UnavailableError("rollouts were switched off: values say what is live")
        now = told(service)
        text = compose(template_of(service), self._located(target, now, service))
        if text == service["spec"].get("serveConfigV2"):
            return
        changes: Object = {"spec": {"serveConfigV2": text}}
        if target.canary != (now.target.canary if now else ""):
            changes["metadata"] = {
                "annotations": {SINCE: _since(target.canary, self._cluster.clock())}
            }
        if not self._may_act():
            raise UnavailableError("the lease is over: another controller may act by now")
        changed = self._cluster.patch(
            RAY_SERVICES, self._name, changes, service["metadata"]["resourceVersion"]
        )
        self._cluster.tell(changed, "RolloutApplied", _change(now, target))

    def _located(self, target: Target, now: Live | None, service: Object) -> Live:
        """Find the folders of a target; those in use need no store, which may be down by then."""
        named = [now.stable, now.canary] if now else []
        with contextlib.suppress(BadInputError):
            stated = Statement.of(service)
            named += [stated.release] if stated else []
        known = {ref.digest: ref for ref in (*named, self.taken) if ref}

        def ref(digest: str) -> ReleaseRef:
            return known.get(digest) or ReleaseRef(digest, self._store.by_digest(digest))

        canary = ref(target.canary) if target.canary else None
        return Live(ref(target.stable), canary, target.weight, target.mirrored)


def _runs(service: Object) -> bool:
    """Tell whether the status is good, and of the newest spec."""
    status = service.get("status", {})
    active = status.get("activeServiceStatus", {})
    app = active.get("applicationStatuses", {}).get(APPLICATION, {})
    deployment = app.get("serveDeploymentStatuses", {}).get(DEPLOYMENT, {})
    return (
        status.get("observedGeneration") == service["metadata"].get("generation")
        and not upgrading(service)
        and app.get("status") == "RUNNING"
        and deployment.get("status") in _WELL
    )


def upgrading(service: Object) -> bool:
    """Tell whether a second RayCluster is coming up, which alone hears the configuration then."""
    status = service.get("status", {})
    pending = status.get("pendingServiceStatus", {}).get("rayClusterName")
    changing = {"UpgradeInProgress", "RollbackInProgress"}
    return bool(pending) or any(
        one.get("type") in changing and one.get("status") == "True"
        for one in status.get("conditions", ())
    )


def _message(app: Object) -> str:
    """Read what Ray Serve says of an application, or of the deployment that failed."""
    deployments = app.get("serveDeploymentStatuses", {}).items()
    failed = [f"{name} {one.get('message', '')}" for name, one in deployments if not _well(one)]
    said = app.get("message") or "; ".join(failed) or "no reason given"
    return str(said).strip()[:500]


def _well(deployment: Object) -> bool:
    return deployment.get("status") in _WELL


def _since(digest: str, now: float) -> str | None:
    """Make the text of the annotation about a canary; None takes it away."""
    if not digest:
        return None
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    return json.dumps({"digest": digest, "at": at})


def _came(service: Object) -> tuple[str, datetime]:
    """Read which canary came last, and when."""
    text = (service["metadata"].get("annotations") or {}).get(SINCE, "")
    try:
        content = json.loads(text)
        return str(content["digest"]), datetime.fromisoformat(content["at"])
    except (KeyError, TypeError, ValueError):
        return "", datetime.max.replace(tzinfo=UTC)


def _why_down(pod: Object, since: datetime) -> str:
    """Find why one of a pod's containers died after a moment; empty: none did."""
    for container in pod.get("status", {}).get("containerStatuses") or ():
        for state in (container.get("state", {}), container.get("lastState", {})):
            ended: dict[str, Any] = state.get("terminated") or {}
            if not _after(ended.get("finishedAt"), since):
                continue
            waits = (container.get("state", {}).get("waiting") or {}).get("reason")
            if ended.get("reason") == "OOMKilled" or waits == "CrashLoopBackOff":
                why = "OOMKilled" if ended.get("reason") == "OOMKilled" else waits
                return f"pod {pod['metadata']['name']}, container {container['name']}: {why}"
    return ""


def _after(finished: str | None, since: datetime) -> bool:
    return finished is not None and datetime.fromisoformat(finished) >= since


def _change(now: Live | None, target: Target) -> str:
    if now and now.target == target:
        return f"other settings of serving, {_words(target)}"
    return f"{_words(now.target) if now else 'nothing'} -> {_words(target)}"


def _words(target: Target) -> str:
    if not target.canary:
        return f"{target.stable[:12]} alone"
    what = "mirrored" if target.mirrored else f"at {target.weight:.0%}"
    return f"{target.stable[:12]} with canary {target.canary[:12]} {what}"
