"""As much of a Kubernetes API as helm asks of, where it looks objects up."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

_NAMES = {
    "/api/v1": ["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"],
    "/apis/apps/v1": ["Deployment", "StatefulSet"],
    "/apis/batch/v1": ["CronJob", "Job"],
    "/apis/coordination.k8s.io/v1": ["Lease"],
    "/apis/monitoring.coreos.com/v1": ["PodMonitor", "PrometheusRule", "ServiceMonitor"],
    "/apis/networking.k8s.io/v1": ["NetworkPolicy"],
    "/apis/policy/v1": ["PodDisruptionBudget"],
    "/apis/ray.io/v1": ["RayService"],
    "/apis/rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
}
KINDS = {
    path: {
        f"{kind.lower().removesuffix('y')}{'ies' if kind[-1] == 'y' else 's'}": kind
        for kind in kinds
    }
    for path, kinds in _NAMES.items()
}


@contextmanager
def kubernetes(folder: Path, objects: list[Mapping[str, Any]]) -> Iterator[Path]:
    """A kubeconfig of an API that has these objects in namespace shop."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler([_owned(o) for o in objects]))
    Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = folder / "kubeconfig"
    address = f"http://127.0.0.1:{server.server_address[1]}"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": address}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        server.server_close()


def _owned(o: Mapping[str, Any]) -> Mapping[str, Any]:
    """As helm leaves an object that it made."""
    mark = {"release-name": "coterie", "release-namespace": "shop"}
    annotations = {f"meta.helm.sh/{key}": value for key, value in mark.items()}
    return {**o, "metadata": {**o["metadata"], "annotations": annotations}}


def _handler(objects: list[Mapping[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = _answer(self.path.partition("?")[0], objects)
            status = 200
            if found is None:
                status, found = 404, {"kind": "Status", "code": 404, "reason": "NotFound"}
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _answer(path: str, objects: list[Mapping[str, Any]]) -> Any:
    if path == "/version":
        return {"major": "1", "minor": "31", "gitVersion": "v1.31.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "groups": [_group(p) for p in KINDS if "apis" in p]}
    if path in KINDS:
        resources = [
            {"name": plural, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
            for plural, kind in KINDS[path].items()
        ]
        version = path.removeprefix("/apis/").removeprefix("/api/")
        return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    base, _, rest = path.partition("/namespaces/shop/")
    plural, _, name = rest.partition("/")
    kind = KINDS.get(base, {}).get(plural)
    return next((o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)), None)


def _group(path: str) -> Any:
    name, version = path.removeprefix("/apis/").split("/")
    one = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [one], "preferredVersion": one}
