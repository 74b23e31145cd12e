"""Values as JSON has them."""

from typing import Any


def copied(value: Any) -> Any:
    """A copy of all of it; several times as quick as ``copy.deepcopy``, and tests copy a lot."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value
