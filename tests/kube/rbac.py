"""What a service account may do: what Roles of its namespace let it, and nothing else."""

from typing import Any

from .errors import RefusedError
from .store import Store

ACCOUNT = "system:serviceaccount:"
"""A bearer token that starts so names who asks; anybody else may do everything."""


def check(store: Store, user: str, verb: str, kind: Any, part: str, space: str, name: str) -> None:
    """Refuse what no Role allows.

    ``kind`` is the objects', ``part`` their subresource.
    """
    if not user.startswith(ACCOUNT):
        return
    resource = f"{kind.plural}/{part}" if part else kind.plural
    # A Role that says names cannot know that of an object which is yet to be made.
    known = "" if verb in ("create", "list", "watch", "deletecollection") else name
    if any(_allows(rule, verb, kind.group, resource, known) for rule in _rules(store, user, space)):
        return
    what = f'{resource}{f".{kind.group}" if kind.group else ""} "{name}"'
    said = f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
    raise RefusedError(403, f'{said}in API group "{kind.group}" in the namespace "{space}"')


def _rules(store: Store, user: str, space: str) -> list[Any]:
    owner, _, account = user.removeprefix(ACCOUNT).partition(":")
    rules: list[Any] = []
    for binding in store.every("rolebindings", space):
        for subject in binding.get("subjects", ()):
            if (subject.get("namespace", space), subject["name"]) == (owner, account):
                role = store.find("roles", space, binding["roleRef"]["name"])
                rules += role["rules"] if role else []
    return rules


def _allows(rule: Any, verb: str, group: str, resource: str, name: str) -> bool:
    names = rule.get("resourceNames")
    return (
        group in rule["apiGroups"]
        and resource in rule["resources"]
        and verb in rule["verbs"]
        and (not names or name in names)
    )
