"""Server-side apply: who owns which field of an object, and what that means for a change.

An object is taken apart into its leaves: plain values, lists and maps that are one value, and items
of merged lists by their keys. Owning is a set of paths of leaves.
"""

import json
import marshal
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .errors import RefusedError
from .lists import Path, is_atomic, key, keys_of
from .plain import copied

Leaves = dict[Path, Any]
_HERE = object()
"""Stands for an item of a merged list: it is there, whatever is in it."""
UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
            "managedFields", "name", "namespace", "resourceVersion", "uid",
        )
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Writer:
    """Who writes: as an entry of managedFields says it."""

    manager: str
    operation: str = "Update"
    part: str = ""
    """The subresource."""

    @classmethod
    def of(cls, entry: Any) -> "Writer":
        return cls(entry["manager"], entry["operation"], entry.get("subresource", ""))


def leaves(kind: str, content: Any, path: Path = ()) -> Leaves:
    return dict(_leaves(kind, content, path))


def _leaves(kind: str, value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if path in UNOWNED:
        return
    if isinstance(value, dict) and value and not (path and is_atomic(path)):
        for name, inner in value.items():
            if inner is not None:
                yield from _leaves(kind, inner, (*path, f"f:{name}"))
        return
    keys = keys_of(kind, path) if isinstance(value, list) else None
    if keys is None:
        yield path, value
        return
    for item in value:
        place = (*path, key(item, keys))
        yield place, _HERE
        if keys:
            yield from _leaves(kind, item, place)


@dataclass(frozen=True)
class Change:
    changed: set[Path]
    """Added, or of another value."""
    removed: set[Path]


def difference(kind: str, before: Any, after: Any) -> Change:
    old, new = (leaves(kind, side) for side in _differing(before, after))
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    return Change(changed, old.keys() - new.keys())


def _differing(before: Any, after: Any) -> tuple[Any, Any]:
    """Two maps without what is alike in both, which is nearly all where a status was written."""
    old, new = {}, {}
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict) and one and other:
            # A map of which nothing is left is not one that was empty.
            one, other = (side or None for side in _differing(one, other))
        old[name], new[name] = one, other
    return old, new


def owners(content: Any) -> dict[Writer, Set[Path]]:
    entries = content["metadata"].get("managedFields") or ()
    return {Writer.of(entry): _owned(entry) for entry in entries}


def _owned(entry: Any) -> frozenset[Path]:
    return _unpacked(marshal.dumps(entry["fieldsV1"], 2))


@lru_cache(512)
def _unpacked(fields: bytes) -> frozenset[Path]:
    """Most are what they were when they were last asked for."""
    return frozenset(_parsed(marshal.loads(fields)))


def updated(kind: str, before: Any, after: Any, writer: Writer, now: str) -> Any:
    """What somebody wrote by other means than apply: what they changed is theirs alone."""
    change = difference(kind, before, after)
    owned = owners(after)
    for other in owned:
        owned[other] = owned[other] - change.removed
        if other != writer:
            owned[other] = owned[other] - change.changed
    owned[writer] = owned.get(writer, set()) | change.changed
    return _with_owners(after, owned, {writer} if change.changed else set(), now)


def applied(kind: str, before: Any, wanted: Any, writer: Writer, force: bool, now: str) -> Any:
    """What an apply makes of an object.

    Raises:
        RefusedError: It would change what others own.
    """
    wanted = copied(wanted)
    wanted["metadata"].pop("managedFields", None)
    merged = _merged(kind, before, wanted, ())
    change = difference(kind, before, merged)
    owned = owners(before)
    conflicts = {
        other: paths & change.changed
        for other, paths in owned.items()
        if other != writer and paths & change.changed
    }
    if conflicts and not force:
        _refuse(conflicts, before)
    for other, paths in conflicts.items():
        owned[other] = owned[other] - paths
    new = set(leaves(kind, wanted))
    given_up = owned.get(writer, set()) - new
    others = set().union(*(paths for other, paths in owned.items() if other != writer))
    for path in sorted(given_up - others, key=len):
        if not any(o[: len(path)] == path for o in others | new):
            _remove(kind, merged, path)
    moved = owned.get(writer) != new
    owned[writer] = new
    return _with_owners(merged, owned, {writer} if moved or change.changed else set(), now)


def _merged(kind: str, old: Any, new: Any, path: Path) -> Any:
    if isinstance(old, dict) and isinstance(new, dict) and not (path and is_atomic(path)):
        result = dict(old)
        for name, value in new.items():
            inner = (*path, f"f:{name}")
            result[name] = _merged(kind, old.get(name), value, inner)
        return result
    keys = keys_of(kind, path) if isinstance(old, list) and isinstance(new, list) else None
    if keys is None:
        return copied(new)
    there = {key(item, keys): item for item in old}
    for item in new:
        step = key(item, keys)
        there[step] = _merged(kind, there.get(step), item, (*path, step))
    return list(there.values())


def _remove(kind: str, content: Any, path: Path, depth: int = 0) -> None:
    """Take one leaf out, and maps that it leaves empty."""
    step, last = path[depth], depth == len(path) - 1
    if isinstance(content, list):
        keys = keys_of(kind, path[:depth]) or ()
        place = next((n for n, item in enumerate(content) if key(item, keys) == step), None)
    else:
        place = step.removeprefix("f:") if step.removeprefix("f:") in content else None
    if place is None:
        return
    inner = content[place]
    if not last and isinstance(inner, dict | list):
        _remove(kind, inner, path, depth + 1)
    if last or (inner in ({}, []) and isinstance(content, dict)):
        del content[place]


def _refuse(conflicts: dict[Writer, Set[Path]], before: Any) -> None:
    version, lines, causes = before["apiVersion"], [], []
    times = {Writer.of(e): e["time"] for e in before["metadata"]["managedFields"]}
    for other, paths in sorted(conflicts.items(), key=lambda pair: pair[0].manager):
        who = f'"{other.manager}"' + (f' with subresource "{other.part}"' if other.part else "")
        who += f" using {version}"
        if other.operation == "Update":
            who += f" at {times[other]}"
        names = sorted(map(_dotted, paths))
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": name}
            for name in names
        ]
        if len(names) == 1:
            lines.append(f"conflict with {who}: {names[0]}")
        else:
            lines.append(f"conflicts with {who}:\n" + "\n".join(f"- {name}" for name in names))
    many = len(causes)
    said = f"Apply failed with {many} conflict{'s' if many > 1 else ''}: " + "\n".join(lines)
    raise RefusedError(409, said, reason="Conflict", causes=causes)


def _dotted(path: Path) -> str:
    parts = []
    for step in path:
        if step.startswith("f:"):
            parts.append(f".{step[2:]}")
        elif step.startswith("k:"):
            pairs = [f"{n}={json.dumps(v)}" for n, v in json.loads(step[2:]).items()]
            parts.append(f"[{','.join(pairs)}]")
        else:
            parts.append(f"[={step[2:]}]")
    return "".join(parts)


def _with_owners(content: Any, owned: dict[Writer, Set[Path]], moved: set[Writer], now: str) -> Any:
    """The object with its managedFields written anew; the time is of a writer's last change."""
    result = copied(content)
    before = result["metadata"].get("managedFields") or ()
    known = {Writer.of(entry): entry for entry in before}
    entries = []
    for writer, paths in owned.items():
        if paths:
            entry = {"manager": writer.manager, "operation": writer.operation}
            entry |= {"apiVersion": result["apiVersion"], "fieldsType": "FieldsV1"}
            old = known.get(writer)
            entry["time"] = now if writer in moved or old is None else old["time"]
            same = old is not None and _owned(old) == paths
            entry["fieldsV1"] = old["fieldsV1"] if same else _rendered(paths)
            entries.append(entry | ({"subresource": writer.part} if writer.part else {}))
    result["metadata"]["managedFields"] = entries
    return result


def _rendered(paths: Set[Path]) -> Any:
    root: Any = {}
    for path in sorted(paths):
        place = root
        for step in path:
            place = place.setdefault(step, {})
        place["."] = {}
    return _without_dots(root)


def _without_dots(node: Any) -> Any:
    """A leaf is an empty map; only where more lies beneath does a dot say that it is itself one."""
    if set(node) == {"."}:
        return {}
    return {step: {} if step == "." else _without_dots(inner) for step, inner in node.items()}


def _parsed(node: Any, path: Path = ()) -> Iterator[Path]:
    for step, inner in node.items():
        if step == ".":
            yield path
        elif inner:
            yield from _parsed(inner, (*path, step))
        else:
            yield (*path, step)
