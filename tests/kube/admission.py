"""What is refused before it is made: pods without an account, or less than ``restricted``."""

from collections.abc import Iterator
from typing import Any

from .api import FakeApi
from .errors import RefusedError
from .store import Object

LABEL = "pod-security.kubernetes.io/enforce"


def admit_pods(api: FakeApi, restricted: bool = True) -> None:
    """Let the API refuse pods as a cluster does.

    ``restricted``: its namespace is labelled so.
    """
    if restricted:
        space = api.get("namespaces", "", api.namespace)
        metadata = {**space["metadata"], "labels": {LABEL: "restricted"}}
        api.write("namespaces", "", {**space, "metadata": metadata})
    api.put("serviceaccounts", "default", {})

    def admit(plural: str, namespace: str, pod: Object) -> None:
        if plural != "pods":
            return
        name = pod["metadata"]["name"]
        _check_account(api, namespace, name, pod["spec"])
        labels = api.get("namespaces", "", namespace)["metadata"].get("labels", {})
        wrong = list(_violations(pod["spec"])) if labels.get(LABEL) == "restricted" else []
        if wrong:
            said = f'pods "{name}" is forbidden: violates PodSecurity "restricted:latest": '
            raise RefusedError(403, said + ", ".join(wrong), kind="pods", name=name)

    api.admission.append(admit)


def _check_account(api: FakeApi, namespace: str, name: str, spec: Any) -> None:
    account = spec.setdefault("serviceAccountName", "default")
    if api.find("serviceaccounts", namespace, account) is None:
        said = f'pods "{name}" is forbidden: error looking up service account '
        raise RefusedError(
            403, f'{said}{namespace}/{account}: serviceaccount "{account}" not found'
        )


def _violations(spec: Any) -> Iterator[str]:
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    whole = spec.get("securityContext") or {}

    def wrong(holds: Any) -> str:
        names = [c["name"] for c in containers if not holds(c.get("securityContext") or {})]
        quoted = ", ".join(f'"{name}"' for name in names)
        many = "s" if len(names) > 1 else ""
        return f"container{many} {quoted} must set securityContext" if names else ""

    if said := wrong(lambda c: c.get("allowPrivilegeEscalation") is False):
        what = "allowPrivilegeEscalation"
        yield f"{what} != false ({said}.{what}=false)"
    if said := wrong(lambda c: "ALL" in c.get("capabilities", {}).get("drop", ())):
        yield f'unrestricted capabilities ({said}.capabilities.drop=["ALL"])'
    if said := wrong(lambda c: c.get("runAsNonRoot", whole.get("runAsNonRoot")) is True):
        yield f"runAsNonRoot != true (pod or {said}.runAsNonRoot=true)"
    profiles = ("RuntimeDefault", "Localhost")
    default = whole.get("seccompProfile", {})
    if said := wrong(lambda c: c.get("seccompProfile", default).get("type") in profiles):
        many = '"RuntimeDefault" or "Localhost"'
        yield f"seccompProfile (pod or {said}.seccompProfile.type to {many})"
