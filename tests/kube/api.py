"""Requests, as the API server answers them, with a test's faults between."""

import random
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import fields, patches, rbac
from .errors import CutOffError, RefusedError
from .fields import Writer
from .immutable import check_unchanged
from .kinds import BY_PLURAL, Kind, discovery
from .plain import copied
from .selectors import fits
from .store import Object, Store

VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


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


@dataclass(frozen=True)
class Request:
    verb: str
    kind: Kind
    namespace: str
    """Empty: of none, or of all."""
    name: str
    part: str
    query: dict[str, list[str]]
    body: Any
    content_type: str
    agent: str
    user: str

    @property
    def plural(self) -> str:
        return f"{self.kind.plural}/{self.part}" if self.part else self.kind.plural

    def asked(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    @property
    def dry(self) -> bool:
        return bool(self.asked("dryRun"))

    @property
    def writer(self) -> Writer:
        operation = "Apply" if self.content_type == patches.APPLY else "Update"
        # As the server names who says no name: by what stands before the version.
        manager = self.asked("fieldManager") or self.agent.partition("/")[0] or "unknown"
        return Writer(manager, operation, self.part)


class FakeApi(Store):
    def __init__(self, namespace="shop"):
        super().__init__(namespace)
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str]] = []
        self.late_s = 1.0
        self.logs: dict[str, str] = {}
        """By pod, lines with their times; a pod without has not started."""
        self.kuberay: dict[str, Any] = {}
        """By RayService, what answers for Serve one round each time somebody looks."""
        self.job_looked_at: Callable[[dict], None] = lambda job: None
        """Brings a RayJob on by one round, each time somebody looks."""
        self.admission: list[Callable[[str, str, Object], None]] = []
        """Each may change an object that is about to be made, or refuse it."""
        self.parts: dict[str, Callable[[Request, Object], Any]] = {"pods/log": self._log}
        """Subresources that do something of their own."""
        self.write(
            "namespaces", "", {"metadata": {"name": namespace}, "status": {"phase": "Active"}}
        )

    def fail(self, verb, plural, status=500, **more):
        fault = Fault(verb, plural, status, **more)
        self.faults.append(fault)
        return fault

    def heal(self):
        self.faults.clear()

    def put(self, plural, name, content):
        """As somebody else would."""
        with self.lock:
            metadata = {**content.get("metadata", {}), "name": name}
            return self.write(plural, self.namespace, {**content, "metadata": metadata})

    def events(self, reason=""):
        with self.lock:
            found = self.every("events")
        return [o for o in found if reason in ("", o["reason"])]

    def writes(self):
        return [r for r in self.requests if r[0] in ("create", "patch", "update")]

    def answer(self, method, path, query, body, content_type, agent="", user=""):
        if method == "GET" and (found := discovery(path)) is not None:
            return found
        request = self._request(method, path, query, body, content_type, agent, user)
        with self.lock:
            self.requests.append((request.verb, request.plural, request.name))
            wanted = (f for f in self.faults if f.fits(request.verb, request.plural))
            fault = next(wanted, None)
            if fault:
                fault.times -= 1
            if fault is None or fault.after or fault.status in (-1, -2):
                done = self._do(request)
        if fault is None:
            return done
        if fault.status == -1:
            time.sleep(self.late_s)
            return done
        if fault.status == -2:
            raise CutOffError(done)
        said = f"{request.verb} {request.plural} is faulty"
        raise RefusedError(fault.status, said, fault.headers)

    def _request(self, method, path, query, body, content_type, agent, user) -> Request:
        steps = path.strip("/").split("/")
        size = 2 if steps[0] == "api" else 3
        root, rest, namespace = "/" + "/".join(steps[:size]), steps[size:], ""
        if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] in BY_PLURAL:
            namespace, rest = rest[1], rest[2:]
        kind = BY_PLURAL.get(rest[0]) if rest else None
        if kind is None or kind.root != root or len(rest) > 3:
            raise RefusedError(404, f"no such path {path}")
        name, part = ([*rest[1:], "", ""])[:2]
        if part and part not in kind.parts:
            raise RefusedError(404, "the server could not find the requested resource")
        verb = VERBS[method]
        if method == "GET" and query.get("watch", ["false"])[0] in ("true", "1"):
            verb = "watch"
        elif not name:
            verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
        return Request(verb, kind, namespace, name, part, query, body, content_type, agent, user)

    def _do(self, request: Request) -> Any:
        kind = request.kind
        rbac.check(
            self, request.user, request.verb, kind, request.part, request.namespace, request.name
        )
        if request.verb == "list":
            return self._list(request)
        if request.verb == "watch":
            return self._watch(request)
        if request.verb == "create" and not request.part:
            return self._create(request)
        if request.verb == "deletecollection":
            for one in self._found(request):
                self.delete(kind.plural, self._stored(one))
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if request.plural in self.parts:
            return self.parts[request.plural](
                request, self.get(kind.plural, request.namespace, request.name)
            )
        if request.content_type == patches.APPLY:
            return self._apply(request)
        found = self.get(kind.plural, request.namespace, request.name)
        if request.verb == "get":
            return self._get(kind.plural, request.name, found)
        if request.verb == "delete":
            return self._delete(request, found)
        if request.verb == "patch":
            return self._change(
                request, found, patches.patched(found, request.body, request.content_type)
            )
        return self._change(request, found, request.body)

    def _get(self, plural, name, found):
        if plural == "rayservices" and name in self.kuberay:
            self.kuberay[name].round(found, self.bump)
        if plural == "rayjobs":
            self.job_looked_at(found)
        return copied(self.find(plural, found["metadata"].get("namespace", ""), name))

    def _found(self, request: Request) -> list[Object]:
        everywhere = request.kind.namespaced and not request.namespace
        found = self.every(request.kind.plural, None if everywhere else request.namespace)
        if request.name:
            found = [o for o in found if o["metadata"]["name"] == request.name]
        labels, wanted = request.asked("labelSelector"), request.asked("fieldSelector")
        return [copied(o) for o in found if fits(o, labels, wanted)]

    def _stored(self, one: Object) -> Object:
        metadata = one["metadata"]
        plural = next(k for k, v in BY_PLURAL.items() if v.name == one["kind"])
        return self.get(plural, metadata.get("namespace", ""), metadata["name"])

    def _list(self, request: Request) -> Any:
        return {
            "kind": f"{request.kind.name}List",
            "apiVersion": request.kind.version,
            "metadata": {"resourceVersion": str(self.version)},
            "items": self._found(request),
        }

    def _watch(self, request: Request) -> Iterator[Any]:
        """Events from the version that is asked for, or else from what is there."""
        since, first = request.asked("resourceVersion"), []
        initial = request.asked("sendInitialEvents") == "true"
        if initial or since in ("", "0"):
            first = [{"type": "ADDED", "object": one} for one in self._found(request)]
            since = str(self.version)
        if initial:
            mark = {"resourceVersion": since, "annotations": {"k8s.io/initial-events-end": "true"}}
            kind = {"kind": request.kind.name, "apiVersion": request.kind.version}
            first.append({"type": "BOOKMARK", "object": {**kind, "metadata": mark}})
        end = time.monotonic() + float(request.asked("timeoutSeconds", "300"))
        return self._stream(request, first, int(since), end)

    def _stream(self, request: Request, first: list[Any], seen: int, end: float) -> Iterator[Any]:
        yield from first
        place = 0
        labels, wanted = request.asked("labelSelector"), request.asked("fieldSelector")
        if request.name:
            wanted = f"metadata.name={request.name}"
        while time.monotonic() < end:
            with self.changed:
                if place == len(self.news):
                    self.changed.wait(min(0.5, max(0.0, end - time.monotonic())))
                news, place = self.news[place:], len(self.news)
            for version, what, plural, one in news:
                inside = request.namespace in ("", one["metadata"].get("namespace", ""))
                ours = version > seen and plural == request.kind.plural and inside
                if ours and fits(one, labels, wanted):
                    yield {"type": what, "object": one}
            # A stream whose reader has gone notices when it writes.
            yield None

    def _create(self, request: Request) -> Any:
        content = copied(request.body)
        metadata = content.setdefault("metadata", {})
        if request.kind.namespaced and self.find("namespaces", "", request.namespace) is None:
            said = f'namespaces "{request.namespace}" not found'
            raise RefusedError(404, said, kind="namespaces", name=request.namespace)
        if self.find(request.kind.plural, request.namespace, metadata.get("name", "")) is not None:
            said = f'{request.kind.plural} "{metadata["name"]}" already exists'
            raise RefusedError(409, said, reason="AlreadyExists")
        return self._made(request, content)

    def _made(self, request: Request, content: Object) -> Object:
        plural, namespace = request.kind.plural, request.namespace
        return self.make(plural, namespace, content, request.writer, request.dry)

    def make(
        self, plural: str, namespace: str, content: Object, writer: Writer, dry: bool = False
    ) -> Object:
        """A new object, if those who may refuse it do not."""
        metadata = content.setdefault("metadata", {})
        if not metadata.get("name"):
            end = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
            metadata["name"] = metadata.get("generateName", "") + end
        if "status" in BY_PLURAL[plural].parts:
            content.pop("status", None)
        for admit in self.admission:
            admit(plural, namespace, content)
        return content if dry else self.write(plural, namespace, content, writer)

    def tell_of(self, one: Object, reason: str, message: str) -> None:
        """An event about an object; told once for each reason."""
        metadata = one["metadata"]
        about = {"kind": one["kind"], "name": metadata["name"], "uid": metadata["uid"]}
        known = ((e["involvedObject"].get("uid"), e["reason"]) for e in self.every("events"))
        if (metadata["uid"], reason) not in known:
            event = {"type": "Warning", "reason": reason, "message": message}
            name = f"{metadata['name']}.{self.version:x}"
            content = {"metadata": {"name": name}, "involvedObject": about, **event}
            self.write("events", metadata["namespace"], content)

    def _apply(self, request: Request) -> Any:
        kind, wanted = request.kind, copied(request.body)
        force = request.asked("force") == "true"
        found = self.find(kind.plural, request.namespace, request.name)
        if "status" in kind.parts and not request.part:
            wanted.pop("status", None)
        wanted["metadata"].setdefault("name", request.name)
        before = found or {"apiVersion": kind.version, "kind": kind.name, "metadata": {}}
        content = fields.applied(kind.name, before, wanted, request.writer, force, self.now())
        return self._change(request, found, content) if found else self._made(request, content)

    def _change(self, request: Request, found: Object, content: Object) -> Object:
        content = copied(content)
        version = content["metadata"].get("resourceVersion")
        if version and version != found["metadata"]["resourceVersion"]:
            said = f'Operation cannot be fulfilled on {request.kind.plural} "{request.name}": '
            said += "the object has been modified; please apply your changes to the latest version"
            raise RefusedError(409, said)
        if request.part == "status":
            content = {**copied(found), "status": content.get("status", {})}
        elif "status" in request.kind.parts:
            content = {**content, "status": found.get("status", {})}
            if "status" not in found:
                del content["status"]
        check_unchanged(request.kind, found, content)
        if request.dry:
            return content
        return self.write(request.kind.plural, request.namespace, content, request.writer)

    def _delete(self, request: Request, found: Object) -> Object:
        options = request.body or {}
        policy = options.get("propagationPolicy") or request.asked("propagationPolicy")
        grace = options.get("gracePeriodSeconds", request.asked("gracePeriodSeconds") or -1)
        wanted = options.get("preconditions", {})
        if any(found["metadata"].get(k) != v for k, v in wanted.items()):
            raise RefusedError(409, f"the preconditions {wanted} do not hold")
        if request.dry:
            return copied(found)
        return self.delete(request.kind.plural, found, policy, float(grace))

    def _log(self, request: Request, found: Object) -> str:
        name = request.name
        if name not in self.logs:
            raise RefusedError(400, f"container in pod {name} is waiting to start")
        # By the second, as the kubelet takes it.
        since = request.asked("sinceTime").rstrip("Z")
        lines = self.logs[name].splitlines(keepends=True)
        return "".join(line for line in lines if line[: len(since)] >= since)
