"""Fields that an update may not change."""

from typing import Any

from .errors import RefusedError
from .kinds import Kind

FIXED = {
    "Deployment": ("selector",),
    "Job": ("selector", "template", "completionMode"),
    "StatefulSet": ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"),
}
"""Of ``spec``."""


def check_unchanged(kind: Kind, before: Any, after: Any) -> None:
    """Refuse a change that the API would refuse."""
    name = before["metadata"]["name"]
    wrong = [
        f"spec.{field}"
        for field in FIXED.get(kind.name, ())
        if before["spec"].get(field) != after["spec"].get(field)
    ]
    if kind.name == "RoleBinding" and before["roleRef"] != after["roleRef"]:
        wrong = ["roleRef"]
    if wrong:
        said = ", ".join(f"{field}: Invalid value: field is immutable" for field in wrong)
        what = f'{kind.name}.{kind.group} "{name}" is invalid: {said}'
        raise RefusedError(422, what, name=name, kind=kind.name, group=kind.group)
