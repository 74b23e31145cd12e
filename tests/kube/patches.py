"""The kinds of patches, apart from apply."""

from typing import Any

from .errors import RefusedError
from .lists import KEYS
from .plain import copied

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def patched(found: Any, body: Any, content_type: str) -> Any:
    if content_type == JSON:
        return _stepped(copied(found), body)
    if content_type == MERGE:
        return merged(found, body)
    if content_type == STRATEGIC:
        return strategic(found, body)
    raise RefusedError(415, f"unsupported media type {content_type}")


def merged(found: Any, changes: Any) -> Any:
    """RFC 7396."""
    if not isinstance(changes, dict):
        return copied(changes)
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _stepped(content: Any, steps: Any) -> Any:
    """RFC 6902: add, replace, remove and test."""
    for step in steps:
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]
        ]
        place = content
        for parent in parents:
            try:
                place = place[int(parent)] if isinstance(place, list) else place[parent]
            except (KeyError, IndexError) as error:
                raise RefusedError(422, "the server rejected our request") from error
        _step(step, place, last)
    return content


def _step(step: Any, place: Any, last: str) -> None:
    op = step["op"]
    if isinstance(place, list):
        spot: Any = len(place) if last == "-" else int(last)
        there = spot < len(place)
    else:
        spot, there = last, last in place
    if op == "add" and isinstance(place, list):
        place.insert(spot, step["value"])
    elif op == "add" or (op == "replace" and there):
        place[spot] = step["value"]
    elif op == "remove" and there:
        del place[spot]
    elif op != "test" or not there or place[spot] != step["value"]:
        raise RefusedError(422, "the server rejected our request")


STRATEGIC_KEYS = KEYS | {
    "topologySpreadConstraints": ("topologyKey",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
}


def strategic(found: Any, changes: Any, name: str = "", parent: str = "") -> Any:
    """A merge in which lists of Kubernetes' own kinds are merged by key."""
    if isinstance(changes, list):
        return _strategic_list(found if isinstance(found, list) else [], changes, name, parent)
    if not isinstance(changes, dict):
        return changes
    if changes.get("$patch") == "replace":
        return {k: v for k, v in changes.items() if k != "$patch"}
    result = dict(found) if isinstance(found, dict) else {}
    for key, value in changes.items():
        if key.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            kept = key.partition("/")[2]
            result[kept] = [v for v in result.get(kept, ()) if v not in value]
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = strategic(result.get(key), value, key, name)
    return result


def _strategic_list(found: list[Any], changes: list[Any], name: str, parent: str) -> list[Any]:
    keys = STRATEGIC_KEYS.get(name)
    if name == "ports":
        keys = ("port",) if any("port" in item for item in changes) else ("containerPort",)
    if name == "finalizers":
        return [*found, *(item for item in changes if item not in found)]
    if keys is None or not all(isinstance(item, dict) for item in changes):
        return copied(changes)
    result = {item[keys[0]]: item for item in found}
    for item in changes:
        one = item[keys[0]]
        if item.get("$patch") == "delete":
            result.pop(one, None)
        else:
            result[one] = strategic(result.get(one), item)
    return list(result.values())
