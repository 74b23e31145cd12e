"""Requests to Kubernetes, through its client: one namespace, plain values, errors in our words."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import urllib3

from coterie.cluster.clock import ServerClock
from coterie.errors import BadInputError, CoterieError, UnavailableError

if TYPE_CHECKING:
    from kubernetes import client

Object = dict[str, Any]
"""As the API sends and takes it."""
logger = logging.getLogger("coterie.cluster")

OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT_S: Final = 4.0
"""Of connecting, and of each wait for an answer."""
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
COMPONENT: Final = "coterie-rollout"
FIELD_MANAGER: Final = "coterie-controller"
"""Whose the fields are that we change: ``kubectl get --show-managed-fields`` tells."""
LOG_BYTES: Final = 1 << 20
"""Most of a log that one request brings."""
_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "create": "POST",
    "patch": "PATCH",
    "delete": "DELETE",
}
_MESSAGE_LENGTH: Final = 1000


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects."""

    path: str
    """Group and version."""
    plural: str
    kind: str
    """Of one of them."""

    @property
    def api_version(self) -> str:
        """Group and version as objects say it."""
        return self.path.partition("/")[2]


CONFIG_MAPS: Final = Resource("api/v1", "configmaps", "ConfigMap")
EVENTS: Final = Resource("api/v1", "events", "Event")
PODS: Final = Resource("api/v1", "pods", "Pod")
LEASES: Final = Resource("apis/coordination.k8s.io/v1", "leases", "Lease")
JOBS: Final = Resource("apis/batch/v1", "jobs", "Job")
RAY_CLUSTERS: Final = Resource("apis/ray.io/v1", "rayclusters", "RayCluster")
RAY_JOBS: Final = Resource("apis/ray.io/v1", "rayjobs", "RayJob")
RAY_SERVICES: Final = Resource("apis/ray.io/v1", "rayservices", "RayService")


class ConflictError(UnavailableError):
    """Somebody else wrote meanwhile, so nothing was written: read again."""


class Cluster:
    """One namespace. Each request is tried once: whoever asks knows whether to ask again."""

    def __init__(
        self, namespace: str, settings: "client.Configuration", timeout_s: float = TIMEOUT_S
    ):
        # All its models come along, half a second: a process listens before that.
        from kubernetes import client

        # The client would sleep as long as a Retry-After says, and send some requests again.
        settings.retries = urllib3.Retry(0)
        self.namespace = namespace
        self.clock = ServerClock()
        self._client = client.ApiClient(settings)
        self._timeout = (timeout_s, timeout_s)

    @classmethod
    def connect(cls, namespace: str = "") -> "Cluster":
        """Connect as the service account of the pod, or else as the kubeconfig says.

        Args:
            namespace: That of the pod if empty.

        Raises:
            BadInputError: There is neither.
        """
        from kubernetes import client, config

        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)
            # HTTPS_PROXY is for what is outside the cluster.
            settings.proxy = None
        except config.ConfigException:
            try:
                config.load_kube_config(client_configuration=settings)
            except config.ConfigException as error:
                raise BadInputError(
                    f"neither in a pod nor with a kubeconfig ({error}): set KUBECONFIG"
                ) from error
        return cls(namespace or _own_namespace(), settings)

    def close(self) -> None:
        """Close connections that are kept open."""
        self._client.close()
        self._client.rest_client.pool_manager.clear()

    def find(self, resource: Resource, name: str) -> Object | None:
        """Find an object; None where there is none."""
        return self._ask("get", resource, name)

    def get(self, resource: Resource, name: str) -> Object:
        """Get an object that has to be there.

        Raises:
            BadInputError: There is none.
        """
        found = self.find(resource, name)
        if found is None:
            raise BadInputError(
                f"namespace {self.namespace} has no {resource.kind} {name}: is it installed there?"
            )
        return found

    def list(self, resource: Resource, labels: str) -> list[Object]:
        """List objects with these labels, as the API server remembers them: it asks no storage."""
        query = [("labelSelector", labels), ("resourceVersion", "0")]
        found = self._ask("list", resource, query=query) or {}
        return list(found.get("items", ()))

    def create(self, resource: Resource, name: str, content: Mapping[str, Any]) -> Object:
        """Create an object.

        Raises:
            ConflictError: There is one already.
        """
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name},
            **content,
        }
        made = self._ask("create", resource, body=body)
        if made is None:
            raise UnavailableError(f"namespace {self.namespace} takes no {resource.plural}")
        return made

    def patch(
        self, resource: Resource, name: str, changes: Mapping[str, Any], version: str = ""
    ) -> Object:
        """Merge changes into an object; None removes a key.

        Args:
            resource: Its kind.
            name: Of the object.
            changes: What differs.
            version: Its ``resourceVersion`` as it was read; empty: whatever it is by now.

        Raises:
            ConflictError: It has another version, or is gone.
        """
        locked = {"metadata": {"resourceVersion": version}} if version else {}
        metadata = {**locked.get("metadata", {}), **changes.get("metadata", {})}
        body = {**changes, "metadata": metadata} if metadata else dict(changes)
        return self._changed(resource, name, body, MERGE_PATCH)

    def replace(
        self, resource: Resource, name: str, values: Mapping[str, Any], version: str
    ) -> Object:
        """Put whole values in the places of others, all or none.

        Args:
            resource: Its kind.
            name: Of the object.
            values: By path, as in ``/spec/serveConfigV2``; each must be there.
            version: The object's ``resourceVersion`` as it was read.

        Raises:
            ConflictError: It has another version, or is gone.
        """
        all_values = {"/metadata/resourceVersion": version, **values}
        body = [{"op": "replace", "path": p, "value": v} for p, v in all_values.items()]
        return self._changed(resource, name, body, JSON_PATCH)

    def delete(self, resource: Resource, name: str) -> None:
        """Remove an object, and in the background what it owns; one that is gone is no error."""
        self._ask("delete", resource, name, query=[("propagationPolicy", "Background")])

    def log(self, pod: str, since: str = "") -> str:
        """Read lines of a pod's log, each with its time before it; empty before it has one.

        Args:
            pod: Its name; it has one container.
            since: Time of a line, as it stands there. What is as old or younger by the second
                comes; empty: all. At most LOG_BYTES, so the last line may lack its end.
        """
        query = [("timestamps", "true"), ("limitBytes", str(LOG_BYTES))]
        query += [("sinceTime", since.partition(".")[0].rstrip("Z") + "Z")] if since else []
        from kubernetes.client import ApiException

        path = f"/{PODS.path}/namespaces/{self.namespace}/{PODS.plural}/{pod}/log"
        try:
            answer = self._send(f"get pods/log of {pod}", path, "GET", query=query, raw=True)
            return bytes(answer.data).decode("utf-8", "replace")
        except ApiException as error:
            # 400: its container has not started yet.
            if error.status in (400, 404):
                return ""
            raise self._refusal(error, f"get pods/log of {pod}") from error
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"the log of pod {pod} was cut off") from error

    def tell(self, about: Object, reason: str, message: str, warning: bool = False) -> None:
        """Write an event about an object; what cannot be written is logged and forgotten."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        metadata = about["metadata"]
        # Named by the nanosecond, as Kubernetes' own parts do: a generated name has five
        # random characters, and a server older than 1.30 refuses one that it has already given.
        name = f"{metadata['name']}.{time.time_ns():x}"
        event = {
            "involvedObject": {
                "apiVersion": about.get("apiVersion"),
                "kind": about.get("kind"),
                "namespace": self.namespace,
                "name": metadata["name"],
                "uid": metadata.get("uid"),
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message[:_MESSAGE_LENGTH],
            "source": {"component": COMPONENT},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self.create(EVENTS, name, event)
        except (BadInputError, UnavailableError) as error:
            logger.warning("an event was not written: %s", error)

    def _changed(self, resource: Resource, name: str, body: Any, content_type: str) -> Object:
        query = [("fieldManager", FIELD_MANAGER)]
        changed = self._ask("patch", resource, name, body, query, content_type)
        if changed is None:
            raise ConflictError(f"{resource.kind} {name} was removed meanwhile: read it again")
        return changed

    def _ask(
        self,
        verb: str,
        resource: Resource,
        name: str = "",
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Object | None:
        """Ask once, and give the answer; None if there is no such object."""
        from kubernetes.client import ApiException

        path = f"/{resource.path}/namespaces/{self.namespace}/{resource.plural}"
        said = f"{verb} {resource.plural} {name}".rstrip()
        try:
            answer = self._send(
                said, f"{path}/{name}" if name else path, _METHODS[verb], body, query, content_type
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise self._refusal(error, said) from error
        if not isinstance(answer, dict):
            raise UnavailableError(f"cannot {said}: the answer is no object, is a proxy between?")
        return answer

    def _send(
        self,
        said: str,
        path: str,
        method: str,
        body: Any = None,
        query: Sequence[tuple[str, str]] = (),
        content_type: str = "application/json",
        raw: bool = False,
    ) -> Any:
        """Send a request, and give the answer as it came; ``raw``: not read yet, for no JSON.

        Raises:
            ApiException: It is a refusal.
            UnavailableError: There is none.
        """
        from kubernetes.client import ApiException

        try:
            answer, _, headers = self._client.call_api(
                path,
                method,
                query_params=list(query),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _preload_content=not raw,
                _request_timeout=self._timeout,
            )
        except ApiException as error:
            self.clock.heard((error.headers or {}).get("Date", ""))
            raise
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnavailableError(
                f"cannot {said}: the API did not answer ({type(error).__name__})"
            ) from error
        self.clock.heard(headers.get("Date", ""))
        return answer

    def _refusal(self, error: "client.ApiException", said: str) -> CoterieError:
        status, why = error.status, _message(error.body)
        if status == 409:
            return ConflictError(f"cannot {said}: it was changed meanwhile, read it again ({why})")
        if status == 403:
            verb, _, what = said.partition(" ")
            return BadInputError(
                f"may not {said} in namespace {self.namespace}: let the service account's role "
                f"allow the verb {verb} on {what} ({why})"
            )
        if status in (400, 413, 415, 422):
            return BadInputError(f"cannot {said}: the API refuses it ({why})")
        return UnavailableError(f"cannot {said}: status {status} ({why})")


def _own_namespace() -> str:
    try:
        return OWN_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInputError("not in a pod: give the namespace") from error


def _message(body: Any) -> str:
    """Read what the API says of an error, without what else it sends."""
    try:
        said = json.loads(body)["message"]
    except (KeyError, TypeError, ValueError):
        return "no reason given"
    return str(said)[:_MESSAGE_LENGTH]
