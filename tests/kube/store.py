"""Objects: their versions, who watches them, and how they go."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from . import fields
from .defaults import set_defaults
from .errors import RefusedError
from .fields import Writer
from .kinds import BY_NAME, BY_PLURAL
from .plain import copied

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]
"""By plural and name."""
FOREGROUND = "foregroundDeletion"
SOMEBODY = Writer("somebody")


class Store:
    def __init__(self, namespace: str):
        self.spaces: dict[str, Objects] = {"": {}, namespace: {}}
        """By namespace; what belongs to none is under the empty one."""
        self.namespace = namespace
        """That of tests which name none."""
        self.version = 100
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.news: list[tuple[int, str, str, Object]] = []
        """What happened: version, type, plural and the object, for whoever watches."""
        self.clock: Callable[[], float] = time.time
        self._known_at = (0, 0)
        self._known: dict[tuple[str, str | None], list[Object]] = {}
        """What lay here in that state, by plural and namespace."""
        self._by_owner: dict[str, dict[str, list[tuple[str, Object]]]] = {}
        """By namespace, what each uid owned then."""
        self.on_write: Callable[[str, str], None] = lambda plural, name: None
        """Told of each write; a test may write from it."""

    @property
    def objects(self) -> Objects:
        return self.spaces[self.namespace]

    @property
    def state(self) -> tuple[int, int]:
        """Another one after each write; tests take things out by hand as well."""
        return self.version, sum(map(len, self.spaces.values()))

    def now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def space(self, namespace: str) -> Objects:
        return self.spaces.setdefault(namespace, {})

    def every(self, plural: str, namespace: str | None = None) -> list[Object]:
        """As they lie here, in the order in which they were made."""
        with self.lock:
            self._forget()
            if (plural, namespace) not in self._known:
                spaces = self.spaces.values() if namespace is None else [self.space(namespace)]
                self._known[plural, namespace] = [
                    o for space in spaces for (kind, _), o in space.items() if kind == plural
                ]
            return list(self._known[plural, namespace])

    def _forget(self) -> None:
        """Forget what was found in another state: all is looked up far oftener than written."""
        if self._known_at != self.state:
            self._known_at = self.state
            self._known.clear()
            self._by_owner.clear()

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        return self.space(namespace).get((plural, name))

    def get(self, plural: str, namespace: str, name: str) -> Object:
        found = self.find(plural, namespace, name)
        if found is None:
            group = BY_PLURAL[plural].group
            what = f"{plural}.{group}" if group else plural
            raise RefusedError(404, f'{what} "{name}" not found', name=name, kind=plural)
        return found

    def write(
        self, plural: str, namespace: str, content: Object, writer: Writer = SOMEBODY
    ) -> Object:
        """Put an object in the place of what is there, as a writer's update or apply."""
        kind = BY_PLURAL[plural]
        name = content["metadata"]["name"]
        _check_size(plural, content)
        before = self.find(plural, namespace, name)
        content = {"apiVersion": kind.version, "kind": kind.name, **copied(content)}
        set_defaults(kind, before, content, self.version)
        metadata = content["metadata"]
        if before is None:
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
            if kind.namespaced:
                metadata["namespace"] = namespace
        else:
            kept = ("uid", "creationTimestamp", "namespace", "deletionTimestamp")
            metadata |= {k: before["metadata"][k] for k in kept if k in before["metadata"]}
        if writer.operation == "Update":
            since = before or {"metadata": {}}
            content = fields.updated(kind.name, since, content, writer, self.now())
        if "status" in kind.parts:
            changed = before is None or before.get("spec") != content.get("spec")
            generation = before["metadata"].get("generation", 0) if before else 0
            content["metadata"]["generation"] = generation + changed
        if before is not None:
            content["metadata"]["resourceVersion"] = before["metadata"].get("resourceVersion")
            if _timeless(content) == _timeless(before):
                return copied(before)
        self.space(namespace)[plural, name] = content
        self.bump(content, "MODIFIED" if before else "ADDED")
        self.on_write(plural, name)
        self.finish(plural, content)
        return copied(content)

    def bump(self, content: Object, what: str = "MODIFIED") -> None:
        """Give an object that was changed in its place a new version, and tell it."""
        with self.changed:
            self.version += 1
            content["metadata"]["resourceVersion"] = str(self.version)
            plural = next(k.plural for k in BY_NAME.values() if k.name == content["kind"])
            self.news.append((self.version, what, plural, copied(content)))
            self.changed.notify_all()

    def delete(self, plural: str, content: Object, policy: str = "", grace_s: float = -1) -> Object:
        """Begin to remove an object; it is gone at once if nothing holds it."""
        metadata = content["metadata"]
        content = self.get(plural, metadata.get("namespace", ""), metadata["name"])
        metadata = content["metadata"]
        finalizers = metadata.setdefault("finalizers", [])
        if policy == "Foreground" and FOREGROUND not in finalizers:
            finalizers.append(FOREGROUND)
        if plural == "pods":
            spec = content.get("spec", {})
            if grace_s < 0:
                grace_s = spec.get("terminationGracePeriodSeconds", 30)
            if spec.get("nodeName") and grace_s:
                metadata["deletionGracePeriodSeconds"] = grace_s
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = self.now()
            self.bump(content)
        elif plural == "pods" and grace_s == 0:
            metadata.pop("deletionGracePeriodSeconds", None)
        self.finish(plural, content)
        return copied(content)

    def finish(self, plural: str, content: Object) -> None:
        """Remove an object whose time has come, and treat what it owns."""
        metadata = content["metadata"]
        if "deletionTimestamp" not in metadata:
            return
        namespace = metadata.get("namespace", "")
        owned = self.owned_by(content)
        if FOREGROUND in metadata.get("finalizers", ()):
            for kind, one in owned:
                if "deletionTimestamp" not in one["metadata"]:
                    self.delete(kind, one, "Foreground")
            if self.owned_by(content) or (plural, metadata["name"]) not in self.space(namespace):
                return
            metadata["finalizers"].remove(FOREGROUND)
        if metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
            return
        self.remove(plural, content)
        for kind, one in owned:
            if "deletionTimestamp" not in one["metadata"]:
                self.delete(kind, one)

    def remove(self, plural: str, content: Object) -> None:
        """An object is gone; owners that waited for it may go too."""
        metadata = content["metadata"]
        namespace = metadata.get("namespace", "")
        if self.space(namespace).pop((plural, metadata["name"]), None) is None:
            return
        self.bump(content, "DELETED")
        for reference in metadata.get("ownerReferences", ()):
            kind = BY_NAME[reference["kind"]].plural
            owner = self.find(kind, namespace, reference["name"])
            if owner is not None:
                self.finish(kind, owner)

    def owned_by(self, owner: Object) -> list[tuple[str, Object]]:
        metadata = owner["metadata"]
        namespace = metadata.get("namespace", "")
        with self.lock:
            self._forget()
            if namespace not in self._by_owner:
                by_owner = self._by_owner[namespace] = {}
                for (plural, _), one in self.space(namespace).items():
                    for uid in {r["uid"] for r in one["metadata"].get("ownerReferences", ())}:
                        by_owner.setdefault(uid, []).append((plural, one))
            return list(self._by_owner[namespace].get(metadata.get("uid"), ()))


def _timeless(content: Object) -> Object:
    """Without the times at which managers wrote: they alone are no change."""
    entries = [{**e, "time": ""} for e in content["metadata"].get("managedFields") or ()]
    return {**content, "metadata": {**content["metadata"], "managedFields": entries}}


def _check_size(plural: str, content: Object) -> None:
    size = sum(map(len, (content.get("data") or {}).values()))
    if plural == "configmaps" and size > 1 << 20:
        raise RefusedError(422, "too long: must have at most 1048576 bytes")
