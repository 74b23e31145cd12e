"""Stored and typed names as the version before had them: read once more, and never written.

A frozen config says beside its fields what was renamed: ``renamed`` holds old names and new ones.
Tensors of releases have such a table beside the terms of a score.
"""

import logging
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from coterie.errors import BadInputError

Value = TypeVar("Value")
log = logging.getLogger(__name__)


def under_new_names(
    found: Mapping[str, Value], renamed: Mapping[str, str], what: str
) -> dict[str, Value]:
    """Bring values that were stored or typed under old names to the new ones, in their order.

    One warning names all that were old.

    Args:
        found: Values by name.
        renamed: New names by old ones.
        what: What the values are, for people.

    Raises:
        BadInputError: A value stands under both of its names.
    """
    old = {name: renamed[name] for name in found if name in renamed}
    for name, new in old.items():
        if new in found:
            raise BadInputError(f"{what} have {name} and {new}, which are one: leave out {name}")
    if old:
        said = ", ".join(f"{name} is {new} now" for name, new in old.items())
        log.warning("%s under old names, which the next version will not read: %s", what, said)
    return {renamed.get(name, name): value for name, value in found.items()}


def renamed_fields(config: Any, prefix: str = "") -> dict[str, str]:
    """List what was renamed in a config and in the configs within it, by dotted old name.

    >>> from coterie.training.loop import LoopConfig
    >>> renamed_fields(LoopConfig())
    {'average': 'ema_decay'}
    """
    names = getattr(config, "renamed", {}).items()
    found = {f"{prefix}{old}": f"{prefix}{new}" for old, new in names}
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            found |= renamed_fields(value, f"{prefix}{field.name}.")
    return found
