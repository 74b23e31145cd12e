"""The Kubernetes API, as far as the cluster part of Coterie uses it: a real server, in a thread.

Objects have versions, patches conflict, and RayServices are brought into their status by something
that takes rounds as KubeRay does. Faults are put in by a test.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml

PATH = re.compile(r"/(api|apis/[^/]+)/v1/namespaces/([^/]+)/([a-z]+)(?:/([^/]+))?(/log)?")
VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
SETS = {
    "configmaps": "api",
    "events": "api",
    "pods": "api",
    "leases": "apis/coordination.k8s.io",
    "jobs": "apis/batch",
    "rayclusters": "apis/ray.io",
    "rayjobs": "apis/ray.io",
    "rayservices": "apis/ray.io",
}


class RefusedError(Exception):
    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class CutOffError(Exception):
    """The answer ends in its middle."""


@dataclass
class Fault:
    """What happens to requests that fit, so many times."""

    verb: str
    plural: str
    status: int = 0
    """0: the connection is reset; -1: the answer is late; -2: it is cut off in its middle."""
    times: float = 1
    after: bool = False
    """Whether the request was carried out before."""
    headers: dict[str, str] = field(default_factory=dict)

    def fits(self, verb, plural):
        return self.times > 0 and self.verb in ("*", verb) and self.plural in ("*", plural)


class FakeApi:
    def __init__(self):
        self.objects: dict[tuple[str, str], dict] = {}
        self.version = 100
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str]] = []
        self.lock = threading.RLock()
        self.kuberay: dict[str, KubeRay] = {}
        self.late_s = 1.0
        self.logs: dict[str, str] = {}
        """By pod, lines with their times; a pod without has not started."""
        self.job_looked_at: Callable[[dict], None] = lambda job: None
        """Brings a RayJob on by one round, each time somebody looks."""
        self.on_write: Callable[[str, str], None] = lambda verb, plural: None

    def fail(self, verb, plural, status=500, **more):
        fault = Fault(verb, plural, status, **more)
        self.faults.append(fault)
        return fault

    def heal(self):
        self.faults.clear()

    def put(self, plural, name, content):
        """As somebody else would."""
        with self.lock:
            return self._store(plural, name, {**content, "metadata": content.get("metadata", {})})

    def events(self, reason=""):
        with self.lock:
            found = [o for (plural, _), o in self.objects.items() if plural == "events"]
        return [o for o in found if reason in ("", o["reason"])]

    def writes(self):
        return [r for r in self.requests if r[0] in ("create", "patch", "update")]

    def answer(self, method, path, query, body, content_type):
        match = PATH.fullmatch(path)
        if match is None or SETS.get(match[3]) != match[1]:
            raise RefusedError(404, f"no such path {path}")
        plural, name = match[3], match[4] or ""
        if match[5]:
            plural += "/log"
        verb = "list" if method == "GET" and not name else VERBS[method]
        with self.lock:
            self.requests.append((verb, plural, name))
            fault = next((f for f in self.faults if f.fits(verb, plural)), None)
            if fault:
                fault.times -= 1
            if fault is None or fault.after or fault.status in (-1, -2):
                done = self._do(verb, plural, name, query, body, content_type)
        if fault is None:
            return done
        if fault.status == -1:
            time.sleep(self.late_s)
            return done
        if fault.status == -2:
            raise CutOffError(done)
        raise RefusedError(fault.status, f"{verb} {plural} is faulty", fault.headers)

    def _do(self, verb, plural, name, query, body, content_type):
        if plural == "pods/log":
            return self._log(name, query)
        if verb == "list":
            return {"kind": "List", "items": self._list(plural, query)}
        if verb == "create":
            return self._create(plural, body)
        found = self.objects.get((plural, name))
        if found is None:
            raise RefusedError(404, f"{plural} {name} not found")
        if verb == "get":
            if plural == "rayservices" and name in self.kuberay:
                self.kuberay[name].round(found, self._bump)
            if plural == "rayjobs":
                self.job_looked_at(found)
            return deepcopy(self.objects[plural, name])
        if verb == "delete" and found["metadata"].get("finalizers"):
            return deepcopy(self._held_back(found))
        if verb == "delete":
            return self.objects.pop((plural, name))
        if verb == "patch":
            changed = patched(found, body, content_type)
            if changed["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise RefusedError(409, "the object has been modified")
            return self._store(plural, name, changed)
        raise RefusedError(405, verb)

    def _held_back(self, found):
        """It stays, marked, until whoever put a finalizer there takes it away."""
        if "deletionTimestamp" not in found["metadata"]:
            found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self._bump(found)
        return found

    def _log(self, name, query):
        if ("pods", name) not in self.objects:
            raise RefusedError(404, f"pods {name} not found")
        if name not in self.logs:
            raise RefusedError(400, f"container in pod {name} is waiting to start")
        # By the second, as the kubelet takes it.
        since = query.get("sinceTime", [""])[0].rstrip("Z")
        lines = self.logs[name].splitlines(keepends=True)
        return "".join(line for line in lines if line[: len(since)] >= since)

    def _list(self, plural, query):
        wanted = dict(p.split("=") for p in query.get("labelSelector", [""])[0].split(",") if p)
        return [
            deepcopy(o)
            for (kind, _), o in self.objects.items()
            if kind == plural and wanted.items() <= o["metadata"].get("labels", {}).items()
        ]

    def _create(self, plural, body):
        name = body["metadata"]["name"]
        if (plural, name) in self.objects:
            raise RefusedError(409, f"{plural} {name} already exists")
        return self._store(plural, name, body)

    def _store(self, plural, name, content):
        size = sum(map(len, (content.get("data") or {}).values()))
        if plural == "configmaps" and size > 1 << 20:
            raise RefusedError(422, "too long: must have at most 1048576 bytes")
        before = self.objects.get((plural, name))
        content = deepcopy(content)
        content["metadata"].setdefault("uid", uuid.uuid4().hex)
        content["metadata"]["name"] = name
        if plural == "rayservices":
            generation = before["metadata"]["generation"] if before else 0
            changed = before is None or before["spec"] != content["spec"]
            content["metadata"]["generation"] = generation + changed
        self.objects[plural, name] = content
        self._bump(content)
        self.on_write(plural, name)
        return deepcopy(content)

    def _bump(self, content):
        self.version += 1
        content["metadata"]["resourceVersion"] = str(self.version)


class KubeRay:
    """One round each time somebody looks, so that tests need not wait.

    As KubeRay 1.7: Serve's status is asked for before a changed configuration is handed over, so
    the first round after a change tells of the old one under the new generation.
    """

    def __init__(self, loading_rounds=1):
        self.loading_rounds = loading_rounds
        self.serving: dict | None = None
        """The ``user_config`` that replicas really hold."""
        self.handed_over = ""
        self.left = 0
        self.breaks: Callable[[dict], str] = lambda user_config: ""
        """Why replicas cannot hold a configuration."""
        self.paused = False

    def round(self, service, bump):
        if self.paused:
            return
        app = self._app()
        text = service["spec"]["serveConfigV2"]
        if text != self.handed_over:
            self.handed_over, self.left = text, self.loading_rounds + 1
        elif self.left > 0:
            self.left -= 1
        if self.left == 0 and not self.breaks(user_config(text)):
            self.serving = user_config(text)
        status = {
            "observedGeneration": service["metadata"]["generation"],
            "conditions": [{"type": "Ready", "status": "True"}],
            "activeServiceStatus": {
                "rayClusterName": "shop-raycluster-abcde",
                "applicationStatuses": {"coterie": app},
            },
        }
        if service.get("status") != status:
            service["status"] = status
            bump(service)

    def _app(self):
        """What Serve says before the configuration of this round is handed over."""
        if not self.handed_over:
            return {"status": "NOT_STARTED", "message": "", "serveDeploymentStatuses": {}}
        why = self.breaks(user_config(self.handed_over)) if self.left == 0 else ""
        states = ("DEPLOYING", "UPDATING") if self.left else ("RUNNING", "HEALTHY")
        if why:
            states = ("DEPLOY_FAILED", "UNHEALTHY")
        deployments = {"Api": {"status": states[1], "message": why}}
        return {"status": states[0], "message": why, "serveDeploymentStatuses": deployments}


def user_config(text):
    (app,) = [a for a in yaml.safe_load(text)["applications"] if a["name"] == "coterie"]
    (api,) = [d for d in app["deployments"] if d["name"] == "Api"]
    return api["user_config"]


def patched(found, body, content_type):
    found = deepcopy(found)
    if content_type == "application/merge-patch+json":
        return merged(found, body)
    if content_type != "application/json-patch+json":
        raise RefusedError(415, f"unsupported media type {content_type}")
    for step in body:
        *parents, last = step["path"].strip("/").split("/")
        place = found
        for parent in parents:
            place = place[parent]
        if step["op"] != "replace" or last not in place:
            raise RefusedError(422, "the server rejected our request")
        place[last] = step["value"]
    return found


def merged(found, changes):
    """RFC 7396."""
    if not isinstance(changes, dict):
        return changes
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    api: FakeApi

    def log_message(self, *args):
        """Say nothing."""

    def do_any(self):
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            kind = self.headers.get("Content-Type", "")
            content = self.api.answer(self.command, parts.path, parse_qs(parts.query), body, kind)
            self._send(201 if self.command == "POST" else 200, content, {})
        except RefusedError as error:
            if error.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            said = {"kind": "Status", "message": str(error), "code": error.status}
            self._send(error.status, said, error.headers)
        except CutOffError as error:
            self._send(200, error.args[0], {}, cut=True)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_any  # noqa: N815

    def _send(self, status, content, headers, cut=False):
        data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Connections that a test breaks off are no news."""


@contextmanager
def serving(api) -> Iterator[str]:
    handler = type("BoundHandler", (Handler,), {"api": api})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
