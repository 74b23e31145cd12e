"""The API's description, as programs read it that write clients from it."""

import json
from collections.abc import Iterator
from typing import Any, Final

_PREFIX: Final = "#/components/schemas/"


def for_clients(described: dict[str, Any]) -> dict[str, Any]:
    """Say in words what a field of a request's body is when it is left out, in place of a default.

    Generated types take a field with a default for one that is always there, which holds of
    answers: callers would have to send it.

    Args:
        described: As FastAPI has it; changed, and told once however often this is called.
    """
    schemas = described.get("components", {}).get("schemas", {})
    operations = [
        one
        for path in described["paths"].values()
        for one in path.values()
        if isinstance(one, dict)
    ]
    asked = _reached([one.get("requestBody") for one in operations], schemas)
    for name in asked - _reached([one.get("responses") for one in operations], schemas):
        for field in schemas[name].get("properties", {}).values():
            if "default" in field:
                default = field.pop("default")
                word = default if isinstance(default, str) else json.dumps(default)
                told = [field.get("description"), f"{word} if left out"]
                field["description"] = "; ".join(one for one in told if one)
    return described


def _reached(part: Any, schemas: dict[str, Any]) -> set[str]:
    """Name the schemas that a part of the description refers to, and those that they refer to."""
    found: set[str] = set()
    new = set(_references(part))
    while new:
        found |= new
        new = set(_references([schemas[name] for name in new])) - found
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(to := part.get("$ref"), str):
            yield to.removeprefix(_PREFIX)
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _references(one)
