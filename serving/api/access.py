"""Who may ask what: one line a route, and no route without one.

``python -m serving.api.access`` writes the table of docs/http-api.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from coterie.access.scopes import MEANING, Scope


@dataclass(frozen=True, slots=True)
class Need:
    """What a caller of a route has to have."""

    scope: Scope | None
    """None: it is open to everybody."""
    own: bool = False
    """A token that is bound to a shopper opens it, for that shopper."""
    why: str = ""
    """It is open."""


_PROBE: Final = Need(None, why="probes have no key, and it tells of nobody")
_PAGE: Final = Need(None, why="a page without anything in it: what it shows, it asks for")
_TEXTS: Final = Need(None, why="files of this version, the same for everybody")
_LISTS: Final = Need(Scope.LISTS)
_OWN: Final = Need(Scope.LISTS, own=True)
_EVENTS: Final = Need(Scope.EVENTS)
_CATALOGUE: Final = Need(Scope.CATALOGUE)
_PEOPLE: Final = Need(Scope.PEOPLE)
_ADMIN: Final = Need(Scope.ADMIN)

ACCESS: Final[Mapping[tuple[str, str], Need]] = {
    ("GET", "/v1/users/{user_id}/recommendations"): _OWN,
    ("GET", "/v1/users/{user_id}/search"): _OWN,
    ("POST", "/v1/users/{user_id}/ask"): _OWN,
    ("POST", "/v1/users/{user_id}/tokens"): _LISTS,
    ("POST", "/v1/events"): _EVENTS,
    ("GET", "/v1/items/{item_id}/similar"): _LISTS,
    ("GET", "/v1/items"): _LISTS,
    ("PUT", "/v1/items/{item_id}"): _CATALOGUE,
    ("PATCH", "/v1/items/{item_id}"): _CATALOGUE,
    ("DELETE", "/v1/items/{item_id}"): _CATALOGUE,
    ("POST", "/v1/items"): _CATALOGUE,
    ("PUT", "/v1/users/{user_id}/ties/{other_id}"): _PEOPLE,
    ("DELETE", "/v1/users/{user_id}/ties/{other_id}"): _PEOPLE,
    ("POST", "/v1/ties"): _PEOPLE,
    ("PUT", "/v1/users/{user_id}"): _PEOPLE,
    ("DELETE", "/v1/users/{user_id}"): _PEOPLE,
    ("GET", "/v1/users/{user_id}/data"): Need(Scope.PEOPLE, own=True),
    ("DELETE", "/v1/users/{user_id}/erasure"): _PEOPLE,
    ("GET", "/v1/shoppers"): _LISTS,
    ("GET", "/v1/users/{user_id}"): _LISTS,
    ("GET", "/v1/users/{user_id}/items/{item_id}"): _LISTS,
    ("GET", "/v1/new-items"): _LISTS,
    ("GET", "/v1/users/{user_id}/items/{item_id}/invitees"): _OWN,
    ("GET", "/v1/users/{user_id}/people"): _OWN,
    ("GET", "/v1/users/{user_id}/circle"): _OWN,
    ("GET", "/v1/users/{user_id}/taste"): _OWN,
    ("GET", "/v1/groups/recommendations"): _LISTS,
    ("GET", "/v1/rollouts"): _LISTS,
    ("GET", "/v1/admin/rollouts"): _ADMIN,
    ("GET", "/v1/admin/rollouts/history"): _ADMIN,
    ("GET", "/v1/admin/rollouts/explain"): _ADMIN,
    ("POST", "/v1/admin/rollouts"): _ADMIN,
    ("POST", "/v1/admin/rollouts/{verb}"): _ADMIN,
    ("GET", "/v1/experiments"): _LISTS,
    ("GET", "/v1/admin/experiments"): _ADMIN,
    ("POST", "/v1/admin/experiments"): _ADMIN,
    ("GET", "/v1/admin/experiments/{name}"): _ADMIN,
    ("POST", "/v1/admin/experiments/{name}/stop"): _ADMIN,
    ("GET", "/healthz"): _PROBE,
    ("GET", "/readyz"): _PROBE,
    ("GET", "/metrics"): Need(None, why="counts without ids, for who scrapes"),
    ("GET", "/openapi.json"): _TEXTS,
    ("GET", "/docs"): _TEXTS,
    ("GET", "/"): _PAGE,
    ("GET", "/operations"): _PAGE,
    ("GET", "/experiments"): _PAGE,
    ("GET", "/privacy"): _PAGE,
    ("GET", "/together"): _PAGE,
    ("GET", "/circle"): _PAGE,
    ("GET", "/sign-in"): _PAGE,
    ("POST", "/session"): Need(None, why="the key in the body is the secret: it begins a session"),
    ("DELETE", "/session"): Need(None, why="a browser lets go of its own session"),
    ("GET", "/session"): Need(None, why="the link itself is the secret: it begins a session"),
    ("GET", "/languages/{language}"): _TEXTS,
}
MOUNTED: Final = {
    "/static": _TEXTS,
    "/pictures": Need(None, why="the shop's own pictures, which its pages show to everybody"),
}
"""Folders of files, by where they begin."""


def need_of(path: str, methods: Iterable[str]) -> Need:
    """Look up what callers of a route need.

    Raises:
        LookupError: The table has no line for it, so there cannot be such a route.
    """
    needs = {ACCESS.get((method, path)) for method in methods}
    if len(needs) != 1 or None in needs:
        raise LookupError(f"{path} has no line in serving.api.access: which scope does it need?")
    return next(need for need in needs if need is not None)


def access_table() -> Iterator[str]:
    """Write the table of scopes as Markdown, line by line."""
    yield "| route | needs | a shopper's token |"
    yield "|---|---|---|"
    for (method, path), need in ACCESS.items():
        own = "their own" if need.own else "no"
        yield (
            f"| {method} `{path}` | `{need.scope}` | {own} |"
            if need.scope
            else f"| {method} `{path}` | nothing: {need.why} | - |"
        )
    for path, need in MOUNTED.items():
        yield f"| GET `{path}/...` | nothing: {need.why} | - |"


def describe_access(whole: dict[str, Any], is_open: frozenset[Scope]) -> None:
    """Say in an OpenAPI description which scope each operation needs.

    Args:
        whole: The description.
        is_open: Scopes that everybody has.
    """
    used = False
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            need = ACCESS[method.upper(), path]
            if need.scope is None:
                continue
            operation["x-coterie-scope"] = need.scope.value
            if need.scope not in is_open:
                used = True
                operation["security"] = [{"Key": []}, *([{"ShopperToken": []}] * need.own)]
    if used:
        whole.setdefault("components", {})["securitySchemes"] = {
            "Key": _scheme("A key that has the operation's `x-coterie-scope`"),
            "ShopperToken": _scheme("Bound to one shopper: POST /v1/users/{user_id}/tokens"),
        }


def _scheme(description: str) -> dict[str, str]:
    return {"type": "http", "scheme": "bearer", "description": description}


def _main() -> None:
    for scope, meaning in MEANING.items():
        print(f"- `{scope}`: {meaning}")
    print()
    for line in access_table():
        print(line)


if __name__ == "__main__":
    _main()
