"""What a request asks for, and what a test lets happen to it."""

from dataclasses import dataclass, field
from typing import Any

from . import patches
from .errors import RefusedError
from .fields import Writer
from .kinds import BY_PLURAL, Kind

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


def read(method, path, query, body, content_type, agent, user) -> Request:
    """A request, as its path and its verb say."""
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
